"""Commands that change a rollout. Heavy imports stay inside the functions."""

import click

CHANGING: tuple[click.Command, ...] = ()
