"""The command ``rollout``. Heavy imports stay inside the functions."""

import click

from components.rollouts.changing import CHANGING
from components.rollouts.reading import READING
from components.rollouts.running import RUNNING


@click.group()
def rollout() -> None:
    """Move a model version from zero to all traffic with evidence, or take it back."""


for _command in (*CHANGING, *READING, *RUNNING):
    rollout.add_command(_command)
