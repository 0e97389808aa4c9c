"""GitHub: a comment on an issue, which grows with the incident (https://docs.github.com/en/rest/issues/comments)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Final, Self

from shared.errors import ConfigurationError
from shared.incident import CoverageStatus
from shared.moment import Deadline, DeadlineExceeded
from shared.settings import Section, setting
from worker.announcement import Announcement
from worker.inquiry import Component, SourceFailure
from worker.investigation.markdown import code, line
from worker.notifiers import Event, Occasion, Push, PushFailure
from worker.repositories import github_access
from worker.repositories.github_api import GithubApi
from worker.repositories.hosted import NotVisible
from worker.repositories.names import segments

if TYPE_CHECKING:
    from worker.repositories.github_issues import Issue

CATALOG: Final = "catalog"
"""The address that means: the issue that the service's catalog entry names."""
ANNOTATION: Final = "whydown/github-issue"

_ISSUE: Final = re.compile(r"([^\s#]+)#([1-9][0-9]{0,9})")
_NUMBER: Final = re.compile(r"#?([1-9][0-9]{0,9})")

# Outside code, GitHub makes links of these, and tells whoever is mentioned. A word joiner is not seen and stops it.
_REFERENCES: Final = re.compile(r"(?P<code>(`+)(?!`).+?(?<!`)\2(?!`))|@(?=\w)|\#(?=\d)|\bGH-(?=\d)", re.IGNORECASE)
_JOINER: Final = "\u2060"


class Config(Section):
    """Comments on GitHub."""

    issue: str | None = setting(
        "WHYDOWN_GITHUB_ISSUE",
        default=None,
        description="Issue that incidents are told in by comments, `owner/repo#12`; or `catalog`: the one that the "
        "service's catalog entry names by its annotation whydown/github-issue. GITHUB_TOKEN has to be allowed to write "
        "to issues.",
    )


class GithubIssue:
    """A comment on a GitHub issue, one for all or each service's own, which grows with the incident."""

    configure: ClassVar[str] = "WHYDOWN_GITHUB_ISSUE and GITHUB_TOKEN"
    events: tuple[Event, ...] = ("brief", "diagnosis", "failed")

    def __init__(self, github: github_access.Config, address: str) -> None:
        """`address` is `owner/repo#12` or CATALOG. Raises ConfigurationError."""
        found = _ISSUE.fullmatch(address)
        parts = segments(found[1]) if found else None
        if address != CATALOG and (found is None or parts is None or len(parts) != 2):
            raise ConfigurationError("an issue of GitHub is written `owner/repo#12`, or `catalog`")
        if github.token is None:
            raise ConfigurationError("GITHUB_TOKEN: needed to comment on an issue")
        self._github = GithubApi(github)
        self._issue = (parts, int(found[2])) if found and parts else None

    @classmethod
    def from_settings(cls) -> Self | None:
        """The issue of the settings, or None. Raises ConfigurationError."""
        issue = Config.read().issue
        return cls.at(issue) if issue else None

    @classmethod
    def at(cls, address: str) -> Self:
        """Another issue. Raises ConfigurationError."""
        return cls(github_access.Config.read(), address)

    def wants(self, occasion: Occasion) -> bool:
        """Everything that there is an issue for."""
        return self._place(occasion.component) is not None

    def push(self, push: Push, deadline: Deadline) -> None:
        """Writes the comment, or changes it. Raises PushFailure."""
        place = self._place(push.component)
        if place is None:
            raise PushFailure(f"the catalog names no issue any more ({ANNOTATION})", permanent=True)
        text = body(push)
        issue = self._github.issue(*place, deadline)
        try:
            number = push.kept.get("comment")
            if not (number and self._changed(issue, number, text)):
                push.keep({"comment": issue.comment(text)})
        except DeadlineExceeded:
            raise PushFailure("gave no answer in time") from None
        except SourceFailure as failure:
            raise PushFailure(failure.detail, permanent=failure.status is CoverageStatus.DENIED) from None

    def probe(self, deadline: Deadline) -> str:
        """Whether the issue is there; for the catalog's, who the token is. Raises PushFailure."""
        try:
            if self._issue is None:
                return self._github.probe(deadline)
            return self._github.issue(*self._issue, deadline).title()
        except (DeadlineExceeded, SourceFailure) as failure:
            raise PushFailure(str(failure)) from None

    def _changed(self, issue: Issue, number: str, text: str) -> bool:
        try:
            issue.change(number, text)
        except NotVisible:  # somebody deleted it
            return False
        return True

    def _place(self, component: Component | None) -> tuple[tuple[str, ...], int] | None:
        if self._issue is not None or component is None:
            return self._issue
        found = _NUMBER.fullmatch(component.annotations.get(ANNOTATION, "").strip())
        parts = segments(component.repository or "")
        return (parts, int(found[1])) if found and parts and len(parts) == 2 else None


def body(push: Push) -> str:
    """The comment as Markdown, in which nothing mentions or refers to anybody."""
    told = Announcement.of(push)
    parts = [
        f"**{told.state}** · {line(told.headline)}",
        line(told.facts),
        f"**{told.cause_title}**: {line(told.cause)}",
    ]
    if told.action:
        command = f": {code(told.action.command)}" if told.action.command else ""
        parts.append(f"**First**: {line(told.action.text)}{command}")
    if push.incident.analysis:
        parts.append(f"<details><summary>The whole diagnosis</summary>\n\n{push.incident.analysis}\n\n</details>")
    text = _REFERENCES.sub(lambda found: found[0] + ("" if found["code"] else _JOINER), "\n\n".join(parts))
    return f"{text}\n\n[Open the incident]({told.url})" if told.url else text
