"""The live Backstage catalog, over its API: https://backstage.io/docs/features/software-catalog/software-catalog-api/."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, Final, Self, TypeVar

from pydantic import SecretStr

from shared.errors import ConfigurationError
from shared.moment import Deadline, DeadlineExceeded
from shared.settings import Section, setting
from worker.catalog_model.entities import components, ref_of, related
from worker.catalog_model.matching import (
    ALERT_NAMES,
    KUBERNETES_ID,
    LABEL_SELECTOR,
    MATCHED_KINDS,
    Directory,
    closest,
    explicit_refs,
    names,
)
from worker.catalog_model.reach import around
from worker.inquiry import AlertSubject, CatalogMatch, Component, SourceFailure
from worker.outbound import Outbound

MOST_NEIGHBOURS: Final = 50
MOST_PAGES: Final = 10
PAGE: Final = 500

_ENTITIES: Final = "/api/catalog/entities"
_PAUSES: Final = (0.2, 0.5)

T = TypeVar("T")


class Config(Section):
    """Where Backstage is."""

    url: str | None = setting(
        "WHYDOWN_BACKSTAGE_URL",
        default=None,
        description="Base URL of Backstage's backend, `https://backstage.example.com`. Asked instead of files.",
    )
    token: SecretStr | None = setting(
        "WHYDOWN_BACKSTAGE_TOKEN",
        default=None,
        description="Static token from Backstage's `backend.auth.externalAccess`; the catalog plugin is all it needs.",
    )


class BackstageCatalog:
    """Matches alerts against Backstage's live catalog."""

    configure: ClassVar[str] = "WHYDOWN_BACKSTAGE_URL (and WHYDOWN_BACKSTAGE_TOKEN)"

    def __init__(self, url: str, token: str | None = None) -> None:
        """`url` is the backend's base URL, `token` a static one."""
        self._backstage = Outbound(url, token=token)

    @classmethod
    def from_settings(cls) -> Self | None:
        """The catalog at WHYDOWN_BACKSTAGE_URL, or None when that is unset. Raises ConfigurationError."""
        config = Config.read()
        if config.url is None:
            return None
        if not config.url.startswith(("https://", "http://")):
            raise ConfigurationError("WHYDOWN_BACKSTAGE_URL: must start with https:// or http://")
        return cls(config.url, config.token.get_secret_value() if config.token else None)

    def match(self, subject: AlertSubject, deadline: Deadline) -> CatalogMatch:
        """The alert's component. Raises SourceFailure or DeadlineExceeded."""
        candidates = [*self._referred(subject, deadline), *self._named(subject, deadline)]
        known = components([*candidates, *self._claiming(subject, deadline)])
        found = Directory(known.values()).choose(subject)
        if found is None:
            return CatalogMatch(how="not in the catalog", closest=self._closest(subject, deadline))
        ref, how = found[0].ref, found[1]
        entity = next((item for item in candidates if ref_of(item) == ref), None)
        # What claims an alert was read in part only.
        entity = entity or next(iter(self._by_refs([ref], deadline)), None)
        if entity is None:
            return CatalogMatch(component=found[0], how=f"{how}; gone from the catalog since")
        try:
            neighbours = self._neighbours(entity, deadline)
        except (SourceFailure, DeadlineExceeded) as failure:
            how, neighbours = f"{how}; its neighbours could not be read: {failure}", []
        return _match(ref, how, components([entity, *neighbours]))

    def refs(self, deadline: Deadline) -> tuple[str, ...]:
        """The refs of all components, resources and systems, of at most MOST_PAGES pages. Raises SourceFailure."""
        return tuple(filter(None, map(ref_of, self._matched("kind,metadata.name,metadata.namespace", deadline))))

    def probe(self, deadline: Deadline) -> str:
        """How many components there are."""
        params = [("filter", "kind=component"), ("limit", "1"), ("fields", "metadata.name")]
        answer = self._get(params, deadline)
        return f"{answer.get('totalItems', 'no')} components"

    def _referred(self, subject: AlertSubject, deadline: Deadline) -> list[dict[str, Any]]:
        refs = list(dict.fromkeys(hint.value for hint in explicit_refs(subject)))
        return self._by_refs(refs, deadline) if refs else []

    def _named(self, subject: AlertSubject, deadline: Deadline) -> list[dict[str, Any]]:
        """Entities that have one of the alert's names. `names` lets nothing through that could end a filter's value."""
        params = []
        for hint in names(subject):
            params += [("filter", f"kind={kind},metadata.name={hint.value}") for kind in MATCHED_KINDS]
            params.append(("filter", f"kind=component,metadata.annotations.{KUBERNETES_ID}={hint.value}"))
        return _items(self._get([*params, ("limit", str(PAGE))], deadline)) if params else []

    def _claiming(self, subject: AlertSubject, deadline: Deadline) -> Iterator[dict[str, Any]]:
        """Names and annotations of the components that say which alerts are theirs."""
        params = [("filter", f"kind=component,metadata.annotations.{key}") for key in (ALERT_NAMES, LABEL_SELECTOR)]
        fields = "kind,metadata.name,metadata.namespace,metadata.annotations"
        return self._pages([*params, ("fields", fields)], deadline)

    def _closest(self, subject: AlertSubject, deadline: Deadline) -> tuple[str, ...]:
        try:
            entities = list(self._matched("metadata.name", deadline))
        except (SourceFailure, DeadlineExceeded):
            # The catalog has answered that it does not know the service: that holds without a hint too.
            return ()
        found = (_mapping(item.get("metadata")).get("name") for item in entities)
        return closest(subject, [name for name in found if isinstance(name, str)])

    def _matched(self, fields: str, deadline: Deadline) -> Iterator[dict[str, Any]]:
        """Those `fields` of everything that an alert may be about."""
        params = [("filter", f"kind={kind}") for kind in MATCHED_KINDS]
        return self._pages([*params, ("fields", fields)], deadline)

    def _neighbours(self, entity: dict[str, Any], deadline: Deadline) -> list[dict[str, Any]]:
        """The entities around one, and those on the other side of the APIs it provides and consumes."""
        direct = self._by_refs(related(entity), deadline)
        apis = [item for item in direct if str(item.get("kind")).lower() == "api"]
        known = {ref_of(entity), *map(ref_of, direct)}
        beyond = dict.fromkeys(ref for api in apis for ref in related(api) if ref not in known)
        needed = components([entity, *direct])[str(ref_of(entity))].depends_on
        # One step further along the dependencies, in the same request: what fails there fails all who need it.
        for item in direct:
            if ref_of(item) in needed:
                beyond.update(dict.fromkeys(ref for ref in related(item) if ref not in known))
        return direct + (self._by_refs(list(beyond), deadline) if beyond else [])

    def _by_refs(self, refs: Sequence[str], deadline: Deadline) -> list[dict[str, Any]]:
        if not refs:
            return []
        body = {"entityRefs": list(refs[:MOST_NEIGHBOURS])}
        return _items(_tried(lambda: self._backstage.post(f"{_ENTITIES}/by-refs", deadline, body).json(), deadline))

    def _pages(self, params: list[tuple[str, str]], deadline: Deadline) -> Iterator[dict[str, Any]]:
        answer = self._get([*params, ("limit", str(PAGE))], deadline)
        yield from _items(answer)
        for _ in range(MOST_PAGES - 1):
            cursor = _mapping(answer.get("pageInfo")).get("nextCursor")
            if not isinstance(cursor, str):
                return
            # The cursor brings the filter along, but not the fields.
            kept = [(key, value) for key, value in params if key == "fields"]
            answer = self._get([*kept, ("cursor", cursor), ("limit", str(PAGE))], deadline)
            yield from _items(answer)

    def _get(self, params: list[tuple[str, str]], deadline: Deadline) -> dict[str, Any]:
        return _mapping(_tried(lambda: self._backstage.get(f"{_ENTITIES}/by-query", deadline, params).json(), deadline))


def _match(ref: str, how: str, known: dict[str, Component]) -> CatalogMatch:
    return CatalogMatch(component=known[ref], how=how, neighbours=around(known[ref], known))


def _tried(call: Callable[[], T], deadline: Deadline) -> T:
    """What `call` gives, after up to two more tries. What fails then is no longer worth another try by the caller."""
    for pause in _PAUSES:
        try:
            return call()
        except SourceFailure as failure:
            if not failure.transient or deadline.remaining() <= pause:
                raise
            time.sleep(pause)
    try:
        return call()
    except SourceFailure as failure:
        raise SourceFailure(failure.status, failure.detail) from None


def _items(answer: object) -> list[dict[str, Any]]:
    """The entities of an answer; by-refs answers null for what it does not know."""
    items = _mapping(answer).get("items")
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
