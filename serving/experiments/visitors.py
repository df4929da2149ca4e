"""Visitors without an account: each gets a signed token, by which a later request is known to be the same visitor's."""

import secrets
from collections.abc import Sequence

from itsdangerous import BadSignature, Signer

from serving.experiments.signing import SIGNATURE

COOKIE = "mediareview_visitor"
HEADER = "X-Visitor"
LIFETIME_S = 365 * 86400
"""How long a browser keeps the cookie."""

_PREFIX = "visitor-"
_MAX_TOKEN_LENGTH = 256


class Visitors:
    """Makes and reads the tokens of visitors.

    A token says nothing about a person: it is a random number, signed so that nobody can choose one, and with it the
    variant that answers.

    Args:
        keys: the first signs, all verify.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._signer = Signer([*reversed(keys)], salt="mediareview.visitor", **SIGNATURE)

    def new(self) -> str:
        """Return a new visitor."""
        return _PREFIX + secrets.token_urlsafe(15)

    def token(self, visitor: str) -> str:
        """Return the token of a visitor: 72 characters of ``A-Za-z0-9_.-``."""
        return self._signer.sign(visitor).decode()

    def read(self, token: str | None) -> str | None:
        """Return the visitor of a token; None if there is none, or it was not signed here, or not as it was given."""
        if not token or len(token) > _MAX_TOKEN_LENGTH or not token.startswith(_PREFIX):
            return None
        try:
            return self._signer.unsign(token).decode()
        except BadSignature:
            return None
