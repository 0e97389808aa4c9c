"""One incident is one connected trace, taken by a server of real OTLP; and every process names it in its log."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.installation import Installation, until
from tests.loopback import Asked, Reply, StandIn
from tests.model_server import MODEL, ModelServer, sensible

TOKEN = "webhook-token-of-the-test"
SECRET = "hunter2pass"
PROTOBUF = {"Content-Type": "application/x-protobuf"}


@dataclass
class Collector:
    """Takes OTLP over HTTP in protobuf, as https://opentelemetry.io/docs/specs/otlp/ says."""

    bodies: list[bytes] = field(default_factory=list)

    def take(self, asked: Asked) -> Reply:
        assert (asked.method, asked.path) == ("POST", "/v1/traces")
        assert asked.headers["content-type"] == "application/x-protobuf"
        self.bodies.append(asked.body)
        return Reply(b"", headers=PROTOBUF)

    def spans(self) -> list[tuple[str, Span]]:
        """Every span with the service that sent it."""
        found = []
        for body in list(self.bodies):
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                service = _attributes(resource.resource)["service.name"]
                found += [(service, span) for scope in resource.scope_spans for span in scope.spans]
        return found


def _attributes(owner: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in owner.attributes}


@dataclass
class Traced:
    """What came of one incident that succeeded at the second attempt."""

    incident: str
    spans: list[tuple[str, Span]]
    bodies: bytes
    folder: Path

    def named(self, name: str) -> list[dict[str, Any]]:
        return [_attributes(span) for _, span in self.spans if span.name == name]


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    folder = tmp_path_factory.mktemp("traced") / "data"
    logs = folder.parent / "logs"
    logs.mkdir(parents=True)
    (logs / "invoice-api.log").write_text("2026-11-23T03:10:00Z ERROR disk full\n")
    collector = Collector()
    with StandIn(collector.take) as otlp, ModelServer(sensible) as model, StandIn(lambda _: Reply({})) as hook:
        settings = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": otlp.url,
            "OTEL_BSP_SCHEDULE_DELAY": "200",
            "WHYDOWN_AI_ENDPOINT": model.base_url,
            "WHYDOWN_AI_CHAT_MODEL": MODEL,
            "WHYDOWN_LOG_FILES": str(logs),
            "WHYDOWN_WEBHOOK_TOKEN": TOKEN,
            "WHYDOWN_CALLBACK_ALLOW": "127.0.0.1",
        }
        with Installation(folder, settings) as whydown:
            whydown.start()
            errors = f"ERROR cannot connect: password={SECRET}"
            body = {"serviceName": "invoice-api", "alertTitle": "Errors", "errors": errors, "callbackUrl": hook.url}
            made = whydown.post(f"/webhook/alert?token={TOKEN}", body).json()
            incident = made["incidents"][0]["id"]
            whydown.finished(incident)
            whydown.post(f"/incidents/{incident}/retry", None)
            until(lambda: len(whydown.finished(incident)["attempts"]) == 2, "it was tried again", whydown.logs)
            for stage in ("diagnose", "deliver"):  # the first tells of the second before it ends
                until(lambda: sum(s.name == stage for _, s in collector.spans()) >= 2, "all was sent", whydown.logs)  # noqa: B023
            yield Traced(incident, collector.spans(), b"".join(collector.bodies), folder)


def test_one_incident_is_one_connected_trace(traced: Traced) -> None:
    assert {span.trace_id for _, span in traced.spans} == {traced.spans[0][1].trace_id}
    ids = {span.span_id for _, span in traced.spans}
    roots = [(service, span) for service, span in traced.spans if not span.parent_span_id]
    assert [(service, span.name) for service, span in roots] == [("whydown-web", "incident")]
    assert all(span.parent_span_id in ids for _, span in traced.spans if span.parent_span_id)
    assert len(ids) == len(traced.spans)
    stages = {"incident", "publish whydown.investigate", "investigate", "diagnose", "deliver"}
    by_name = {span.name: (service, span) for service, span in traced.spans}
    assert set(by_name) >= stages | {"ask logs.files", "ask logs.alert", f"chat {MODEL}"}
    for name in stages:
        assert _attributes(by_name[name][1])["whydown.incident.id"] == traced.incident
    assert {by_name[name][0] for name in ("investigate", "diagnose", "deliver")} == {"whydown-worker"}
    assert {each["whydown.attempt"] for each in traced.named("diagnose")} == {1, 2}


def test_the_model_is_told_by_the_conventions(traced: Traced) -> None:
    for told in (calls := traced.named(f"chat {MODEL}")):
        assert told["gen_ai.operation.name"] == "chat"
        assert told["gen_ai.provider.name"] == "openai"
        assert told["gen_ai.response.model"] == MODEL
        assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (1_000, 200)
    assert len(calls) >= 2


def test_sources_are_told_with_their_outcome(traced: Traced) -> None:
    told = traced.named("ask logs.alert")[0]
    assert (told["whydown.source"], told["whydown.source.status"]) == ("logs.alert", "ok")
    assert told["whydown.source.items"] >= 1


def test_no_text_and_no_secret_leaves_with_a_trace(traced: Traced) -> None:
    for text in (SECRET, TOKEN, "cannot connect", "disk full", "Errors", "password", "diagnos" + "ing"):
        assert text.encode() not in traced.bodies


def test_no_span_failed(traced: Traced) -> None:
    assert [span.name for _, span in traced.spans if span.status.code == Status.STATUS_CODE_ERROR] == []


def test_every_process_names_the_incident_in_its_log(traced: Traced) -> None:
    def said(part: str) -> set[str]:
        written = (traced.folder / f"{part}.log").read_text().splitlines()
        lines = [json.loads(line) for line in written if line.startswith("{")]
        return {line["event"] for line in lines if line.get("incident") == traced.incident}

    assert said("web") >= {"alerts_accepted", "retry_accepted"}
    assert said("worker") >= {"stage_done"}


CODE = """
import sys
from shared import log_output, tracing
log_output.configure()
{before}
tracing.start("worker")
with tracing.span("chat", "abc", gen_ai__request__model="m") as span:
    span.note(a=1)
    span.failed("x")
tracing.began("abc", 0.1)
print([name for name in sys.modules if name.startswith("opentelemetry")])
"""


def _run(before: str, environment: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    kept = {"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "/usr/bin:/bin", **environment}
    command = [sys.executable, "-c", CODE.format(before=before)]
    return subprocess.run(command, env=kept, cwd=folder, capture_output=True, text=True, check=True, timeout=60)


@pytest.mark.parametrize(
    "environment", [{}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"}]
)
def test_nothing_is_imported_where_it_is_not_asked_for(environment: dict[str, str], tmp_path: Path) -> None:
    done = _run("", environment, tmp_path)
    assert done.stdout.strip() == "[]"
    assert done.stderr == ""


def test_a_missing_extra_is_one_line_and_no_reason_not_to_start(tmp_path: Path) -> None:
    absent = 'sys.modules["opentelemetry.sdk"] = None; sys.modules["opentelemetry"] = None'
    done = _run(absent, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, tmp_path)
    (line,) = map(json.loads, done.stderr.splitlines())
    assert line["event"] == "tracing_off"
    assert "opentelemetry" in line["reason"] and "install whydown[otel]" in line["reason"]
