"""What a call may hold. Every limit is documented in OpenAPI and in docs/tutorial-backend-engineers.md."""

MAX_ITEMS = 64
"""Texts in one call."""

MAX_TEXT_BYTES = 8192
"""Length of a text in UTF-8."""

MAX_BODY_BYTES = 2 * 2**20
"""Length of a request body: 64 texts of 8 KiB, all written as ``\\u`` escapes of non-ASCII characters, fit."""

MAX_RECOMMENDATIONS = 100
"""Titles in one answer."""

MAX_HISTORY = 1000
MAX_EXCLUDED = 10_000

MAX_FEEDBACK_ITEMS = 1000
"""Ids in one feedback event."""

MAX_LABEL_LENGTH = 256

BODY_TIMEOUT_S = 15.0
"""Time to send a request body."""
