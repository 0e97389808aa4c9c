"""What Kubernetes itself knows of a service: warnings, containers that were killed or cannot start, and their last
lines. A culprit that logs nothing shows there.

https://kubernetes.io/docs/reference/kubernetes-api/.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Final, Self
from urllib.parse import quote

from pydantic import SecretStr

from shared.errors import ConfigurationError
from shared.incident import CoverageStatus
from shared.moment import Deadline, DeadlineExceeded
from shared.settings import HttpUrl, Section, Words, setting
from worker.inquiry import Gathered, Inquiry, LogLine, SourceFailure, Window
from worker.kubernetes_objects import NAMESPACE, OBJECT, Container, crashed, states, text_at, warned
from worker.log_queries import askable, before, names_of
from worker.log_text.lines import entries
from worker.outbound import Outbound
from worker.threads import Threads

MOST_PODS: Final = 200
"""Of one selector: a pod may take 20 KB."""
MOST_EVENTS: Final = 500
"""Of one namespace."""
MOST_NAMESPACES: Final = 5
MOST_CRASHED: Final = 8
"""Containers whose last lines are read."""
LAST_LINES: Final = 80
_LOG_BYTES: Final = 64 * 1024
_AT_ONCE: Final = 6
_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/."""

_LABEL: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9.-]{0,252}/)?[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_VALUE: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
"""https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set."""
_SELECTOR: Final = re.compile(r"[A-Za-z0-9._/=!,() -]{1,512}")


class Config(Section):
    """Which cluster, and what its pods are called by."""

    url: HttpUrl | None = setting(
        "WHYDOWN_KUBERNETES_URL",
        default=None,
        description="Address of the cluster's API, `https://kubernetes.default.svc` from inside it.",
    )
    token: SecretStr | None = setting(
        "WHYDOWN_KUBERNETES_TOKEN",
        default=None,
        description="Bearer token for the cluster. Unset: the pod's service account, read anew each time.",
    )
    token_file: Path = setting(
        "WHYDOWN_KUBERNETES_TOKEN_FILE", default=_ACCOUNT / "token", description="File of the service account's token."
    )
    ca_file: Path = setting(
        "WHYDOWN_KUBERNETES_CA_FILE",
        default=_ACCOUNT / "ca.crt",
        description="PEM file of the authority that signed the cluster's certificate; a public one if it is not there.",
    )
    namespaces: Words = setting(
        "WHYDOWN_KUBERNETES_NAMESPACES",
        default=(),
        description="Namespaces to look into. Unset: all, which needs a ClusterRole.",
    )
    labels: Words = setting(
        "WHYDOWN_KUBERNETES_LABELS",
        default=("backstage.io/kubernetes-id", "app.kubernetes.io/name", "app"),
        description="Labels of pods that may hold the service.",
    )

    def check(self) -> None:
        """Raises ConfigurationError, naming the setting."""
        if not all(map(NAMESPACE.fullmatch, self.namespaces)):
            raise ConfigurationError("WHYDOWN_KUBERNETES_NAMESPACES: not the names of namespaces")
        if not self.labels or not all(map(_LABEL.fullmatch, self.labels)):
            raise ConfigurationError("WHYDOWN_KUBERNETES_LABELS: not the names of labels")


class KubernetesLogs:
    """Kubernetes: killed containers with their last lines, pods that cannot start, warnings."""

    configure: ClassVar[str] = "WHYDOWN_KUBERNETES_URL"

    def __init__(self, config: Config) -> None:
        """Raises ConfigurationError."""
        config.check()
        self._config = config

    @classmethod
    def from_settings(cls) -> Self | None:
        """The cluster at WHYDOWN_KUBERNETES_URL, or None when that is unset. Raises ConfigurationError."""
        config = Config.read()
        return cls(config) if config.url is not None else None

    def gather(self, inquiry: Inquiry, deadline: Deadline) -> Gathered:
        """What the cluster says as lines. Raises SourceFailure or DeadlineExceeded when it gave no list of pods."""
        look = _Look(self._outbound(), self._config, inquiry, before(deadline))
        with Threads(_AT_ONCE) as pool:
            return look.gathered(pool)

    def probe(self, deadline: Deadline) -> str:
        """That pods and events may be listed, and of which namespaces."""
        namespaces = self._config.namespaces or ("",)
        for namespace in namespaces:
            for kind in ("pods", "events"):
                _items(self._outbound().get(_path(namespace, kind), deadline, {"limit": "1"}).json())
        return f"pods and events of {', '.join(self._config.namespaces) or 'all namespaces'} can be listed"

    def _outbound(self) -> Outbound:
        config = self._config
        if config.token:
            token: str | None = config.token.get_secret_value()
        else:
            try:
                token = config.token_file.read_text().strip()  # it is replaced about every hour
            except OSError:
                token = None
        ca_file = config.ca_file if config.ca_file.is_file() else None
        return Outbound(config.url or "", token=token, ca_file=ca_file)


class _Look:
    """One question put to the cluster."""

    def __init__(self, api: Outbound, config: Config, inquiry: Inquiry, deadline: Deadline) -> None:
        self._api = api
        self._config = config
        self._inquiry = inquiry
        self._window: Window = inquiry.scope.window
        self._deadline = deadline
        self._targets, self._notes = askable(inquiry.scope.targets)
        self._services = {name: target.service for target in reversed(self._targets) for name in names_of(target)}

    def gathered(self, pool: Threads) -> Gathered:
        """Everything, with what could not be had."""
        if not self._targets:
            return Gathered(detail="; ".join(self._notes) or None)
        pods = self._pods(pool)
        if not any(service == self._inquiry.alerted.service for service, _ in pods.values()):
            self._notes.append(f"no pods of {self._inquiry.alerted.service} (WHYDOWN_KUBERNETES_LABELS)")
        found = sorted({text_at(pod, "metadata", "namespace") for _, pod in pods.values()})
        own = tuple(filter(NAMESPACE.fullmatch, found))[:MOST_NAMESPACES]
        namespaces = self._config.namespaces or own or ("",)
        events = pool.map(lambda namespace: self._events(namespace, pods), namespaces)
        dead = sorted(
            (each for service, pod in pods.values() for each in crashed(service, pod) if self._is_recent(each.at)),
            key=lambda each: (each.service != self._inquiry.alerted.service, -each.at.timestamp()),
        )
        last = pool.map(self._last_lines, dead[:MOST_CRASHED])
        lines = [line for service, pod in pods.values() for line in states(service, pod, self._window)]
        lines += [line for some in events for line in some]
        lines += [line for some in last for line in some]
        # Of a container that died only its last lines are read: how often it says so otherwise is not known.
        partly = frozenset(each.service for each in dead)
        return Gathered(lines=tuple(lines), incomplete=partly, detail="; ".join(dict.fromkeys(self._notes)) or None)

    def _is_recent(self, at: datetime) -> bool:
        return self._window.baseline_since <= at <= self._window.until

    def _pods(self, pool: Threads) -> dict[str, tuple[str, Mapping[str, Any]]]:
        """The pods by uid, each with its service. Raises what the first list failed by, when all did."""
        namespaces = self._config.namespaces or ("",)
        asked = [(namespace, *each) for namespace in namespaces for each in self._selectors()]
        failures: list[SourceFailure | DeadlineExceeded] = []
        pods: dict[str, tuple[str, Mapping[str, Any]]] = {}

        def listed(place: tuple[str, str, str | None]) -> list[Mapping[str, Any]]:
            namespace, selector, _ = place
            try:
                return self._list(namespace, "pods", {"labelSelector": selector, "limit": str(MOST_PODS)})
            except (SourceFailure, DeadlineExceeded) as failure:
                failures.append(failure)
                return []

        for (_, _, service), items in zip(asked, pool.map(listed, asked), strict=True):
            for pod in items:
                owner = service or self._owner(pod)
                if owner and OBJECT.fullmatch(text_at(pod, "metadata", "name")):
                    pods.setdefault(text_at(pod, "metadata", "uid") or text_at(pod, "metadata", "name"), (owner, pod))
        if failures and len(failures) == len(asked):
            raise failures[0]
        self._notes += [f"pods: {failure}" for failure in failures]
        return pods

    def _selectors(self) -> Iterator[tuple[str, str | None]]:
        """Selectors, each with the one service that it is of, if it is: all services share the selector of a label."""
        for target in self._targets:
            own = self._inquiry.scope.annotations(target).get("backstage.io/kubernetes-label-selector", "").strip()
            if _SELECTOR.fullmatch(own):
                yield own, target.service
        names = ",".join(filter(_VALUE.fullmatch, self._services))
        if names:
            yield from ((f"{label} in ({names})", None) for label in self._config.labels)

    def _owner(self, pod: Mapping[str, Any]) -> str | None:
        values = (text_at(pod, "metadata", "labels", label) for label in self._config.labels)
        return next((self._services[value] for value in values if value in self._services), None)

    def _events(self, namespace: str, pods: Mapping[str, tuple[str, Mapping[str, Any]]]) -> list[LogLine]:
        params = {"fieldSelector": "type=Warning", "limit": str(MOST_EVENTS)}
        try:
            events = self._list(namespace, "events", params)
        except (SourceFailure, DeadlineExceeded) as failure:
            self._notes.append(f"events: {failure}")
            return []
        owners = {text_at(pod, "metadata", "name"): service for service, pod in pods.values()}
        return [line for event in events for line in warned(event, owners, self._services, self._window)]

    def _last_lines(self, container: Container) -> list[LogLine]:
        path = f"{_path(container.namespace, 'pods')}/{quote(container.pod, safe='')}/log"
        params = {
            "container": container.name,
            "previous": str(container.restarted).lower(),
            "tailLines": str(LAST_LINES),
            "limitBytes": str(_LOG_BYTES),
        }
        try:
            text = self._api.get(path, self._deadline, params).body.decode("utf-8", "replace")
        except (SourceFailure, DeadlineExceeded) as failure:
            self._notes.append(f"last lines of {container.pod}: {failure}"[:200])
            return []
        found = entries(text.splitlines()[-LAST_LINES:], container.at)
        return [LogLine(container.service, entry.text, entry.at or container.at, entry.level) for entry in found]

    def _list(self, namespace: str, kind: str, params: Mapping[str, str]) -> list[Mapping[str, Any]]:
        answer = self._api.get(_path(namespace, kind), self._deadline, params).json()
        items = _items(answer)
        if text_at(answer, "metadata", "continue"):
            self._notes.append(f"only the first {len(items)} {kind} of {namespace or 'all namespaces'}")
        return items


def _path(namespace: str, kind: str) -> str:
    return f"/api/v1/namespaces/{namespace}/{kind}" if namespace else f"/api/v1/{kind}"


def _items(answer: Any) -> list[Mapping[str, Any]]:
    items = answer.get("items") if isinstance(answer, dict) else None
    if not isinstance(items, list):
        raise SourceFailure(CoverageStatus.ERROR, "the answer is not in the form of a list of Kubernetes")
    return [item for item in items if isinstance(item, dict)]
