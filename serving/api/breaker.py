"""A circuit breaker: what has just failed several times is left alone for a moment."""

import time
from collections.abc import Callable

FAILURES = 5
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 8.0


class Breaker:
    """Counts failures in a row; after some of them refuses calls for a pause, then lets one through to try.

    Each trial that fails doubles the pause (Nygard, Release It!, 2007).

    Args:
        failures: failures in a row that open it.
        first_pause_s: first pause, in seconds.
        longest_pause_s: longest pause, in seconds.
        clock: tells the time, in seconds.
    """

    def __init__(
        self,
        failures: int = FAILURES,
        first_pause_s: float = FIRST_PAUSE_S,
        longest_pause_s: float = LONGEST_PAUSE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most_failures = failures
        self._first_pause_s = first_pause_s
        self._longest_pause_s = longest_pause_s
        self._clock = clock
        self._failures = 0
        self._pause_s = first_pause_s
        self._closed_until = 0.0

    @property
    def open(self) -> bool:
        """Whether calls are refused, but for trials."""
        return self._failures >= self._most_failures

    def refused_s(self) -> float:
        """Return 0 if a call may be made now, else for how many seconds not. A call that may be made may be a trial."""
        if not self.open:
            return 0.0
        rest = self._closed_until - self._clock()
        if rest <= 0:
            # One trial; if its caller goes away, the next one comes after the pause.
            self._closed_until = self._clock() + self._pause_s
            return 0.0
        return rest

    def succeeded(self) -> None:
        """Take note of a call that was answered."""
        if self._failures:
            self.reset()

    def failed(self) -> None:
        """Take note of a call that was not."""
        if self.open:
            self._pause_s = min(2 * self._pause_s, self._longest_pause_s)
        self._failures += 1
        if self.open:
            self._closed_until = self._clock() + self._pause_s

    def reset(self) -> None:
        """Forget all failures."""
        self._failures = 0
        self._pause_s = self._first_pause_s
        self._closed_until = 0.0
