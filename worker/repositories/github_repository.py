"""One repository on GitHub: PyGithub's objects in, plain values out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from github.Comparison import Comparison
from github.ContentFile import ContentFile
from github.Deployment import Deployment as GithubDeployment
from github.DeploymentStatus import DeploymentStatus
from github.File import File
from github.GitCommit import GitCommit
from github.GithubException import BadAttributeException, GithubException

from shared.incident import CoverageStatus
from shared.moment import utc
from worker.inquiry import SourceFailure
from worker.repositories.changes import MAX_FILES, ChangedFile, Commit
from worker.repositories.github_requests import BoundedRequester, reset_time
from worker.repositories.hosted import Deployment

_RAW: Final = {"Accept": "application/vnd.github.raw+json"}
_STATUSES: Final = 10
_SHA: Final = re.compile(r"[0-9a-f]{7,64}")
_NOT_GITHUB: Final = (
    *(GithubException, BadAttributeException),
    *(AssertionError, AttributeError, LookupError, RecursionError, TypeError, ValueError),
)
"""What PyGithub and the code below raise for an answer that is not in GitHub's form."""


def remaining_quota(requester: BoundedRequester, with_login: bool) -> str:
    """The token's login and the requests left in this hour, in words. Raises SourceFailure or DeadlineExceeded."""
    with understood():
        login = requester.requestJsonAndCheck("GET", "/user")[1]["login"] if with_login else None
        core = requester.requestJsonAndCheck("GET", "/rate_limit")[1]["resources"]["core"]
        who = f"as {str(login)[:64]}" if login else "without a token"
        return (
            f"{who}, {int(core['remaining'])} of {int(core['limit'])} requests left until {reset_time(core['reset'])}"
        )


class GithubRepository:
    """Every method asks one page and raises SourceFailure (NotVisible for 404) or DeadlineExceeded.

    Objects are built as complete, so that PyGithub does not ask for what they lack.
    """

    def __init__(self, requester: BoundedRequester, slug: str) -> None:
        """`slug` has passed `segments`."""
        self._requester = requester
        self._path = f"/repos/{slug}"

    def commits(self, limit: int, until: datetime, since: datetime | None = None) -> list[Commit]:
        """The newest commits of the default branch, newest first, without their files."""
        span = {"until": f"{until:%Y-%m-%dT%H:%M:%SZ}"} | ({"since": f"{since:%Y-%m-%dT%H:%M:%SZ}"} if since else {})
        with understood():
            headers, listed = self._get("/commits", **span, per_page=limit)
            return [self._commit(headers, item) for item in listed]

    def with_files(self, commit: Commit) -> Commit:
        """`commit` with its files and their diffs."""
        with understood():
            headers, data = self._get(f"/commits/{commit.sha}", per_page=100)
            listed = [File(self._requester, headers, item) for item in data.get("files") or []]
            more = len(listed) - MAX_FILES
            return replace(
                commit,
                files=tuple(_changed_file(file) for file in listed[:MAX_FILES]),
                more_files=f"{'at least ' if len(listed) >= 100 else ''}{more} more files" if more > 0 else None,
            )

    def deployments(self, limit: int) -> list[Deployment]:
        """The newest deployments, newest first."""
        with understood():
            headers, listed = self._get("/deployments", per_page=limit)
            found = [GithubDeployment(self._requester, headers, item, completed=True) for item in listed]
            return [
                Deployment(
                    number=int(item.id),
                    at=utc(item.created_at),
                    sha=_sha(item.sha),
                    ref=item.ref or "",
                    environment=item.environment or "",
                    creator=(item.raw_data.get("creator") or {}).get("login"),
                )
                for item in found
            ]

    def outcome(self, deployment: Deployment) -> str | None:
        """How it ended. A deployment becomes `inactive` when the next one succeeds: what it was before is told then."""
        with understood():
            headers, listed = self._get(f"/deployments/{deployment.number}/statuses", per_page=_STATUSES)
            states = [DeploymentStatus(self._requester, headers, item, completed=True).state for item in listed]
            return next((state for state in states if state != "inactive"), states[0] if states else None)

    def compared(self, base: str, head: str) -> tuple[list[Commit], int]:
        """The commits that `head` has over `base`, newest first, and how many there are in all."""
        with understood():
            headers, data = self._get(f"/compare/{base}...{head}")
            total = Comparison(self._requester, headers, data, completed=True).total_commits
            commits = [self._commit(headers, item) for item in data["commits"]]
            return commits[::-1], max(int(total or 0), len(commits))

    def names(self) -> list[str]:
        """The names at the root of the default branch."""
        with understood():
            return [str(item["name"]) for item in self._get("/contents/")[1]]

    def content(self, name: str) -> bytes:
        """The file of that name at the root of the default branch."""
        with understood():
            headers, data = self._get(f"/contents/{name}")
            file = ContentFile(self._requester, headers, data, completed=True)
            if file.encoding != "none":
                return file.decoded_content
        # From 1 MB on the content comes in its raw form only.
        return self._requester.requestJson("GET", f"{self._path}/contents/{name}", headers=_RAW)[2].encode()

    def _get(self, path: str, **parameters: Any) -> tuple[dict[str, Any], Any]:
        return self._requester.requestJsonAndCheck("GET", self._path + path, parameters)

    def _commit(self, headers: dict[str, Any], item: dict[str, Any]) -> Commit:
        git = GitCommit(self._requester, headers, item["commit"], completed=True)
        author = git.author
        return Commit(
            sha=_sha(item["sha"]),
            at=utc((git.committer or author).date),
            author=(author.name if author else None) or "unknown",
            message=git.message or "",
        )


def _changed_file(file: File) -> ChangedFile:
    # GitHub marks binary files by nothing but the absence of a patch and of counts; a pure rename looks the same.
    binary = file.patch is None and not file.changes and file.status != "renamed"
    return ChangedFile(
        path=str(file.filename),
        added=None if binary else int(file.additions or 0),
        removed=None if binary else int(file.deletions or 0),
        patch=file.patch or "",
    )


def _sha(text: str) -> str:
    """A commit's name, which becomes part of a path. Raises ValueError."""
    if not _SHA.fullmatch(text):
        raise ValueError("no commit's name")
    return text


@contextmanager
def understood() -> Iterator[None]:
    """Makes what an answer that is not in GitHub's form leads to a SourceFailure."""
    try:
        yield
    except _NOT_GITHUB as failure:
        raise SourceFailure(
            CoverageStatus.ERROR, f"the answer is not in GitHub's form ({type(failure).__name__})"
        ) from None
