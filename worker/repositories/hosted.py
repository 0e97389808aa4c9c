"""Repositories on a host such as GitHub or GitLab: what a host is asked, and what its answers are made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Protocol

from shared.moment import Deadline
from worker.inquiry import Scope, SourceFailure, Target
from worker.repositories.changes import Commit


class NotVisible(SourceFailure):
    """The host answered 404, which it also does for what the token may not see."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment as a host lists it."""

    number: int
    at: datetime
    sha: str
    ref: str
    """The branch, tag or sha that was asked to be deployed."""
    environment: str
    creator: str | None
    outcome: str | None = None
    """How it ended, where the list tells."""


class HostedRepository(Protocol):
    """One repository, bound to a deadline. Every method raises SourceFailure (NotVisible for 404) or
    DeadlineExceeded.
    """

    def commits(self, limit: int, until: datetime, since: datetime | None = None) -> list[Commit]:
        """The newest commits of the default branch, newest first, without their files."""
        ...

    def with_files(self, commit: Commit) -> Commit:
        """`commit` with its files and their diffs."""
        ...

    def deployments(self, limit: int) -> list[Deployment]:
        """The newest deployments, newest first."""
        ...

    def outcome(self, deployment: Deployment) -> str | None:
        """How it ended."""
        ...

    def compared(self, base: str, head: str) -> tuple[list[Commit], int]:
        """The commits that `head` has over `base`, newest first, and how many there are in all."""
        ...

    def names(self) -> list[str]:
        """The names at the root of the default branch."""
        ...

    def content(self, name: str) -> bytes:
        """The file of that name at the root of the default branch."""
        ...


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages of one repository."""

    slug: str
    root: str
    """What their addresses begin with."""
    deployments: str

    def commit(self, sha: str) -> str:
        """The page of a commit."""
        return f"{self.root}/commit/{sha}"

    def comparison(self, base: str, head: str) -> str:
        """The page of what `head` has over `base`."""
        return f"{self.root}/compare/{base}...{head}"

    def file(self, name: str) -> str:
        """The page of a file of the default branch."""
        return f"{self.root}/blob/HEAD/{name}"


class Host(Protocol):
    """The way to one host. Safe to share between threads."""

    unknown: ClassVar[str]
    """What is said of a target whose repository the catalog does not name."""

    def slug(self, target: Target, scope: Scope) -> str | None:
        """The name of the target's repository, safe in a path; None when the catalog knows none on this host."""
        ...

    def repository(self, slug: str, deadline: Deadline) -> HostedRepository:
        """The repository of that name (from `slug`), bound to the deadline."""
        ...

    def pages(self, slug: str) -> Pages:
        """Its pages."""
        ...

    def probe(self, deadline: Deadline) -> str:
        """Who the token is, in words. Raises SourceFailure or DeadlineExceeded."""
        ...
