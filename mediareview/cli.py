"""The ``mediareview`` command. Its subcommands are found through the ``mediareview.commands`` entry points.

Command modules import click at the top and everything heavy inside their functions, so that ``--help`` is instant.
"""

import sys
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import click

from mediareview import __version__
from mediareview.errors import MediaReviewError


class EntryPointGroup(click.Group):
    """A click group whose commands are the entry points of a group."""

    entry_point_group = "mediareview.commands"

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the names of the entry points, sorted."""
        return sorted(entry_points(group=self.entry_point_group).names)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Load the entry point of that name."""
        found: tuple[EntryPoint, ...] = tuple(entry_points(group=self.entry_point_group, name=name))
        return found[0].load() if found else None


@click.group(cls=EntryPointGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="mediareview")
def mediareview() -> None:
    """Recommendations, sentiment and moderation for a review network."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; expected failures become one clear message and exit code 1."""
    try:
        result: Any = mediareview.main(args=arguments, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except MediaReviewError as error:
        click.secho(f"Error: {error}", fg="red", err=True)
        sys.exit(1)
    except ModuleNotFoundError as error:
        # Installed with fewer extras, for example [serve] only, where the others are not wanted.
        click.secho(
            f"Error: This command needs {error.name}, which is not installed.\n"
            "  Install every extra: make setup, or pip install 'mediareview-ml[pipelines,train,serve]'.",
            fg="red",
            err=True,
        )
        sys.exit(1)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted. Run the same command again to go on where it stopped.", err=True)
        sys.exit(130)
    sys.exit(result if isinstance(result, int) else 0)
