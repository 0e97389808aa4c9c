"""PagerDuty: notes on the incident that the alert came from, where the phone that rang shows them.

https://developer.pagerduty.com/api-reference/a1ac30885eb1f-create-a-note-on-an-incident.
"""

from __future__ import annotations

import re
from typing import ClassVar, Final, Self

from pydantic import SecretStr

from shared.errors import ConfigurationError
from shared.moment import Deadline
from shared.settings import Section, setting
from worker.announcement import Announcement
from worker.notifiers import Event, Occasion, Push, PushFailure
from worker.outbound import Answer, Outbound
from worker.pushing import check, send

_API: Final = "https://api.pagerduty.com"
_ID: Final = re.compile(r"[A-Z0-9]{5,32}")


class Config(Section):
    """PagerDuty."""

    token: SecretStr | None = setting(
        "WHYDOWN_PAGERDUTY_TOKEN",
        default=None,
        description="REST API key of PagerDuty: incidents that came from there get notes.",
    )
    sender: str | None = setting(
        "WHYDOWN_PAGERDUTY_FROM",
        default=None,
        description="E-mail address of the PagerDuty user whose notes they are: an account's key needs one.",
    )
    api_url: str = setting(
        "WHYDOWN_PAGERDUTY_API_URL",
        default=_API,
        description="Base URL of PagerDuty's API, `https://api.eu.pagerduty.com` in Europe.",
    )


class PagerDutyNote:
    """Notes on the PagerDuty incident that the alert came from."""

    configure: ClassVar[str] = "WHYDOWN_PAGERDUTY_TOKEN (and WHYDOWN_PAGERDUTY_FROM with an account's key)"
    events: tuple[Event, ...] = ("brief", "diagnosis", "failed")

    def __init__(self, token: str, sender: str | None = None, api_url: str = _API) -> None:
        """`sender` is the e-mail address of a user."""
        headers = {"Authorization": f"Token token={token}", "Accept": "application/vnd.pagerduty+json;version=2"}
        self._api = Outbound(api_url, headers=headers | ({"From": sender} if sender else {}))

    @classmethod
    def from_settings(cls) -> Self | None:
        """PagerDuty with the key of the settings, or None. Raises ConfigurationError."""
        config = Config.read()
        return cls(config.token.get_secret_value(), config.sender, config.api_url) if config.token else None

    @classmethod
    def at(cls, address: str) -> Self:
        """Raises ConfigurationError: each alert says where it came from."""
        raise ConfigurationError("notes go to the incident that the alert came from: write `pagerduty` into `to`")

    def wants(self, occasion: Occasion) -> bool:
        """What PagerDuty's webhook told of."""
        return occasion.sender == "pagerduty"

    def push(self, push: Push, deadline: Deadline) -> None:
        """Adds a note. Raises PushFailure."""
        # The sender's own identity of an alert is the incident's id there.
        known = [alert.fingerprint for alert in push.incident.alerts if _ID.fullmatch(alert.fingerprint)]
        if not known:
            raise PushFailure("the webhook told no id of PagerDuty's incident", permanent=True)
        announcement = Announcement.of(push)
        note = {"note": {"content": "\n".join((*announcement.lines(), *announcement.details))}}
        answer = send(self._api, "POST", f"/incidents/{known[-1]}/notes", deadline, note)
        _checked(answer)

    def probe(self, deadline: Deadline) -> str:
        """Whether the key is taken: https://developer.pagerduty.com/api-reference (abilities). Raises PushFailure."""
        _checked(send(self._api, "GET", "/abilities", deadline))
        return "the key is taken"


def _checked(answer: Answer) -> None:
    if answer.status == 401:
        raise PushFailure("answered 401: WHYDOWN_PAGERDUTY_TOKEN is wrong", permanent=True)
    if answer.status == 403:
        raise PushFailure("answered 403: WHYDOWN_PAGERDUTY_TOKEN may not write (a read-only key?)", permanent=True)
    said = answer.text(120)
    if answer.status == 400 and "From" in said:
        said = "set WHYDOWN_PAGERDUTY_FROM to the e-mail address of a user"
    check(answer.status, answer.headers, said)
