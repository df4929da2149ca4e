"""Moderation of what people write: spam, abusive, inappropriate; allow, review or block."""
