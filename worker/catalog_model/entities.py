"""Backstage entity documents made into components, with their relations told in both directions.

The model: https://backstage.io/docs/features/software-catalog/descriptor-format/ and, for the well-known relations,
https://backstage.io/docs/features/software-catalog/well-known-relations/.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from shared.incident import Link
from worker.inquiry import Component
from worker.printable import printable

MOST_RELATIONS: Final = 200
"""Relations of one kind that are read from one entity."""

_MOST_ITEMS: Final = 50
_LONGEST_TEXT: Final = 2_000

_REF: Final = re.compile(
    r"(?:(?P<kind>[A-Za-z][A-Za-z0-9]{0,62}):)?"
    r"(?:(?P<namespace>[A-Za-z0-9][A-Za-z0-9._-]{0,127})/)?"
    r"(?P<name>[A-Za-z0-9._-]{1,128})"
)
_KIND_ORDER: Final = ("component", "resource", "api")

Document = Mapping[str, Any]


def parse_ref(text: object, kind: str = "component", namespace: str = "default") -> str | None:
    """The full entity ref, lower case, that a short one `[kind:][namespace/]name` stands for; None when it is none."""
    found = _REF.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        return None
    return f"{found['kind'] or kind}:{found['namespace'] or namespace}/{found['name']}".lower()


def ref_of(document: object) -> str | None:
    """The ref of an entity document; None when it is not an entity."""
    if not isinstance(document, Mapping):
        return None
    metadata = _mapping(document.get("metadata"))
    kind, name = document.get("kind"), metadata.get("name")
    if not isinstance(kind, str) or not isinstance(name, str):
        return None
    return parse_ref(f"{kind}:{metadata.get('namespace') or 'default'}/{name}")


def components(documents: Iterable[Document]) -> dict[str, Component]:
    """Every entity of `documents` by its ref; of two with one ref the first counts.

    A relation counts whichever side tells it, in `spec` or in the `relations` that the live catalog adds. Refs that
    lead to no document are kept.
    """
    entities: dict[str, Document] = {}
    for document in documents:
        ref = ref_of(document)
        if ref is not None:
            entities.setdefault(ref, document)
    needs, needed_by = _both_ways(entities)
    return {
        ref: _component(ref, document, needs.get(ref, ()), needed_by.get(ref, ())) for ref, document in entities.items()
    }


def related(document: Document) -> list[str]:
    """Refs of all that one document says to need, to share an API with or to be needed by, in this order."""
    ref = ref_of(document)
    if ref is None:
        return []
    relations = _Relations()
    relations.read(ref, document)
    pairs = (*relations.needs, *relations.consumes, *relations.provides, *relations.parts)
    ends = [to for origin, to in pairs if origin == ref] + [origin for origin, to in pairs if to == ref]
    return [end for end in dict.fromkeys(ends) if end != ref]


@dataclass
class _Relations:
    """Pairs of refs, `(from, to)`, as ordered sets."""

    needs: dict[tuple[str, str], None] = field(default_factory=dict)
    consumes: dict[tuple[str, str], None] = field(default_factory=dict)
    provides: dict[tuple[str, str], None] = field(default_factory=dict)
    parts: dict[tuple[str, str], None] = field(default_factory=dict)

    def read(self, ref: str, document: Document) -> None:
        """Adds what one document says, from whichever side."""
        for into, forward, backward in (
            (self.needs, ("dependsOn", "component"), ("dependencyOf", "component")),
            (self.consumes, ("consumesApi", "api"), ("apiConsumedBy", "component")),
            (self.provides, ("providesApi", "api"), ("apiProvidedBy", "component")),
            (self.parts, ("hasPart", "component"), ("partOf", "system")),
        ):
            into.update(((ref, to), None) for to in _targets(ref, document, *forward))
            into.update(((to, ref), None) for to in _targets(ref, document, *backward))


_IN_SPEC: Final = {"consumesApi": "consumesApis", "providesApi": "providesApis", "partOf": "system"}
"""Where `spec` has another word for a relation."""


def _targets(ref: str, document: Document, relation: str, kind: str) -> Iterator[str]:
    namespace = ref.partition(":")[2].partition("/")[0]
    said = _mapping(document.get("spec")).get(_IN_SPEC.get(relation, relation))
    for text in _list(said if isinstance(said, Sequence) and not isinstance(said, str) else [said])[:MOST_RELATIONS]:
        if target := parse_ref(text, kind, namespace):
            yield target
    computed = [item for item in map(_mapping, _list(document.get("relations"))) if item.get("type") == relation]
    for item in computed[:MOST_RELATIONS]:
        if target := parse_ref(item.get("targetRef"), kind):
            yield target


def _both_ways(entities: Mapping[str, Document]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    relations = _Relations()
    for ref, document in entities.items():
        relations.read(ref, document)
    edges = dict(relations.needs)
    providers: dict[str, list[str]] = {}
    for provider, api in relations.provides:
        providers.setdefault(api, []).append(provider)
    for consumer, api in relations.consumes:
        edges.update(((consumer, to), None) for to in (*providers.get(api, ()), api))
    needs: dict[str, list[str]] = {}
    needed_by: dict[str, list[str]] = {}
    for consumer, provider in edges:
        if consumer != provider:
            needs.setdefault(consumer, []).append(provider)
            needed_by.setdefault(provider, []).append(consumer)
    # A system is down when one of its parts is, but it is no news to a part that it has a system.
    for system, part in relations.parts:
        if system.startswith("system:"):
            needs.setdefault(system, []).append(part)
    return needs, needed_by


def _component(ref: str, document: Document, needs: Iterable[str], needed_by: Iterable[str]) -> Component:
    metadata, spec = _mapping(document.get("metadata")), _mapping(document.get("spec"))
    namespace = ref.partition(":")[2].partition("/")[0]
    return Component(
        ref=ref,
        name=str(metadata["name"]),
        kind=str(document["kind"]),
        title=_text(metadata.get("title")),
        description=_text(metadata.get("description")),
        owner=parse_ref(spec.get("owner"), "group", namespace),
        type=_text(spec.get("type")),
        lifecycle=_text(spec.get("lifecycle")),
        system=parse_ref(spec.get("system"), "system", namespace),
        tags=tuple(filter(None, map(_text, _list(metadata.get("tags"))[:_MOST_ITEMS]))),
        links=tuple(_links(metadata.get("links"))),
        annotations=_annotations(metadata.get("annotations")),
        depends_on=tuple(sorted(dict.fromkeys(needs), key=_kind_rank)),
        dependents=tuple(sorted(dict.fromkeys(needed_by), key=_kind_rank)),
    )


def _kind_rank(ref: str) -> int:
    """Services before databases before interfaces: only the first few are looked at."""
    kind = ref.partition(":")[0]
    return _KIND_ORDER.index(kind) if kind in _KIND_ORDER else len(_KIND_ORDER)


def _links(value: object) -> Iterator[Link]:
    for item in map(_mapping, _list(value)[:_MOST_ITEMS]):
        url = _text(item.get("url"))
        if url and url.startswith(("https://", "http://")):
            yield Link(title=_text(item.get("title")) or url, url=url)


def _annotations(value: object) -> dict[str, str]:
    pairs = ((_text(key), _text(text)) for key, text in list(_mapping(value).items())[:_MOST_ITEMS])
    return {key: text for key, text in pairs if key and text}


def _text(value: object) -> str | None:
    return printable(value.strip()[:_LONGEST_TEXT]) or None if isinstance(value, str) else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else []
