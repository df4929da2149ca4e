"""The one exception users see: what went wrong and what to do about it."""


class MediaReviewError(Exception):
    """An expected failure. The command line prints it without a traceback and exits with 1.

    Args:
        message: what went wrong, naming the file, table or value concerned.
        hint: what the reader can do about it.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message
