"""Deploys by Argo CD: the history of its applications, and syncs that failed.

https://argo-cd.readthedocs.io/en/stable/developer-guide/api-docs/, https://cd.apps.argoproj.io/swagger-ui.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Final, Self
from urllib.parse import quote, urlsplit

from pydantic import SecretStr

from shared.deploy import Deploy
from shared.incident import CoverageStatus, Fact
from shared.moment import Deadline, DeadlineExceeded, parse_time
from shared.settings import HttpUrl, Section, Words, setting
from worker.inquiry import Gathered, Inquiry, SourceFailure, Target, Window
from worker.kubernetes_objects import OBJECT, dict_at, dicts, text_at
from worker.log_queries import names_of
from worker.outbound import Outbound
from worker.repositories.changes import Commit, commit_fact, deploy_fact
from worker.threads import side_by_side

SOURCE: Final = "changes.argocd"
_MOST_DEPLOYS: Final = 10
"""Of one application."""
_DETAILED: Final = 3
"""Revisions of one application whose commit is asked for, one request each."""
_AT_ONCE: Final = 6
_FIELDS: Final = (
    *("metadata.name", "metadata.labels", "spec.destination", "spec.source.repoURL"),
    *("status.history", "status.health.status", "status.operationState"),
)
"""Of each application, which are large."""
_SHA: Final = re.compile(r"[0-9a-f]{7,64}")
_LIVE: Final = "prod|prd|production|live"
_LABELS: Final = ("app.kubernetes.io/name", "backstage.io/kubernetes-id", "app")


class Config(Section):
    """Where Argo CD is."""

    url: HttpUrl | None = setting(
        "WHYDOWN_ARGOCD_URL", default=None, description="Address of Argo CD, `https://argocd.example.com`."
    )
    token: SecretStr | None = setting(
        "WHYDOWN_ARGOCD_TOKEN",
        default=None,
        description="Token of an Argo CD account with the capability apiKey that may get applications.",
    )
    ca_file: Path | None = setting(
        "WHYDOWN_ARGOCD_CA_FILE",
        default=None,
        description="PEM file of the authority that signed Argo CD's certificate, where no public one did.",
    )
    projects: Words = setting(
        "WHYDOWN_ARGOCD_PROJECTS", default=(), description="Argo CD's projects to look into. Unset: all."
    )


@dataclass(frozen=True, slots=True)
class Rollout:
    """One entry of an application's history."""

    at: datetime
    revision: str
    chart: str | None
    actor: str | None
    repository: str


class ArgoCdChanges:
    """Argo CD: what it rolled out around the alert, syncs that failed, and whether the newest is healthy."""

    configure: ClassVar[str] = "WHYDOWN_ARGOCD_URL and WHYDOWN_ARGOCD_TOKEN"

    def __init__(self, config: Config) -> None:
        """Raises ConfigurationError."""
        self._root = (config.url or "").rstrip("/")
        self._projects = config.projects
        token = config.token.get_secret_value() if config.token else None
        self._argocd = Outbound(self._root, token=token, ca_file=config.ca_file)

    @classmethod
    def from_settings(cls) -> Self | None:
        """Argo CD at WHYDOWN_ARGOCD_URL, or None when that is unset. Raises ConfigurationError."""
        config = Config.read()
        return cls(config) if config.url is not None else None

    def gather(self, inquiry: Inquiry, deadline: Deadline) -> Gathered:
        """The rollouts inside the window, and the last one before it. Raises SourceFailure or DeadlineExceeded."""
        scope = inquiry.scope
        applications = self._applications(_FIELDS, deadline)
        found = [
            (target, application)
            for target in scope.targets
            for application in applications
            if OBJECT.fullmatch(text_at(application, "metadata", "name"))
            and _is_of(application, target, scope.annotations(target))
        ]
        notes: list[str] = []
        looked = side_by_side(lambda pair: self._look(*pair, scope.window, deadline, notes), found, _AT_ONCE)
        facts = tuple(fact for some in looked for fact in some)
        known = {target.service for target, _ in found}
        if inquiry.alerted.service not in known:
            notes.append(f"no application of {inquiry.alerted.service} (annotation argocd/app-name)")
        return Gathered(facts=facts, detail="; ".join(dict.fromkeys(notes)) or None)

    def probe(self, deadline: Deadline) -> str:
        """How many applications may be seen."""
        return f"{len(self._applications(['metadata.name'], deadline))} applications"

    def _applications(self, fields: Iterable[str], deadline: Deadline) -> list[Mapping[str, Any]]:
        params = [
            ("fields", ",".join(f"items.{field}" for field in fields)),
            *(("projects", project) for project in self._projects),
        ]
        answer = self._argocd.get("/api/v1/applications", deadline, params).json()
        items = answer.get("items", 0) if isinstance(answer, dict) else 0
        if items is not None and not isinstance(items, list):
            raise SourceFailure(CoverageStatus.ERROR, "the answer is not in the form of Argo CD's applications")
        return dicts(items or [])

    def _look(
        self, target: Target, application: Mapping[str, Any], window: Window, deadline: Deadline, notes: list[str]
    ) -> list[Fact]:
        name = text_at(application, "metadata", "name")
        page = f"{self._root}/applications/{quote(name, safe='')}"
        rollouts = sorted(_history(application), key=lambda each: each.at, reverse=True)
        before = [each for each in rollouts if each.at < window.changes_since][:1]
        shown = [each for each in rollouts if window.changes_since <= each.at <= window.until][:_MOST_DEPLOYS]
        facts = list(_failed(target, application, window, page))
        for each in shown or before:
            newest = each is rollouts[0]
            status = text_at(application, "status", "health", "status") if newest else ""
            deploy = _deploy(target, application, each, page)
            old = each.at < window.changes_since
            facts.append(
                deploy_fact(SOURCE, deploy, status=status or None, before_window=old, repository=each.repository)
            )
        for each in shown[:_DETAILED]:
            if _SHA.fullmatch(each.revision):
                facts += self._commit(target, name, each, deadline, notes)
        return facts

    def _commit(
        self, target: Target, name: str, rollout: Rollout, deadline: Deadline, notes: list[str]
    ) -> Iterator[Fact]:
        """The commit that a rollout brought, as Argo CD knows it: without its files."""
        path = f"/api/v1/applications/{quote(name, safe='')}/revisions/{rollout.revision}/metadata"
        try:
            told = self._argocd.get(path, deadline).json()
        except (SourceFailure, DeadlineExceeded) as failure:
            notes.append(f"{target.service}: commit {rollout.revision[:7]}: {failure}")
            return
        at = parse_time(told.get("date")) if isinstance(told, dict) else None
        if at is not None:
            commit = Commit(
                sha=rollout.revision,
                at=at,
                author=text_at(told, "author").partition(" <")[0] or "unknown",
                message=text_at(told, "message"),
                without_diff="Argo CD knows of none",
            )
            yield commit_fact(SOURCE, commit, service=target.service, repository=rollout.repository, url=None)


def _is_of(application: Mapping[str, Any], target: Target, annotations: Mapping[str, str]) -> bool:
    """Whether an application is the target's: as the catalog says, else by its name or its labels."""
    name = text_at(application, "metadata", "name")
    if own := annotations.get("argocd/app-name"):
        return name == own.strip()
    labels = dict_at(application, "metadata", "labels")
    if selector := annotations.get("argocd/app-selector"):
        wanted = [part.partition("=") for part in selector.split(",")]
        return all(equals and labels.get(key.strip()) == value.strip(" =") for key, equals, value in wanted)
    return any(
        labels.get(label) == each or re.fullmatch(rf"(?:(?:{_LIVE})-)?{re.escape(each)}(?:-(?:{_LIVE}))?", name)
        for each in names_of(target)
        for label in _LABELS
    )


def _history(application: Mapping[str, Any]) -> Iterator[Rollout]:
    for entry in dicts(dict_at(application, "status").get("history")):
        at = parse_time(entry.get("deployStartedAt")) or parse_time(entry.get("deployedAt"))
        # An application of several sources has a revision of each; the first is the one that it is named after.
        sources = dicts(entry.get("sources")) or [dict_at(entry, "source")]
        revisions = entry.get("revisions")
        revision = text_at(entry, "revision") or (
            str(revisions[0]) if isinstance(revisions, list) and revisions else ""
        )
        if at and revision:
            yield Rollout(
                at=at,
                revision=revision,
                chart=text_at(sources[0], "chart") or None,
                actor=_actor(dict_at(entry, "initiatedBy")),
                repository=_slug(text_at(sources[0], "repoURL")),
            )


def _deploy(target: Target, application: Mapping[str, Any], rollout: Rollout, page: str) -> Deploy:
    is_commit = _SHA.fullmatch(rollout.revision) is not None
    return Deploy(
        service=target.service,
        started_at=rollout.at,
        version=None if is_commit else " ".join(filter(None, (rollout.chart, rollout.revision))),
        commit=rollout.revision if is_commit else None,
        environment=text_at(application, "spec", "destination", "namespace") or None,
        url=page,
        actor=rollout.actor,
    )


def _failed(target: Target, application: Mapping[str, Any], window: Window, page: str) -> Iterable[Fact]:
    """The last sync, when it failed: the history holds only those that succeeded."""
    state = dict_at(application, "status", "operationState")
    at = parse_time(state.get("startedAt"))
    if state.get("phase") not in ("Failed", "Error") or at is None or not window.changes_since <= at <= window.until:
        return
    rollout = Rollout(
        at=at,
        revision=text_at(state, "syncResult", "revision") or "unknown",
        chart=None,
        actor=_actor(dict_at(state, "operation", "initiatedBy")),
        repository=_slug(text_at(application, "spec", "source", "repoURL")),
    )
    said = f"sync {text_at(state, 'phase')}: {text_at(state, 'message')}"
    deploy = _deploy(target, application, rollout, page)
    yield deploy_fact(SOURCE, deploy, status=said, repository=rollout.repository)


def _actor(initiated: Mapping[str, Any]) -> str | None:
    return text_at(initiated, "username") or ("automated sync" if initiated.get("automated") is True else None)


def _slug(url: str) -> str:
    """`owner/repo` of a repository's address, without what credentials may stand in it."""
    return urlsplit(url).path.strip("/").removesuffix(".git") or url.rpartition(":")[2].removesuffix(".git")
