"""The pipeline steps: one folder per stage or model."""
