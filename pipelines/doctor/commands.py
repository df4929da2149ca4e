"""The command ``doctor``. Heavy imports stay inside the function."""

import json
from pathlib import Path

import click

SIGNS = {"ok": "[green]✓[/green]", "warning": "[yellow]![/yellow]", "missing": "[red]✗[/red]"}


@click.command()
@click.option("--cluster", is_flag=True, help="Look at the cluster of KUBECONFIG instead of at this machine.")
@click.option("--overlay", default="kind", show_default=True, help="What is to be applied there.")
@click.option(
    "--manifests",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="The folder manifests of a clone (default: that of the clone which runs).",
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def doctor(cluster: bool, overlay: str, manifests: Path | None, as_json: bool) -> int:
    """Say in one line each what the platform needs, and what is missing. Exits with 1 if something is."""
    from dataclasses import asdict

    from mediareview.console import output
    from mediareview.settings import get_settings
    from pipelines.doctor.cluster import cluster_checks
    from pipelines.doctor.findings import Mark, examine
    from pipelines.doctor.local import local_checks
    from pipelines.doctor.prerequisites import MANIFESTS

    checks = cluster_checks(overlay, manifests or MANIFESTS) if cluster else local_checks(get_settings())
    findings = []
    for finding in examine(checks):
        findings.append(finding)
        if not as_json:
            hint = f" → {finding.hint}" if finding.hint else ""
            output.print(f"{SIGNS[finding.mark]} [bold]{finding.name}[/bold]: ", end="")
            output.print(f"{finding.found}{hint}", markup=False)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    missing = sum(finding.mark is Mark.MISSING for finding in findings)
    if missing and not as_json:
        output.print(f"Missing: {missing} of {len(findings)}")
    return 1 if missing else 0
