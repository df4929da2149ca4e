"""Testers choose their variant: with a signed token for one model, one variant and some hours."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mediareview.errors import MediaReviewError
from mediareview.settings import Settings
from serving.experiments.signing import SIGNATURE, signing_keys

HEADER = "X-Variant"
CANARY = "canary"
"""Stands for the canary of the moment, whatever its name, as ``stable`` does for the stable variant."""

MAX_HOURS = 24 * 30


class VariantTokenError(Exception):
    """A token does not allow what it was sent for; says why."""


@dataclass(frozen=True)
class VariantChoice:
    """What a token allows."""

    model: str
    variant: str
    """Name of a predictor, or ``stable``, or ``canary``."""


class VariantTokens:
    """Makes and reads tokens.

    Args:
        keys: the first signs, all verify.
        clock: tells the time, in Unix seconds.
    """

    def __init__(self, keys: Sequence[str], clock: Callable[[], float] = time.time) -> None:
        # Here, because those who only read experiments have no need of it, and in some images it is not there.
        from itsdangerous import URLSafeSerializer

        self._serializer = URLSafeSerializer([*reversed(keys)], salt="mediareview.variant", signer_kwargs=SIGNATURE)
        self._clock = clock

    def make(self, choice: VariantChoice, lifetime_s: float) -> str:
        """Return a token that is good for so long."""
        token = self._serializer.dumps([choice.model, choice.variant, int(self._clock() + lifetime_s)])
        return token if isinstance(token, str) else token.decode()

    def read(self, token: str) -> VariantChoice:
        """Return what a token allows.

        Raises:
            VariantTokenError: it was not signed here, was changed, or has expired.
        """
        from itsdangerous import BadData

        try:
            model, variant, expires_at = self._serializer.loads(token)
        except (BadData, ValueError, TypeError):
            raise VariantTokenError("the token was not made here, or was changed on the way") from None
        if self._clock() >= expires_at:
            raise VariantTokenError("the token has expired")
        return VariantChoice(model, variant)


def variant_token(settings: Settings, model: str, variant: str, hours: float = 8.0) -> str:
    """Return a token which, sent in the header ``X-Variant``, has one variant of a model answer.

    Args:
        settings: they, or the home directory, hold the signing key of the API.
        model: name of the InferenceService.
        variant: name of a predictor, or ``stable``, or ``canary``.
        hours: how long it is good for, more than 0 and at most 720.

    Raises:
        MediaReviewError: the time is out of range, or the key is not known here.
    """
    if not 0 < hours <= MAX_HOURS:
        raise MediaReviewError(
            f"A token cannot be good for {hours:g} hours.", f"Use more than 0 and at most {MAX_HOURS}."
        )
    return VariantTokens(signing_keys(settings)).make(VariantChoice(model, variant), hours * 3600)
