"""What objects of Kubernetes say of trouble, as lines: the status of pods and containers, and warnings.

Pure. https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#PodStatus,
https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from shared.moment import parse_time
from worker.inquiry import LogLine, Window
from worker.log_text.lines import clean
from worker.printable import printable

NAMESPACE: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
OBJECT: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,252}")
"""Names that may stand in a path."""
_LONGEST: Final = 2_000
_FINE: Final = ("ContainerCreating", "PodInitializing", "Completed")
"""Reasons that are no trouble."""
_GRAVE: Final = ("Failed", "OOM", "Evict", "SystemOOM", "NodeNotReady", "InspectFailed", "ErrImage")
"""How the reasons of events begin after which something does not run:
https://github.com/kubernetes/kubernetes/blob/master/pkg/kubelet/events/event.go."""


_GENERATED: Final = re.compile(r"(-[bcdfghjklmnpqrstvwxz2456789]{5,10}|-\d{1,10}){0,2}")
"""Hashes, numbers of replicas and times of jobs. Without vowels, so that they are no words:
https://github.com/kubernetes/apimachinery/blob/master/pkg/util/rand/rand.go."""


@dataclass(frozen=True, slots=True)
class Container:
    """A container that died, and where its last lines are."""

    service: str
    namespace: str
    pod: str
    name: str
    at: datetime
    restarted: bool
    """Whether the lines are those of the run before."""


def states(service: str, pod: Mapping[str, Any], window: Window) -> Iterator[LogLine]:
    """What a pod's status says that is no good: evicted, not scheduled, waiting for what does not come, ended."""
    name, status = text_at(pod, "metadata", "name"), dict_at(pod, "status")
    for condition in dicts(status.get("conditions")):
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            at = parse_time(condition.get("lastTransitionTime"))
            yield _trouble(service, condition, f"pod {name} is not scheduled", at)
    if status.get("phase") == "Failed":
        ended = [parse_time(each.get("lastTransitionTime")) for each in dicts(status.get("conditions"))]
        yield _trouble(service, status, f"pod {name} failed", max(filter(None, ended), default=None))
    for container in _containers(status):
        what = f"container {container.get('name')} of pod {name}"
        killed = False
        for ended_as in (dict_at(container, "lastState", "terminated"), dict_at(container, "state", "terminated")):
            at = parse_time(ended_as.get("finishedAt"))
            if at and ended_as.get("exitCode") != 0 and window.baseline_since <= at <= window.until:
                killed = True
                yield _trouble(service, ended_as, f"{what} ended with exit code {ended_as.get('exitCode')}", at)
        waiting = dict_at(container, "state", "waiting")
        if waiting.get("reason") and waiting["reason"] not in _FINE:
            waits = f"{what} waits, after {container.get('restartCount')} restarts"
            # That it is not started again at once follows from what ended it, and would hide that.
            yield _trouble(service, waiting, waits, None, "warn" if killed else "error")


def _trouble(service: str, told: Mapping[str, Any], what: str, at: datetime | None, level: str = "error") -> LogLine:
    message = f": {told['message']}" if isinstance(told.get("message"), str) else ""
    return LogLine(service, clean(f"{told.get('reason') or 'Failed'}: {what}{message}")[:_LONGEST], at, level)


def crashed(service: str, pod: Mapping[str, Any]) -> Iterator[Container]:
    """The containers that ended in failure: the last lines of that run are what they died with."""
    name, namespace = text_at(pod, "metadata", "name"), text_at(pod, "metadata", "namespace")
    if not NAMESPACE.fullmatch(namespace):
        return
    for container in _containers(dict_at(pod, "status")):
        now, earlier = dict_at(container, "state", "terminated"), dict_at(container, "lastState", "terminated")
        for ended, restarted in ((now, False), (earlier, True)):
            at = parse_time(ended.get("finishedAt"))
            if at and ended.get("exitCode") != 0:
                yield Container(service, namespace, name, str(container.get("name")), at, restarted)
                break


def warned(
    event: Mapping[str, Any], owners: Mapping[str, str], services: Mapping[str, str], window: Window
) -> Iterator[LogLine]:
    """A warning when it was first and when it was last seen, of one of the services."""
    name, kind = text_at(event, "involvedObject", "name"), text_at(event, "involvedObject", "kind")
    service = owners.get(name) or _longest(name, services)
    count = dict_at(event, "series").get("count") or event.get("count")
    often = f", {count} times" if isinstance(count, int) and count > 1 else ""
    seen = (
        event.get("firstTimestamp") or event.get("eventTime"),
        event.get("lastTimestamp") or dict_at(event, "series").get("lastObservedTime"),
    )
    text = clean(f"{event.get('reason')}: {event.get('message')} ({kind.lower()} {name}{often})")[:_LONGEST]
    level = "error" if str(event.get("reason")).startswith(_GRAVE) else "warn"
    for at in dict.fromkeys(map(parse_time, seen)):
        if service and at and window.baseline_since <= at <= window.until:
            yield LogLine(service, text, at, level)


def _longest(name: str, services: Mapping[str, str]) -> str | None:
    """The service that an object is named after, with nothing behind that but what Kubernetes puts there:
    `invoice-api-7d4b9` is of invoice-api, and not of invoice.
    """
    found = [own for own in services if name.startswith(own) and _GENERATED.fullmatch(name[len(own) :])]
    return services[max(found, key=len)] if found else None


def _containers(status: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return (*dicts(status.get("initContainerStatuses")), *dicts(status.get("containerStatuses")))


def dict_at(value: Any, *path: str) -> Mapping[str, Any]:
    """The object at a path, empty when there is none."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def text_at(value: Any, *path: str) -> str:
    """The text at a path, empty when there is none."""
    found = dict_at(value, *path[:-1]).get(path[-1])
    return printable(found) if isinstance(found, str) else ""


def dicts(values: Any) -> list[Mapping[str, Any]]:
    """The objects in a list; none when it is no list."""
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []
