"""The changes that could be the cause: what each did, where, and when it went live."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from shared.incident import Fact
from worker.inquiry import Scope
from worker.investigation.suspects import weights
from worker.investigation.suspects.edit import Edit
from worker.investigation.suspects.edits import edits
from worker.investigation.suspects.graph import needs

Role = Literal["alerted", "dependency", "dependent", "shared", "sharing", "about", "unknown", "elsewhere"]


@dataclass(frozen=True, slots=True)
class Change:
    """A commit, with the deploy that carried it if one is known; or a deploy or switched flag by itself."""

    kind: Literal["commit", "deploy", "flag"]
    id: str
    service: str
    """The service that it is live in, as far as that is known."""
    role: Role
    """What that service is to the alerted one."""
    at: datetime | None
    """When it went live: its deploy, else its commit."""
    live_by: Literal["deploy", "later deploy", "commit", "none", "flag"]
    """How that is known: a deploy of just this commit; a later one of the service; only the commit's own date; or not,
    although deploys of the service are known.
    """
    title: str
    text: str
    """Message, paths and changed lines."""
    files: tuple[str, ...]
    edits: tuple[Edit, ...]
    """The riskiest first."""
    facts: tuple[str, ...]


def changes(facts: Sequence[Fact], scope: Scope, failing: frozenset[str]) -> list[Change]:
    """The changes among the facts. Commits seen by several sources are one. `failing` are the services that show it."""
    places = _Places(scope, failing)
    deploys = sorted((fact for fact in facts if fact.kind == "deploy" and fact.at), key=_at)
    compares = [fact for fact in facts if fact.kind == "compare"]
    commits: dict[str, list[Fact]] = {}
    for fact in facts:
        if fact.kind == "commit":
            commits.setdefault(str(fact.data.get("sha") or fact.id), []).append(fact)
    found = [_commit(sha, same, deploys, compares, places) for sha, same in commits.items()]
    carried = {fact for change in found for fact in change.facts}
    alone = [_deploy(fact, places) for fact in deploys if fact.id not in carried]
    return found + alone + [_flag(fact, places) for fact in facts if fact.kind == "flag"]


def _at(fact: Fact) -> str:
    return fact.at.isoformat() if fact.at else ""


def _commit(
    sha: str, same: Sequence[Fact], deploys: Sequence[Fact], compares: Sequence[Fact], places: _Places
) -> Change:
    first = same[0]
    files = tuple(_paths(first.data.get("files", ())))
    diff = str(first.data.get("diff") or "")
    deploy = _deploy_of(sha, deploys, compares)
    live_by: Literal["deploy", "later deploy", "commit", "none"] = "deploy"
    service = deploy.service if deploy else places.of(files, first.service)
    role = places.role(service, files)
    if deploy is None:
        deploy, live_by = _carried_by(first, service, role, deploys, places)
    message = str(first.data.get("message") or first.text)
    return Change(
        kind="commit",
        id=sha,
        service=(deploy.service if deploy and live_by == "later deploy" else service) or "",
        role=role,
        at=deploy.at if deploy else first.at,
        live_by=live_by,
        title=message.partition("\n")[0],
        text="\n".join((message, *files, *(line[1:] for line in diff.split("\n") if line[:1] in ("+", "-")))),
        files=files,
        edits=tuple(edits(diff, files)),
        facts=(*(fact.id for fact in same), *((deploy.id,) if deploy else ())),
    )


def _deploy_of(sha: str, deploys: Sequence[Fact], compares: Sequence[Fact]) -> Fact | None:
    """The first deploy that is known to have brought the commit out."""

    def names(commit: object) -> bool:
        text = str(commit or "")
        return len(text) >= 7 and (sha.startswith(text) or text.startswith(sha))

    heads = [
        str(fact.data.get("head")) for fact in compares if any(names(each) for each in fact.data.get("commits", ()))
    ]
    return next(
        (fact for fact in deploys if names(fact.data.get("commit")) or str(fact.data.get("commit")) in heads), None
    )


def _carried_by(
    commit: Fact, service: str | None, role: Role, deploys: Sequence[Fact], places: _Places
) -> tuple[Fact | None, Literal["later deploy", "commit", "none"]]:
    """The next deploy after the commit, of its service; or for shared code, of any service on the path."""
    if role in ("shared", "unknown"):
        own = [fact for fact in deploys if places.role(fact.service, ()) in ("alerted", "dependency", "dependent")]
    else:
        own = [fact for fact in deploys if fact.service == service]
    after = [fact for fact in own if commit.at and fact.at and fact.at >= commit.at]
    if after:
        return after[0], "later deploy"
    return None, "none" if own else "commit"


def _deploy(fact: Fact, places: _Places) -> Change:
    name = fact.data.get("version") or fact.data.get("commit") or fact.id
    unseen = Edit("which commits it brought out is not known", weights.UNSEEN)
    return Change(
        kind="deploy",
        id=str(name),
        service=fact.service or "",
        role=places.role(fact.service, ()),
        at=fact.at,
        live_by="deploy",
        title=fact.text,
        text=fact.text,
        files=(),
        edits=(unseen,),
        facts=(fact.id,),
    )


def _flag(fact: Fact, places: _Places) -> Change:
    name = str(fact.data.get("flag") or fact.id)
    return Change(
        kind="flag",
        id=name,
        service=fact.service or "",
        role=places.role(fact.service, ()),
        at=fact.at,
        live_by="flag",
        title=fact.text,
        text=fact.text,
        files=(),
        edits=(
            Edit(f"switched {fact.data.get('change') or 'it'}", weights.SWITCHED_FLAG, literals=frozenset((name,))),
        ),
        facts=(fact.id,),
    )


def _paths(files: Iterable[object]) -> Iterable[str]:
    for file in files:
        yield str(file.get("path", "")) if isinstance(file, dict) else str(file)


class _Places:
    """Where changed files belong, in a repository of one service or of many."""

    def __init__(self, scope: Scope, failing: frozenset[str]) -> None:
        self._roles: dict[str, str] = {target.service: target.role for target in reversed(scope.targets)}
        self._failing = failing
        self._bare = {_bare(service): service for service in self._roles}
        needed = needs(scope)
        own = needed.get(scope.targets[0].service, frozenset())
        self._sharing = frozenset(name for name, those in needed.items() if those & own)

    def role(self, service: str | None, files: Sequence[str]) -> Role:
        """What a service is to the alerted one. Files that many load are shared, whoever's repository they are in."""
        known = self._roles.get(service or "")
        if known in ("alerted", "dependency", "dependent"):
            return known  # type: ignore[return-value]
        if service and service in self._failing:
            return "dependency"
        if known or (service and service not in self._roles):
            if any(self._is_about(path) for path in files):
                return "about"
            return "sharing" if service in self._sharing else "elsewhere"
        return "shared" if any(weights.SHARED_PATH.search(path) for path in files) else "unknown"

    def _is_about(self, path: str) -> bool:
        """Whether a path names a service that fails: the role or the chart of one often lies with those of others."""
        parts = (*path.split("/")[:-1], path.rpartition("/")[2].partition(".")[0])
        named = {self._bare.get(_bare(part)) for part in parts if len(_bare(part)) >= _SHORTEST}
        return any(name and (name in self._failing or self._roles[name] == "alerted") for name in named)

    def of(self, files: Sequence[str], told: str | None) -> str | None:
        """The service whose files were changed, when their paths tell; else `told`, unless they are another's."""
        owners = {owner for path in files if (owner := self._owner(path))}
        if len(owners) == 1:
            return next(iter(owners))
        others = {found[1] for path in files if (found := _ROOM.search(path))}
        if not owners and len(others) == 1 and len(self._roles) > 1:
            # The folder of a service that is not looked at: no part of what fails.
            room = next(iter(others))
            return told if told and _bare(told).startswith(_bare(room)) else room
        return told

    def _owner(self, path: str) -> str | None:
        for segment in path.split("/")[:-1]:
            bare = _bare(segment)
            if len(bare) < _SHORTEST:
                continue
            exact = self._bare.get(bare)
            if exact:
                return exact
        room = _ROOM.search(path)
        if room and len(bare := _bare(room[1])) >= _SHORTEST:
            alike = [service for name, service in self._bare.items() if name.startswith(bare) or bare.startswith(name)]
            return alike[0] if len(alike) == 1 else None
        return None


_SHORTEST: Final = 3
_ROOM: Final = re.compile(r"(?:^|/)(?:services?|apps?|cmd|microservices|components|modules)/([\w.-]+)/")
_SUFFIX: Final = re.compile(r"[-_.]?(?:service|svc|server|api|app|worker|job|\d+)$", re.IGNORECASE)


def _bare(name: str) -> str:
    """`payment-service`, `paymentservice` and `payment` are one."""
    return re.sub(r"[^a-z0-9]", "", _SUFFIX.sub("", name.lower())) or name.lower()
