"""What Kubernetes knows: a stand-in that answers as its API server does, over TLS where that matters."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from shared.errors import ConfigurationError
from shared.incident import CoverageStatus, Fact
from shared.moment import Deadline, rfc3339
from shared.redaction.redactor import Redactor
from tests.loopback import Asked, Reply, StandIn, self_signed
from tests.worker.inquiries import ALERT, INVOICE, LEDGER, WINDOW, inquiry
from worker.gathering import ask
from worker.inquiry import Component, Gathered, Inquiry, Scope, SourceFailure, Target
from worker.investigation.brief import make
from worker.sources.kubernetes_logs import Config, KubernetesLogs

DIED = ALERT - timedelta(minutes=3)
POD = "invoice-api-6f7c9d5b8-x2x4z"


def pod(name: str = POD, labels: Mapping[str, str] | None = None, **status: Any) -> dict[str, Any]:
    labels = labels or {"app.kubernetes.io/name": "invoice-api"}
    metadata = {"name": name, "namespace": "shop", "uid": f"uid-{name}", "labels": labels}
    return {"metadata": metadata, "status": {"phase": "Running", **status}}


def container(name: str = "api", **status: Any) -> dict[str, Any]:
    return {"name": name, "restartCount": 7, "state": {}, "lastState": {}, **status}


def ended(reason: str, code: int, at: datetime = DIED) -> dict[str, Any]:
    return {"terminated": {"reason": reason, "exitCode": code, "finishedAt": rfc3339(at)}}


def warning(reason: str, message: str, name: str = POD, kind: str = "Pod", **times: Any) -> dict[str, Any]:
    seen = {"firstTimestamp": rfc3339(DIED), "lastTimestamp": rfc3339(DIED), "count": 1} | times
    return {"type": "Warning", "reason": reason, "message": message} | {
        "involvedObject": {"kind": kind, "name": name, "namespace": "shop"},
        **seen,
    }


class Cluster:
    """Pods, events and logs of one cluster."""

    def __init__(self, *pods: dict[str, Any], events: tuple[dict[str, Any], ...] = (), log: Reply | None = None):
        self._pods, self._events, self._log = pods, events, log or Reply("")

    def __call__(self, asked: Asked) -> Reply:
        if asked.path.endswith("/log"):
            return self._log
        if asked.path.endswith("/events"):
            return Reply({"kind": "EventList", "metadata": {}, "items": self._events})
        selector = dict(asked.query)["labelSelector"]
        label, _, values = selector.partition(" in ")
        wanted = values.strip("()").split(",")
        chosen = [each for each in self._pods if each["metadata"]["labels"].get(label) in wanted]
        return Reply({"kind": "PodList", "metadata": {}, "items": chosen})


def source(server: StandIn, **settings: Any) -> KubernetesLogs:
    return KubernetesLogs(Config(url=server.url, token=SecretStr("canary"), **settings))


def gathered(server: StandIn, *targets: Target, **settings: Any) -> Gathered:
    return source(server, **settings).gather(inquiry(*targets), Deadline.after(20))


def facts_of(server: StandIn) -> tuple[Fact, ...]:
    facts, line = ask("logs.kubernetes", source(server), inquiry(), 20, Redactor())
    assert line.status is CoverageStatus.OK
    return tuple(fact.model_copy(update={"id": f"F{number}"}) for number, fact in enumerate(facts, 1))


def test_a_container_that_was_killed_tells_when_and_why() -> None:
    killed = pod(containerStatuses=[container(lastState=ended("OOMKilled", 137))])
    with StandIn(Cluster(killed)) as server:
        (line,) = gathered(server).lines
    assert (line.service, line.at, line.level) == ("invoice-api", DIED, "error")
    assert line.text == f"OOMKilled: container api of pod {POD} ended with exit code 137"


def test_what_ended_a_container_is_not_hidden_by_what_follows_from_it() -> None:
    crash_loop = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container"}}
    killed = pod(containerStatuses=[container(lastState=ended("OOMKilled", 137), state=crash_loop)])
    backing_off = warning("BackOff", "Back-off restarting failed container", count=30, lastTimestamp=rfc3339(ALERT))
    with StandIn(Cluster(killed, events=(backing_off,))) as server:
        brief = make(inquiry().scope, facts_of(server), (), complete=True)
    assert "OOMKilled: container api" in brief.summary
    assert [signature.level for signature in brief.signatures] == ["error", "warning", "warning"]
    (hint,) = brief.explanations
    assert hint.statement.startswith("Kubernetes says of invoice-api: OOMKilled: container api")
    assert brief.verdict == "undecided", "it may be what a change asked for"


def test_pods_of_one_trouble_are_one_signature_that_the_brief_counts_as_an_error() -> None:
    pods = [
        pod(f"invoice-api-6f7c9d5b8-x{n}x4z", containerStatuses=[container(lastState=ended("OOMKilled", 137))])
        for n in range(6)
    ]
    with StandIn(Cluster(*pods)) as server:
        facts = facts_of(server)
    (fact,) = facts
    assert (fact.kind, fact.count, fact.data["level"], fact.at) == ("signature", 6, "error", DIED)
    brief = make(inquiry().scope, facts, (), complete=True)
    assert brief.onset == DIED
    assert "OOMKilled" in brief.summary


def test_what_waits_is_told_with_its_reason() -> None:
    waiting = {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "shop/invoice:9"'}
    crashing = {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container"}
    pods = (
        pod("invoice-api-1", containerStatuses=[container(state={"waiting": waiting})]),
        pod("invoice-api-2", initContainerStatuses=[container("migrate", state={"waiting": crashing})]),
        pod("invoice-api-3", containerStatuses=[container(state={"waiting": {"reason": "ContainerCreating"}})]),
    )
    with StandIn(Cluster(*pods)) as server:
        texts = [line.text for line in gathered(server).lines]
    assert texts == [
        "ImagePullBackOff: container api of pod invoice-api-1 waits, after 7 restarts: "
        'Back-off pulling image "shop/invoice:9"',
        "CrashLoopBackOff: container migrate of pod invoice-api-2 waits, after 7 restarts: "
        "back-off 5m0s restarting failed container",
    ]


def test_evicted_and_unscheduled_pods_are_told() -> None:
    at = rfc3339(DIED)
    evicted = pod("invoice-api-1", phase="Failed", reason="Evicted", message="The node was low on memory.")
    evicted["status"]["conditions"] = [{"type": "Ready", "status": "False", "lastTransitionTime": at}]
    unscheduled = {"type": "PodScheduled", "status": "False", "lastTransitionTime": at}
    pending = pod("invoice-api-2", phase="Pending", conditions=[unscheduled | {"reason": "Unschedulable"}])
    with StandIn(Cluster(evicted, pending)) as server:
        lines = gathered(server).lines
    assert [(line.text, line.at) for line in lines] == [
        ("Evicted: pod invoice-api-1 failed: The node was low on memory.", DIED),
        ("Unschedulable: pod invoice-api-2 is not scheduled", DIED),
    ]


def test_what_ended_well_or_long_ago_is_no_trouble() -> None:
    fine = pod(containerStatuses=[container(lastState=ended("Completed", 0))])
    old = pod("invoice-api-2", containerStatuses=[container(lastState=ended("Error", 1, ALERT - timedelta(days=3)))])
    with StandIn(Cluster(fine, old)) as server:
        assert gathered(server).lines == ()
    assert not any(asked.path.endswith("/log") for asked in server.asked)


def test_the_last_lines_of_a_crash_are_read_with_their_trace() -> None:
    log = (
        f"{rfc3339(DIED)} INFO starting\n{rfc3339(DIED)} ERROR no config\nTraceback (most recent call last):\n  File x"
    )
    crashed = pod(containerStatuses=[container(lastState=ended("Error", 1))])
    with StandIn(Cluster(crashed, log=Reply(log))) as server:
        found = gathered(server)
    last = found.lines[1:]
    assert [line.level for line in last] == ["info", "error"]
    assert last[1].text.endswith("ERROR no config\nTraceback (most recent call last):\n  File x")
    (asked,) = (asked for asked in server.asked if asked.path.endswith("/log"))
    assert asked.path == f"/api/v1/namespaces/shop/pods/{POD}/log"
    assert dict(asked.query) == {"container": "api", "previous": "true", "tailLines": "80", "limitBytes": "65536"}


def test_last_lines_that_are_gone_are_a_gap() -> None:
    crashed = pod(containerStatuses=[container(lastState=ended("Error", 1))])
    gone = Reply({"kind": "Status", "message": "previous terminated container not found", "code": 400}, 400)
    with StandIn(Cluster(crashed, log=gone)) as server:
        found = gathered(server)
    assert len(found.lines) == 1
    assert found.detail is not None and f"last lines of {POD}: answered 400" in found.detail


def test_warnings_are_of_the_pod_or_of_the_service_that_an_object_is_named_after() -> None:
    invoice = Target(service="invoice", role="dependency")
    events = (
        warning("FailedMount", 'secret "db" not found'),
        warning("Unhealthy", "Readiness probe failed: 503", count=40, lastTimestamp=rfc3339(ALERT)),
        warning("FailedCreate", "quota exceeded", "invoice-api-7d4b9", "ReplicaSet"),
        warning("BackOff", "restarting", "invoice-5c9d8-x2x4z"),
        warning("BackOff", "restarting", "stock-5c9d8"),
        warning("BackOff", "restarting", "invoice-gateway-5c9d8"),
        warning("Killing", "old", firstTimestamp=rfc3339(ALERT - timedelta(days=1)), lastTimestamp=None),
    )
    with StandIn(Cluster(pod(), events=events)) as server:
        lines = gathered(server, INVOICE, invoice).lines
    assert [(line.service, line.level, line.at, line.text) for line in lines] == [
        ("invoice-api", "error", DIED, f'FailedMount: secret "db" not found (pod {POD})'),
        ("invoice-api", "warn", DIED, f"Unhealthy: Readiness probe failed: 503 (pod {POD}, 40 times)"),
        ("invoice-api", "warn", ALERT, f"Unhealthy: Readiness probe failed: 503 (pod {POD}, 40 times)"),
        ("invoice-api", "error", DIED, "FailedCreate: quota exceeded (replicaset invoice-api-7d4b9)"),
        ("invoice", "warn", DIED, "BackOff: restarting (pod invoice-5c9d8-x2x4z)"),
    ]


def test_all_services_share_the_question_of_a_label() -> None:
    with StandIn(Cluster()) as server:
        found = gathered(server, INVOICE, LEDGER)
    selectors = [dict(asked.query)["labelSelector"] for asked in server.asked if asked.path == "/api/v1/pods"]
    assert sorted(selectors) == [
        "app in (ledger,invoice-api)",
        "app.kubernetes.io/name in (ledger,invoice-api)",
        "backstage.io/kubernetes-id in (ledger,invoice-api)",
    ]
    assert found.detail == "no pods of invoice-api (WHYDOWN_KUBERNETES_LABELS)"


def test_the_catalogs_own_selector_and_configured_namespaces_are_used() -> None:
    annotations = {"backstage.io/kubernetes-label-selector": "tier=billing,env!=test"}
    component = Component(ref="component:default/x", name="x", kind="component", annotations=annotations)
    target = Target(service="x", role="alerted", ref=component.ref)
    scope = Scope(targets=(target,), window=WINDOW, component=component)
    with StandIn(lambda asked: Reply({"items": [pod("billing-0")]})) as server:
        asking = source(server, namespaces=("shop", "billing"))
        asking.gather(Inquiry(scope=scope, title="x"), Deadline.after(20))
    assert {"tier=billing,env!=test"} < {dict(asked.query).get("labelSelector") for asked in server.asked}
    assert {asked.path for asked in server.asked} == {
        f"/api/v1/namespaces/{namespace}/{kind}" for namespace in ("shop", "billing") for kind in ("pods", "events")
    }


HOSTILE = ["x) or (y", "x,y", "x y", "", "é", "../x", "x" * 129, "-x", "x\ny"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_reaches_no_selector(name: str) -> None:
    target = Target(service=name, role="dependency", log_names=(name,))
    with StandIn(Cluster()) as server:
        gathered(server, INVOICE, target)
    selectors = [dict(asked.query)["labelSelector"] for asked in server.asked if asked.path == "/api/v1/pods"]
    assert len(selectors) == 3 and all(selector.endswith(" in (invoice-api)") for selector in selectors)


@pytest.mark.parametrize("name", ["../../secrets", "a/b", "x?y", ""])
def test_a_hostile_pod_name_reaches_no_path(name: str) -> None:
    crashed = pod(name, containerStatuses=[container(lastState=ended("Error", 1))])
    with StandIn(Cluster(crashed)) as server:
        gathered(server)
    assert {asked.path for asked in server.asked} == {"/api/v1/pods", "/api/v1/events"}


def test_the_service_accounts_token_is_read_anew_and_its_authority_is_asked(tmp_path: Path) -> None:
    certificate, token = self_signed(tmp_path), tmp_path / "token"
    with StandIn(Cluster(), certificate) as server:
        cluster = KubernetesLogs(Config(url=server.url, token_file=token, ca_file=certificate))
        for each in ("first", "second"):
            token.write_text(f"{each}\n")
            cluster.gather(inquiry(), Deadline.after(20))
        assert {asked.headers["authorization"] for asked in server.asked} == {"Bearer first", "Bearer second"}
        stranger = KubernetesLogs(Config(url=server.url, token_file=token, ca_file=tmp_path / "none"))
        with pytest.raises(SourceFailure, match="could not be reached"):
            stranger.gather(inquiry(), Deadline.after(20))


@pytest.mark.parametrize(
    "items",
    [None, 7, [None, 7, {}, {"metadata": 7}, {"metadata": {"name": 7}, "status": []}, pod(containerStatuses=[7, {}])]],
)
def test_nonsense_answers_are_survived(items: Any) -> None:
    with StandIn(lambda asked: Reply({"items": items})) as server:
        facts, line = ask("logs.kubernetes", source(server), inquiry(), 5, Redactor())
    assert facts == ()
    assert "unexpectedly" not in (line.detail or "")


def test_the_probe_asks_for_both_lists() -> None:
    with StandIn(lambda asked: Reply({"items": []})) as server:
        told = source(server, namespaces=("shop",)).probe(Deadline.after(5))
    assert told == "pods and events of shop can be listed"
    assert [asked.path for asked in server.asked] == [f"/api/v1/namespaces/shop/{kind}" for kind in ("pods", "events")]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"WHYDOWN_KUBERNETES_URL": "kubernetes"}, "WHYDOWN_KUBERNETES_URL"),
        ({"WHYDOWN_KUBERNETES_NAMESPACES": "../x"}, "WHYDOWN_KUBERNETES_NAMESPACES"),
        ({"WHYDOWN_KUBERNETES_LABELS": "a=b"}, "WHYDOWN_KUBERNETES_LABELS"),
    ],
)
def test_a_setting_that_is_wrong_is_named(
    settings: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert KubernetesLogs.from_settings() is None
    for name, value in ({"WHYDOWN_KUBERNETES_URL": "https://127.0.0.1:6443"} | settings).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=named):
        KubernetesLogs.from_settings()
