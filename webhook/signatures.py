"""Senders that sign their bodies with a secret which they share with us."""

from __future__ import annotations

import hashlib
import hmac
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, Final

from pydantic import SecretStr

from shared.settings import Section
from webhook.grouping import Grouping
from webhook.senders import NotAuthentic, Sender

TOLERANCE_SECONDS: Final = 300
"""How far a signed time may be from ours: a body that was recorded cannot be sent again later."""


class Shared(Section):
    """The secret of one sender."""

    secret: SecretStr | None = None


class Signing(Sender):
    """A sender whose bodies must be signed once its secret is set; until then the webhook token counts."""

    config: ClassVar[type[Shared]]

    def __init__(self, grouping: Grouping) -> None:
        """Reads the secret. Raises ConfigurationError."""
        super().__init__(grouping)
        self._secret = self.config.read().secret

    def authenticate(self, raw: Callable[[], bytes], headers: Mapping[str, str]) -> bool:
        """Whether the body is signed; False when there is no secret to check it with. Raises NotAuthentic."""
        if self._secret is None:
            return False
        if not self.signed(raw(), headers, self._secret.get_secret_value()):
            raise NotAuthentic(
                "the signature is missing, wrong or too old: it must be made with the secret that Whydown was given"
            )
        return True

    @abstractmethod
    def signed(self, raw: bytes, headers: Mapping[str, str], secret: str) -> bool:
        """Whether the headers (names in lower case) hold the signature of a raw body, made with the secret, and not too
        long ago.
        """


def digest(raw: bytes, secret: str) -> str:
    """Hex HMAC-SHA256."""
    return hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()


def same(expected: str, shown: str) -> bool:
    """Whether two texts are equal, in a time that tells nothing about them."""
    return hmac.compare_digest(expected.encode(), shown.strip().encode("utf-8", "surrogatepass"))


def recent(timestamp: str) -> bool:
    """Whether a time in seconds since 1970 is near ours."""
    seconds = int(timestamp) if timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12 else 0
    return abs(time.time() - seconds) <= TOLERANCE_SECONDS
