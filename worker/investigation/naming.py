"""Services named in texts: a service's error often points at the one that caused it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from worker.inquiry import Scope
from worker.investigation.vocabulary import COMMON

_SUFFIX: Final = re.compile(r"[-_]?(?:service|svc|srv)$")
_ANY_SUFFIX: Final = r"[-_]?(?:service|svc|srv)"
_SHORTEST: Final = 3

# "payment" without its "-service" is a word like any other, unless it stands where a service does.
_POINTING: Final = re.compile(
    r"(?:\b(?:from|to|upstream|downstream|by|at|via|calling|dependency|backend|host|peer|service|with)[ :=]+[\"'`]?|://|@)$",
    re.IGNORECASE,
)
_SERVING: Final = re.compile(
    r"[\"'`]?[ _-](?:service|svc|server|client|api|backend|cluster|pod)s?\b|:\d|\.[a-z]", re.IGNORECASE
)
_BEFORE: Final = 24
# A pod's name, "payment-7d9f8b6c5d-x2x4z", goes on after the service's.
_END: Final = r"(?![A-Za-z0-9_]|-(?![a-z0-9]*\d))"


@dataclass(frozen=True, slots=True)
class _Form:
    pattern: str
    start: str
    """Lower case; where this does not stand, the pattern does not match."""
    service: str
    short: bool
    """Whether it takes words around it to tell that it means the service."""


class ServiceNames:
    """Finds services by the names that lines call them: their own, their logs', with other separators, without the
    suffix "-service".
    """

    def __init__(self, names: Iterable[tuple[str, str]] = ()) -> None:
        """`names` are pairs of a name that may occur and the service that it means; of equal names the first counts."""
        known: dict[str, _Form] = {}
        for name, service in names:
            for form in _forms(name, service):
                known.setdefault(form.pattern, form)
        # The longest first, so that "cart-db" is not taken for "cart".
        forms = sorted(known.values(), key=lambda form: (-len(form.pattern), form.pattern))
        self._forms = {f"n{number}": form for number, form in enumerate(forms)}
        self._starts = {(form.start, form.service) for form in forms}

    @classmethod
    def of(cls, scope: Scope) -> ServiceNames:
        """Those of the targets and of the neighbours in the catalog."""
        targets = [(name, target.service) for target in scope.targets for name in (target.service, *target.log_names)]
        return cls([*targets, *((each.name, each.name) for each in scope.neighbours)])

    def within(self, text: str, own: str) -> set[str]:
        """The services that `text` names, but for its `own`."""
        if text.isascii():
            # Most incidents have no line that names another service: then no expression need be made.
            lower = text.lower()
            if not any(start in lower for start, service in self._starts if service != own):
                return set()
        if not self._forms:
            return set()
        return {
            form.service
            for found in self._pattern.finditer(text)
            if (form := self._forms[found.lastgroup or ""]).service != own and (not form.short or _pointed_at(found))
        }

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        alternatives = "|".join(f"(?P<{group}>{form.pattern})" for group, form in self._forms.items())
        return re.compile(rf"(?<![A-Za-z0-9_-])(?:{alternatives}){_END}", re.IGNORECASE)


def _forms(name: str, service: str) -> Iterable[_Form]:
    lower = name.strip().lower()
    stem = _SUFFIX.sub("", lower)
    whole, short = _spelled(lower), _spelled(stem)
    if len(lower) >= _SHORTEST:
        if stem and stem != lower:
            yield _Form(short + _ANY_SUFFIX, _start(stem), service, short=False)
        else:
            yield _Form(whole, _start(lower), service, short=lower in COMMON)
            yield _Form(whole + _ANY_SUFFIX, _start(lower), service, short=False)
    if stem != lower and len(stem) >= _SHORTEST:
        yield _Form(short, _start(stem), service, short="-" not in stem and "_" not in stem)


def _start(name: str) -> str:
    return next(filter(None, re.split(r"[-_]", name)), "")


def _spelled(name: str) -> str:
    return "[-_]?".join(re.escape(piece) for piece in re.split(r"[-_]", name) if piece)


def _pointed_at(found: re.Match[str]) -> bool:
    text = found.string
    before = text[max(0, found.start() - _BEFORE) : found.start()]
    return _POINTING.search(before) is not None or _SERVING.match(text, found.end()) is not None
