"""Commands that only look. Heavy imports stay inside the functions."""

import click

READING: tuple[click.Command, ...] = ()
