"""Everything else (e-mail, SMS, Matrix, ntfy, ...) through Apprise: https://appriseit.com. It is an extra."""

from __future__ import annotations

from typing import ClassVar, Final, Self

from pydantic import SecretStr

from shared.errors import ConfigurationError
from shared.extras import of_extra
from shared.moment import Deadline, DeadlineExceeded
from shared.settings import Section, setting
from worker.announcement import Announcement
from worker.notifiers import Event, Occasion, Push, PushFailure

_SPARE_SECONDS: Final = 1.0


class Config(Section):
    """Apprise."""

    urls: SecretStr | None = setting(
        "WHYDOWN_APPRISE_URLS",
        default=None,
        description="URLs of Apprise, separated by blanks, such as "
        "`mailtos://user:password@example.com?to=oncall@example.com`. Needs whydown[apprise].",
    )


class AppriseUrls:
    """E-mail, SMS, Matrix, ntfy and the rest of Apprise's services. Without a word from a route they are told the end
    alone: most of them ring.
    """

    configure: ClassVar[str] = "WHYDOWN_APPRISE_URLS, with whydown[apprise] installed"
    events: tuple[Event, ...] = ("diagnosis", "failed")

    def __init__(self, urls: str) -> None:
        """`urls` are separated by blanks. Raises ConfigurationError."""
        with of_extra("apprise"):
            from apprise import Apprise  # noqa: PLC0415 - it is an extra, and takes long to import
        self._services = Apprise()
        for number, url in enumerate(urls.split(), 1):
            if not self._services.add(url):
                raise ConfigurationError(f"WHYDOWN_APPRISE_URLS: URL {number} is none of Apprise's, or lacks a part")

    @classmethod
    def from_settings(cls) -> Self | None:
        """The services of the settings, or None. Raises ConfigurationError."""
        urls = Config.read().urls
        return cls(urls.get_secret_value()) if urls else None

    @classmethod
    def at(cls, address: str) -> Self:
        """Other services. Raises ConfigurationError."""
        return cls(address)

    def wants(self, occasion: Occasion) -> bool:
        """Everything."""
        return True

    def push(self, push: Push, deadline: Deadline) -> None:
        """Tells them all; when one did not take it, all are told again. Raises PushFailure."""
        announcement = Announcement.of(push)
        title, *lines = announcement.lines()
        try:
            seconds = deadline.remaining() - _SPARE_SECONDS
        except DeadlineExceeded:
            raise PushFailure("no time was left") from None
        result = self._services.notify("\n".join(lines), title, body_format="text", timeout=max(seconds, 0.1))
        refused = [str(each.name) for each in result if not each]
        if not result:
            raise PushFailure(f"not taken by {', '.join(refused) or 'any service'}")

    def probe(self, deadline: Deadline) -> str:
        """How many services there are: they can only be asked by posting."""
        return f"not tried: {len(self._services)} services of Apprise can only be asked by posting"
