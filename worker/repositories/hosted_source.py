"""What the sources that ask a host of repositories have in common, whichever host it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Protocol, Self

from shared.moment import Deadline
from worker.each_target import each_target
from worker.inquiry import Gathered, Inquiry, Scope, Target, Window
from worker.repositories.hosted import Host, HostedRepository, Pages


class HostConfig(Protocol):
    """The settings of one host."""

    @property
    def configured(self) -> bool:
        """Whether the host is to be asked at all."""
        ...

    @classmethod
    def read(cls) -> Self:
        """As they are in force. Raises ConfigurationError."""
        ...


class HostedSource(ABC):
    """Asks about the repository of every target, each once."""

    name: ClassVar[str]
    """As in the registry."""
    config: ClassVar[type[HostConfig]]
    host: ClassVar[type[Host]]
    """Made of that config."""

    def __init__(self, config: HostConfig) -> None:
        """Nothing is asked yet."""
        made: Any = self.host  # a protocol says nothing of how its classes are made
        self._host: Host = made(config)

    @classmethod
    def from_settings(cls) -> Self | None:
        """As the host's settings say; None where it is not to be asked. Raises ConfigurationError."""
        config = cls.config.read()
        return cls(config) if config.configured else None

    def gather(self, inquiry: Inquiry, deadline: Deadline) -> Gathered:
        """What the repositories hold; what could not be had is told in the detail. Raises SourceFailure or
        DeadlineExceeded.
        """
        scope = inquiry.scope
        return each_target(
            scope.targets,
            lambda target: self._ask(target, scope, deadline),
            same=lambda target: self._host.slug(target, scope) or target.service,
        )

    def probe(self, deadline: Deadline) -> str:
        """Who the token is."""
        return self._host.probe(deadline)

    def _ask(self, target: Target, scope: Scope, deadline: Deadline) -> Gathered:
        slug = self._host.slug(target, scope)
        if slug is None:
            return Gathered(detail=self._host.unknown)
        return self._look(target, scope.window, self._host.repository(slug, deadline), self._host.pages(slug))

    @abstractmethod
    def _look(self, target: Target, window: Window, repository: HostedRepository, pages: Pages) -> Gathered:
        """What one repository holds for one service. Raises SourceFailure or DeadlineExceeded."""
