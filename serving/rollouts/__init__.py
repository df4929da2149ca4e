"""Moves a new version from zero to all traffic with evidence, or takes it back."""
