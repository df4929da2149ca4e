"""The command that lets rollouts go on by themselves. Heavy imports stay inside the functions."""

import click

RUNNING: tuple[click.Command, ...] = ()
