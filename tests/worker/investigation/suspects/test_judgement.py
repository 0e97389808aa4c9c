"""Invented incidents of many kinds: who is named, and when nobody is."""

# ruff: noqa: E501  diffs and log lines read better unbroken

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from shared.incident import Fact
from shared.settings import Investigation
from worker.catalog_model.reach import around
from worker.inquiry import CatalogMatch, Component, LogLine
from worker.investigation import scope
from worker.investigation.change_points import Series
from worker.investigation.metrics import metric_facts
from worker.investigation.signatures import compact
from worker.investigation.suspects.ranking import Judgement, judge
from worker.repositories.changes import ChangedFile, Commit, commit_fact

ALERT = datetime(2026, 3, 4, 2, 30, tzinfo=UTC)
WINDOW = scope.window(ALERT, Investigation(), ALERT + timedelta(minutes=3))


@dataclass(frozen=True)
class Change:
    """A commit that went live in a service so many minutes before the alert."""

    name: str
    service: str
    minutes: float
    path: str
    diff: str


@dataclass(frozen=True)
class Logs:
    """A line that a service logs, from so many minutes before the alert on; `{n}` counts."""

    service: str
    minutes: float
    text: str
    level: str = "error"


@dataclass(frozen=True)
class Metric:
    """A metric that steps from one level to another so many minutes before the alert."""

    service: str
    name: str
    before: float
    after: float
    minutes: float


@dataclass(frozen=True)
class Incident:
    """One incident; the first service is the alerted one."""

    title: str
    services: dict[str, tuple[str, ...]]
    changes: tuple[Change, ...]
    signs: tuple[Logs | Metric, ...]
    guilty: str | None
    explained: str | None = None


HARMLESS = (
    Change(
        "tidy",
        "",
        6,
        "src/handler.py",
        "-    data = json.loads(body)\n-    return handle(data)\n+    return handle(json.loads(body))",
    ),
    Change(
        "log", "", 4, "src/log.py", '-    logger.info("handled")\n+    logger.info("handled", extra={"path": path})'
    ),
)

INCIDENTS = {
    "a pool is halved in a shared library": Incident(
        "orders p99 latency above 2 s",
        {"orders": ("payments",), "payments": ()},
        (Change("pool", "orders", 12, "libs/db/pool.py", "-MAX_POOL = 50\n+MAX_POOL = 5"), *HARMLESS),
        (
            Logs("orders", 9, "QueuePool limit of size 5 overflow 0 reached, connection timed out, timeout {n}"),
            Metric("orders", "db_pool_wait_ms", 3, 4_000, 9),
        ),
        "pool",
    ),
    "a limit of memory in the chart": Incident(
        "thumbnails: pods restarting",
        {"thumbnails": ()},
        (Change("memory", "thumbnails", 25, "charts/thumbnails/values.yaml", "-    memory: 1Gi\n+    memory: 256Mi"), *HARMLESS),
        (
            Logs("thumbnails", 18, "Container thumbnails was OOMKilled, exit code 137, restart {n}"),
            Metric("thumbnails", "container_memory_rss", 9e8, 2.6e8, 18),
        ),
        "memory",
    ),
    "an index is dropped": Incident(
        "search: slow queries",
        {"search": ("catalog-db",), "catalog-db": ()},
        (Change("index", "catalog-db", 20, "db/migrations/0031_cleanup.sql", "+DROP INDEX idx_items_owner;"), *HARMLESS),
        (
            Logs("catalog-db", 17, "duration: {n}00 ms statement: SELECT * FROM items WHERE owner = $1", "warning"),
            Metric("search", "http_request_duration_p99_ms", 80, 3_000, 17),
        ),
        "index",
    ),
    "a variable of the environment is renamed": Incident(
        "mailer crash looping",
        {"mailer": ()},
        (Change("rename", "mailer", 7, "deploy/mailer.yaml", "-  - name: SMTP_HOST\n+  - name: MAIL_HOST"), *HARMLESS),
        (Logs("mailer", 6, "KeyError: 'SMTP_HOST' at boot, try {n}"),),
        "rename",
    ),
    "a permission is taken away": Incident(
        "export jobs failing",
        {"export": ("storage",), "storage": ()},
        (
            Change("policy", "export", 30, "infra/iam/export.tf", '-  actions = ["s3:GetObject", "s3:PutObject"]\n+  actions = ["s3:GetObject"]'),
            *HARMLESS,
        ),
        (Logs("export", 28, "AccessDenied: User is not authorized to perform s3:PutObject on resource {n}"),),
        "policy",
    ),
    "a caller retries without a pause": Incident(
        "inventory overloaded: 503",
        {"inventory": (), "cart": ("inventory",)},
        (
            Change("retry", "cart", 15, "cart/client.go", "-\tmaxRetries := 2\n-\ttime.Sleep(backoff(i))\n+\tmaxRetries := 20"),
            Change("last", "inventory", 9, "inventory/list.go", "-\titems := load()\n-\treturn items\n+\treturn load()"),
            *HARMLESS,
        ),
        (
            Logs("inventory", 12, "request rejected: too many requests, queue full {n}"),
            Metric("inventory", "http_requests_per_second", 120, 1_900, 12),
        ),
        "retry",
    ),
    "a guard is lost where the bad value is made": Incident(
        "shipping errors",
        {"shipping": ("address",), "address": ()},
        (
            Change("guard", "address", 14, "address/src/normalize.ts", "-  if (input.zip == null) {\n-    return DEFAULT_ZIP;\n-  }\n+  const zip = input.zip.trim();"),
            Change("last", "shipping", 5, "shipping/src/label.ts", '-  log("label")\n+  log("label printed")'),
            *HARMLESS,
        ),
        (
            Logs("address", 13, "TypeError: Cannot read properties of null (reading 'trim') at normalize {n}"),
            Logs("shipping", 12, "address lookup failed: 500 from address {n}"),
        ),
        "guard",
    ),
    "a cache that nothing bounds, hours later": Incident(
        "profile memory above 95 %",
        {"profile": ()},
        (Change("cache", "profile", 9 * 60, "profile/cache.py", "-    cache = LRUCache(maxsize=10_000)\n+    cache = {}"), *HARMLESS),
        (
            Logs("profile", 10, "java.lang.OutOfMemoryError: heap space, allocation {n}"),
            Metric("profile", "process_memory_bytes", 4e8, 1.9e9, 25),
        ),
        "cache",
    ),
    "a flipped switch in the configuration": Incident(
        "checkout: TLS handshake failures to bank",
        {"checkout": ("bank-gateway",), "bank-gateway": ()},
        (Change("switch", "bank-gateway", 11, "bank/config/app.yml", "-  tls_min_version: 1.2\n+  tls_min_version: 1.3"), *HARMLESS),
        (Logs("bank-gateway", 10, "SSL: handshake failure, protocol version not supported by peer {n}"),),
        "switch",
    ),
    "a certificate runs out": Incident(
        "login failing",
        {"login": ("ldap-proxy",), "ldap-proxy": ()},
        (Change("last", "login", 8, "login/session.py", "-    ttl = 30\n+    ttl = 40"), *HARMLESS),
        (
            Logs("login", 5, "x509: certificate has expired or is not yet valid: current time is after 2026-03-04 {n}"),
            Logs("ldap-proxy", 5, "tls: handshake error: certificate has expired {n}"),
        ),
        None,
        "certificate",
    ),
    "a provider is down": Incident(
        "sms delivery failing",
        {"sms": ()},
        (Change("last", "sms", 6, "sms/client.py", "-    body = render(template)\n-    return body\n+    return render(template)"), *HARMLESS),
        (Logs("sms", 5, "POST https://api.textsender.com/v1/messages returned 503 Service Unavailable, attempt {n}"),),
        None,
        "provider",
    ),
    "more visitors than ever": Incident(
        "shop p99 latency",
        {"shop": ("stock",), "stock": ()},
        (Change("last", "shop", 30, "shop/banner.py", "-    title = 'Sale'\n+    title = 'Spring sale'"), *HARMLESS),
        (
            Metric("shop", "http_requests_per_second", 200, 1_500, 10),
            Metric("stock", "http_requests_per_second", 150, 1_200, 10),
            Logs("shop", 8, "worker pool saturated, request queued {n}", "warning"),
        ),
        None,
        "traffic",
    ),
    "a neighbour on the machine": Incident(
        "encoder: slow",
        {"encoder": ()},
        (Change("last", "encoder", 20, "encoder/queue.py", "-    name = 'enc'\n+    name = 'encoder'"), *HARMLESS),
        (
            Logs("encoder", 12, "vCPU steal time 61 % on node ip-10-0-3-{n}, frames late", "warning"),
            Metric("encoder", "node_cpu_steal_percent", 1, 60, 12),
        ),
        None,
        "host",
    ),
    "a provider's quota": Incident(
        "geocoding failing",
        {"geocoding": ()},
        (Change("last", "geocoding", 40, "geocoding/format.py", "-    return a + b\n+    return f'{a}{b}'"), *HARMLESS),
        (Logs("geocoding", 9, "RESOURCE_EXHAUSTED: Quota exceeded for metric 'requests per day' of project {n}"),),
        None,
        "quota",
    ),
    "nobody waits any more": Incident(
        "invoices: totals wrong",
        {"invoices": ("rates",), "rates": ()},
        (
            Change("await", "invoices", 16, "invoices/src/total.ts", "-  const rate = await rates.get(currency);\n-  return amount * rate;\n+  const rate = rates.get(currency);\n+  return amount * rate;"),
            *HARMLESS,
        ),
        (Logs("invoices", 14, "invalid amount NaN for invoice {n}: unexpected value [object Promise]"),),
        "await",
    ),
    "the resolver's own settings": Incident(
        "all services: name resolution failing",
        {"gateway": ("coredns",), "coredns": ()},
        (Change("dns", "coredns", 8, "infra/coredns/Corefile.yaml", "-    forward . 10.0.0.2 10.0.0.3\n+    forward . 10.0.0.20"), *HARMLESS),
        (
            Logs("gateway", 6, "dial tcp: lookup users.internal on 10.0.0.10:53: no such host {n}"),
            Logs("coredns", 6, "plugin/errors: SERVFAIL read udp i/o timeout {n}"),
        ),
        "dns",
    ),
    "a consumer reads another topic": Incident(
        "fulfilment: consumer lag, no orders processed",
        {"fulfilment": ("kafka",), "kafka": ()},
        (Change("topic", "fulfilment", 33, "fulfilment/application.properties", "-kafka.topic=orders.v1\n+kafka.topic=orders-v1"), *HARMLESS),
        (
            Logs("fulfilment", 30, "Topic orders-v1 not present in metadata after 60000 ms, attempt {n}"),
            Metric("kafka", "consumer_lag", 10, 90_000, 29),
        ),
        "topic",
    ),
    "a proxy gives up sooner": Incident(
        "reports: 504 at the gateway",
        {"gateway": ("reports",), "reports": ()},
        (Change("proxy", "gateway", 21, "gateway/nginx.conf", "-    proxy_read_timeout 300s;\n+    proxy_read_timeout 30s;"), *HARMLESS),
        (Logs("gateway", 18, "upstream timed out (110: Connection timed out) while reading response header, request {n}"),),
        "proxy",
    ),
    "fewer machines": Incident(
        "feed latency",
        {"feed": ()},
        (Change("hpa", "feed", 44, "deploy/feed/hpa.yaml", "-  minReplicas: 12\n+  minReplicas: 2"), *HARMLESS),
        (
            Metric("feed", "cpu_utilization", 0.4, 0.99, 40),
            Metric("feed", "http_request_duration_p99_ms", 90, 2_400, 39),
            Logs("feed", 38, "request queue full, rejecting {n}"),
        ),
        "hpa",
    ),
    "one message twice": Incident(
        "billing: customers charged twice",
        {"billing": ()},
        (Change("ack", "billing", 26, "billing/consumer.rb", "-    return if already_processed?(event.id)\n-    charge(event)\n+    charge(event)"), *HARMLESS),
        (Logs("billing", 20, "duplicate key value violates unique constraint charges_event_id {n}"),),
        "ack",
    ),
    "a column that must not be empty": Incident(
        "signup 500s",
        {"signup": ("users-db",), "users-db": ()},
        (Change("column", "users-db", 13, "migrations/0099_consent.sql", "+ALTER TABLE users ADD COLUMN consent boolean NOT NULL;"), *HARMLESS),
        (Logs("signup", 12, 'null value in column "consent" of relation "users" violates not-null constraint {n}'),),
        "column",
    ),
    "a library's next big version": Incident(
        "api: every request fails",
        {"api": ()},
        (Change("bump", "api", 10, "package.json", '-    "bodyparser": "1.20.2",\n+    "bodyparser": "2.0.0",'), *HARMLESS),
        (Logs("api", 9, "TypeError: bodyparser.json is not a function at request {n}"),),
        "bump",
    ),
    "a job comes every minute": Incident(
        "warehouse db cpu",
        {"warehouse-db": (), "sync": ("warehouse-db",)},
        (Change("cron", "sync", 55, "sync/cronjob.yaml", '-  schedule: "0 * * * *"\n+  schedule: "* * * * *"'), *HARMLESS),
        (
            Metric("warehouse-db", "db_cpu_utilization", 20, 95, 50),
            Logs("warehouse-db", 45, "LOG: process {n} still waiting for ShareLock on transaction", "warning"),
        ),
        "cron",
    ),
    "a firewall rule": Incident(
        "payments cannot reach the ledger",
        {"payments": ("ledger",), "ledger": ()},
        (
            Change("net", "ledger", 9, "k8s/networkpolicy.yaml", "-      - podSelector: {matchLabels: {app: payments}}\n+      - podSelector: {matchLabels: {app: payment}}"),
            *HARMLESS,
        ),
        (Logs("payments", 8, "dial tcp 10.1.2.3:8443: i/o timeout connecting to ledger {n}"),),
        "net",
    ),
    "a record that nobody can read": Incident(
        "indexer stuck",
        {"indexer": ("queue",), "queue": ()},
        (
            Change("parser", "indexer", 18, "indexer/parse.py", "-    doc = parse(raw)\n-    return doc\n+    return parse(raw)"),
            Change("schema", "indexer", 50, "indexer/schema.md", "-old\n+new"),
        ),
        (Logs("indexer", 15, "cannot parse document doc_id=D-77120: invalid date '31/02/2026', redelivering, worker {n}"),),
        None,
        "bad data",
    ),
    "what others deliver is late": Incident(
        "pricing: stale prices",
        {"pricing": ()},
        (Change("label", "pricing", 12, "pricing/view.py", "-    return str(price)\n+    return f'{price}'"), *HARMLESS),
        (Logs("pricing", 25, "partition 2026-03-04 of the partner feed not found, waiting for upload, check {n}", "warning"),),
        None,
        "late data",
    ),
    "a node goes away": Incident(
        "queue workers down",
        {"jobs": ()},
        (Change("label", "jobs", 7, "jobs/view.py", "-    return str(job)\n+    return f'{job}'"), *HARMLESS),
        (
            Logs("jobs", 6, "Node ip-10-2-0-{n} status is now: NodeNotReady", "warning"),
            Logs("jobs", 5, "pod evicted: node ip-10-2-0-{n} preempted, spot interruption", "warning"),
        ),
        None,
        "host",
    ),
}  # fmt: skip


def judged(incident: Incident) -> Judgement:
    known = {
        f"component:default/{name}": Component(
            ref=f"component:default/{name}",
            name=name,
            kind="Component",
            depends_on=tuple(f"component:default/{each}" for each in needs),
            dependents=tuple(f"component:default/{o}" for o, theirs in incident.services.items() if name in theirs),
        )
        for name, needs in incident.services.items()
    }
    alerted = next(iter(incident.services))
    first = known[f"component:default/{alerted}"]
    whom = scope.make(alerted, CatalogMatch(component=first, neighbours=around(first, known)), WINDOW)
    facts = [*_commits(incident.changes, alerted), *_lines(incident.signs), *_metrics(incident.signs)]
    return judge([fact.model_copy(update={"id": f"F{n}"}) for n, fact in enumerate(facts, 1)], whom, incident.title)


def sha(name: str) -> str:
    return hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()


def _commits(changes: Sequence[Change], alerted: str) -> list[Fact]:
    facts = []
    for change in changes:
        patch = f"@@ -1 +1 @@\n{change.diff}"
        service = change.service or alerted
        commit = Commit(
            sha(change.name),
            ALERT - timedelta(minutes=change.minutes),
            "dev",
            "chore: tidy up",
            (ChangedFile(change.path, 1, 1, patch),),
        )
        facts.append(commit_fact("changes.git", commit, service=service, repository=f"acme/{service}", url=None))
    return facts


def _lines(signs: Sequence[Logs | Metric]) -> tuple[Fact, ...]:
    lines = [
        LogLine(each.service, each.text.format(n=n), ALERT - timedelta(minutes=each.minutes) + timedelta(seconds=9 * n), each.level)
        for each in signs
        if isinstance(each, Logs)
        for n in range(25)
    ]  # fmt: skip
    return compact("logs.files", lines, WINDOW).facts


def _metrics(signs: Sequence[Logs | Metric]) -> tuple[Fact, ...]:
    series = []
    for each in signs:
        if isinstance(each, Metric):
            step = ALERT - timedelta(minutes=each.minutes)
            times = [ALERT + timedelta(minutes=m) for m in range(-90, 3)]
            wobble = [1 + 0.03 * ((7 * n) % 5 - 2) for n in range(len(times))]
            points = [
                (at, (each.after if at >= step else each.before) * w) for at, w in zip(times, wobble, strict=True)
            ]
            series.append(Series(each.service, each.name, tuple(points)))
    return metric_facts("metrics.prometheus", series, WINDOW)


@pytest.mark.parametrize("name", INCIDENTS)
def test_the_guilty_change_is_named_or_nobody(name: str) -> None:
    incident = INCIDENTS[name]
    found = judged(incident)
    named = found.convicted.change.id if found.convicted else None
    reasons = [(round(each.score, 2), each.change.files, each.reasons) for each in found.weighed]
    assert named == (sha(incident.guilty) if incident.guilty else None), (reasons, found.explanations)
    if incident.explained:
        assert found.explanation is not None
        assert found.explanation.kind == incident.explained
