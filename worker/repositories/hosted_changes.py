"""Commits and deployments on a host, as facts: what its source asks, whichever host it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final, TypeVar

from shared.deploy import Deploy
from shared.incident import Fact
from shared.moment import DeadlineExceeded
from worker.inquiry import Gathered, SourceFailure, Target, Window
from worker.repositories.changes import (
    AFTER_ALERT,
    BEFORE_ALERT,
    BEFORE_WINDOW,
    Commit,
    commit_fact,
    compare_fact,
    deploy_fact,
    nothing_new,
)
from worker.repositories.hosted import Deployment, HostedRepository, Pages
from worker.repositories.hosted_source import HostedSource
from worker.threads import side_by_side

_LISTED: Final = 100
_DETAILED: Final = 10
"""Commits of one repository whose files are fetched, one request each."""
_DEPLOYMENTS: Final = 30
_OUTCOMES: Final = 5
"""Deployments of one repository whose outcome is fetched, one request each."""
_AT_ONCE: Final = 4
"""Of commits, and of deployments."""

T = TypeVar("T")


class HostedChanges(HostedSource):
    """Asks a host what changed around the alert."""

    def _look(self, target: Target, window: Window, repository: HostedRepository, pages: Pages) -> Gathered:
        look = _Look(self.name, target.service, window, repository, pages)
        commits, deploys = side_by_side(lambda asked: asked(), (look.commits, look.deploys), 2)
        facts = [*commits, *deploys]
        if look.failures and not facts:
            raise look.failures[0]
        return Gathered(facts=tuple(facts), detail=", ".join(dict.fromkeys(look.details)) or None)


class _Look:
    """One repository, looked at for one service."""

    def __init__(self, source: str, service: str, window: Window, repository: HostedRepository, pages: Pages) -> None:
        self._source = source
        self._service = service
        self._window = window
        self._repository = repository
        self._pages = pages
        self.details: list[str] = []
        self.failures: list[SourceFailure | DeadlineExceeded] = []

    def commits(self) -> list[Fact]:
        """The commits in the window, or the last ones before it, newest first."""
        window = self._window
        listed = self._try("commits", lambda: self._repository.commits(_LISTED, window.until, window.changes_since))
        if listed is None:
            return []
        before = [commit for commit in listed if window.changes_since <= commit.at <= window.alert_at]
        after = [commit for commit in listed if window.alert_at < commit.at <= window.until]
        earlier = [] if before else self._earlier()
        left_out = max(len(before) - BEFORE_ALERT, 0) + max(len(after) - AFTER_ALERT, 0)
        if left_out:
            least = "at least " if len(listed) >= _LISTED else ""
            self.details.append(f"{least}{left_out} more commits in the window left out")
        suspects = [*before[:BEFORE_ALERT], *earlier]
        unseen = [replace(commit, without_diff="it came after the alert") for commit in after[:AFTER_ALERT]]
        unread = [
            replace(commit, without_diff=f"only the newest {_DETAILED} are fetched") for commit in suspects[_DETAILED:]
        ]
        detailed = side_by_side(self._with_files, suspects[:_DETAILED], _AT_ONCE)
        return [
            commit_fact(
                self._source,
                commit,
                service=self._service,
                repository=self._pages.slug,
                url=self._pages.commit(commit.sha),
                before_window=commit.at < window.changes_since,
            )
            for commit in (*unseen, *detailed, *unread)
        ]

    def deploys(self) -> list[Fact]:
        """The deployments in the window, or the last one before it, newest first, and what the last one brought out."""
        window = self._window
        listed = self._try("deployments", lambda: self._repository.deployments(_DEPLOYMENTS))
        known = sorted(listed or (), key=lambda deployment: deployment.at, reverse=True)
        before = [deployment for deployment in known if deployment.at <= window.alert_at]
        within = [deployment for deployment in known if window.changes_since <= deployment.at <= window.until]
        earlier = before[:1] if before and before[0].at < window.changes_since else []
        shown = [*within, *earlier]
        facts = side_by_side(self._deploy_fact, list(enumerate(shown)), _AT_ONCE)
        comparison = self._try("compare", lambda: self._comparison(before)) if before else None
        return [*facts, comparison] if comparison else facts

    def _earlier(self) -> list[Commit]:
        until = self._window.changes_since - timedelta(seconds=1)
        found = self._try("commits before the window", lambda: self._repository.commits(BEFORE_WINDOW, until))
        if found is not None:
            self.details.append(nothing_new(self._window.changes_since, found))
        return (found or [])[:BEFORE_WINDOW]

    def _with_files(self, commit: Commit) -> Commit:
        found = self._try("diffs", lambda: self._repository.with_files(commit))
        return found or replace(commit, without_diff="it could not be fetched")

    def _deploy_fact(self, listed: tuple[int, Deployment]) -> Fact:
        number, deployment = listed
        outcome = self._try("outcomes", lambda: self._repository.outcome(deployment)) if number < _OUTCOMES else None
        return deploy_fact(
            self._source,
            self._deploy(deployment),
            status=outcome,
            repository=self._pages.slug,
            before_window=deployment.at < self._window.changes_since,
        )

    def _comparison(self, before: list[Deployment]) -> Fact | None:
        """What the last deploy before the alert brought over the one before it in the same environment."""
        last, *others = before
        previous = next(
            (item for item in others if item.environment == last.environment and item.sha != last.sha), None
        )
        if previous is None:
            return None
        commits, total = self._repository.compared(previous.sha, last.sha)
        return compare_fact(
            self._source,
            self._deploy(last),
            previous.sha,
            commits,
            total,
            repository=self._pages.slug,
            url=self._pages.comparison(previous.sha, last.sha),
        )

    def _deploy(self, deployment: Deployment) -> Deploy:
        return Deploy(
            service=self._service,
            started_at=deployment.at,
            version=deployment.ref if deployment.ref != deployment.sha else None,
            commit=deployment.sha,
            environment=deployment.environment,
            url=self._pages.deployments,
            actor=deployment.creator,
        )

    def _try(self, what: str, ask: Callable[[], T]) -> T | None:
        """What `ask` answers; None when it fails, which is remembered."""
        try:
            return ask()
        except (SourceFailure, DeadlineExceeded) as failure:
            self.failures.append(failure)
            self.details.append(f"{what}: {failure}")
            return None
