"""Whoever is called by an alert finds what to do."""

from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[3]


def test_each_alert_has_a_section_in_the_operations_guide() -> None:
    rules = yaml.safe_load((ROOT / "manifests/base/serving/alerts.yaml").read_text())
    alerts = [rule for group in rules["spec"]["groups"] for rule in group["rules"]]
    assert alerts
    guide = (ROOT / "docs/operations.md").read_text().splitlines()
    for alert in alerts:
        assert f"### {alert['alert']}" in guide
        assert alert["annotations"]["runbook_url"] == f"docs/operations.md#{alert['alert'].lower()}"
        assert alert["labels"]["severity"] in ("page", "ticket")
