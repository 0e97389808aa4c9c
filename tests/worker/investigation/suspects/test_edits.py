"""What kind of edit a change is."""

# ruff: noqa: E501  diffs read better unbroken

from __future__ import annotations

import pytest

from worker.investigation.suspects import weights
from worker.investigation.suspects.diffs import hunks
from worker.investigation.suspects.edit import Edit
from worker.investigation.suspects.edits import edits
from worker.investigation.suspects.quantities import quantities


def riskiest(diff: str, path: str = "src/orders/store.py") -> Edit:
    return edits(diff, [path])[0]


@pytest.mark.parametrize(
    ("path", "diff", "says", "breaks"),
    [
        ("app.yml", "-  pool_size: 40\n+  pool_size: 4", "lowered pool_size from 40 to 4", "pool"),
        (
            "a.go",
            "-\tctx, c := WithTimeout(ctx, 2*time.Second)\n+\tctx, c := WithTimeout(ctx, 20*time.Millisecond)",
            "lowered a timeout",
            "timeout",
        ),
        (
            "App.java",
            "-    client.setReadTimeout(Duration.ofSeconds(30));\n+    client.setReadTimeout(Duration.ofMillis(30));",
            "lowered a timeout",
            "timeout",
        ),
        ("s.tf", '-  memory = "2Gi"\n+  memory = "256Mi"', "lowered memory", "memory"),
        (
            "a.py",
            "-    if order.address is None:\n-        return None\n+    street = order.address.street",
            "removed a check for missing",
            "crash",
        ),
        (
            "a.js",
            "-  try {\n-    parse(body)\n-  } catch (e) { return null }\n+  parse(body)",
            "removed the handling",
            "crash",
        ),
        (
            "a.rb",
            "-  key = ENV['ORDERS_TOPIC']\n+  key = ENV['ORDER_TOPIC']",
            "renamed “ORDERS_TOPIC” to “ORDER_TOPIC”",
            "missing",
        ),
        ("m/0007.sql", "+ALTER TABLE orders DROP COLUMN note;", "drops a column", "missing"),
        ("m/0008.sql", "+CREATE INDEX idx_a ON orders (a);", "builds an index that blocks", "lock"),
        (
            "a.py",
            "+for order in orders:\n+    customer = client.get(order.customer)",
            "calls out for every element",
            "load",
        ),
        ("a.cs", "-    lock (_gate) { total += x; }\n+    total += x;", "removed a lock", "wrong"),
        ("values.yaml", "-  level: info\n+  level: debug", "turned level from info to debug", "disk"),
        (
            "charts/job.yaml",
            '-schedule: "30 2 * * 1"\n+schedule: "*/10 * * * *"',
            "set the schedule from 30 2 * * 1 to */10 * * * *: 1.01e+03 times",
            "overload",
        ),
        (
            "Api.Dockerfile",
            "-FROM python:3.12-slim\n+FROM python:3.12-alpine",
            "runs on FROM python:3.12-alpine",
            "missing",
        ),
        ("Dockerfile", "-FROM ubuntu:22.04\n+FROM amazonlinux:2023", "runs on FROM amazonlinux", "permission"),
        (
            "role.tf",
            '-  actions = ["sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage"]\n+  actions = ["sqs:SendMessage"]',
            "took sqs:ReceiveMessage, sqs:DeleteMessage out of a list",
            "permission",
        ),
        (
            "order.proto",
            "-  int64 weight = 4;\n+  double weight = 4;",
            "gives int64 as double where it was int64",
            "parse",
        ),
        (
            "event.rb",
            "-    'quantity' => item.quantity.to_i,\n+    'quantity' => item.quantity.to_s,",
            "gives quantity as to_s where it was to_i",
            "parse",
        ),
        ("a.py", "-    due = datetime.utcnow()\n+    due = datetime.now()", "put now in the place of utcnow", "wrong"),
        (
            "a.ts",
            "+const seen = new Map<string, Event>()\n+export function handle(event: Event) {\n+  seen.set(event.id, event)",
            "keeps what it is given and lets nothing go",
            "memory",
        ),
        (
            "a.py",
            "-    return fetch(user)\n+    return pool.submit(fetch, user).result()",
            "waits for a task that needs a thread",
            "pool",
        ),
        (
            "policies/ns.yaml",
            "+kind: NetworkPolicy\n+spec:\n+  podSelector: {}",
            "added a rule that denies or limits",
            "connection",
        ),
        (
            "a.kt",
            "-val grace = duration(config.grace, TimeUnit.SECONDS)\n+val grace = duration(config.grace, TimeUnit.MINUTES)",
            "counts in MINUTES what was in SECONDS",
            "wrong",
        ),
        ("a.go", "-\tid := strings.TrimSpace(raw)\n+\tid := raw", "removed the bringing into one form", "missing"),
        (
            "site.conf",
            "-  underscores_in_headers on;\n+  underscores_in_headers off;",
            "turned underscores_in_headers",
            "missing",
        ),
        ("m.proto", "-  string city = 4;\n+  string city = 7;", "the field city = 7 was city = 4", "parse"),
        (
            "a.js",
            "-const zone = conf.get('zone', 'eu')\n+const zone = conf.get('zone')",
            "needs zone, which had a default",
            "missing",
        ),
        (
            "a.rb",
            "-    ledger.lock(account)\n-    ledger.insert(entry)\n+    ledger.insert(entry)\n+    ledger.lock(account)",
            "takes its steps in another order",
            "lock",
        ),
        (
            "a.py",
            "-    for some in chunked(rows, 500):\n-        send(some)\n+    send(rows)",
            "removed the reading in parts",
            "memory",
        ),
        ("requirements.txt", "-celery==5.3.6\n+celery==6.0.0", "moved celery from 5.3.6 to 6.0.0, a major", ""),
        ("worker.py", "-    time.sleep(backoff(attempt))\n+    pass", "removed a retry or its pause", "overload"),
    ],
)
def test_risky_edits_are_told_in_words_with_what_they_break(path: str, diff: str, says: str, breaks: str) -> None:
    found = [edit for edit in edits(diff, [path]) if says in edit.said]
    assert found, [edit.said for edit in edits(diff, [path])]
    assert not breaks or breaks in found[0].breaks
    assert found[0].risk > weights.REWRITTEN


@pytest.mark.parametrize(
    ("path", "diff"),
    [
        ("docs/run.md", "-Wait 5 s\n+Wait 5 ms"),
        ("src/store_test.go", "-\ttimeout := 5\n+\ttimeout := 1"),
        ("src/a.py", "-# limit is 5\n+# limit is 50"),
        ("src/a.py", "-    b = 1\n-    a = 2\n+    a = 2\n+    b = 1"),
        ("src/a.go", '-\tlog.Printf("took %d", n)\n+\tlogger.Info("took",\n+\t\t"count", n,\n+\t)'),
        ("src/a.py", "-import os\n-import abc\n+import abc\n+import os"),
        ("src/site.css", "-a { margin: 1px }\n+a { margin: 90px }"),
    ],
)
def test_what_runs_nowhere_is_inert(path: str, diff: str) -> None:
    assert riskiest(diff, path).risk <= weights.INERT


@pytest.mark.parametrize(
    ("path", "diff"),
    [
        ("Dockerfile", "-FROM golang:1.24 AS build\n+FROM golang:1.24 AS builder"),
        ("a.py", "-    for row in rows:\n-        out.write(row)\n+    out.writelines(rows)"),
        ("a.py", "-    total = price * 60 * hours\n+    total = hours * price * 60"),
        ("a.go", "+\tnames := []string{}\n+\tnames = append(names, user.Name)"),
        ("a.java", "+    private final Map<String, Rate> rates = new LruMap<>(500);\n+        rates.put(key, rate);"),
        ("a.py", "-    b = first(x)\n-    return b.name\n+    return first(x).name"),
        ("a.py", "-    user_host = a\n-    go(user_host)\n+    host = a\n+    go(host)"),
        ("a.proto", "-  string city = 4;\n+  string town = 4; // the same on the wire"),
        ("vm.tf", '-  instance_type = "c5.large"\n+  instance_type = "c6i.large"'),
    ],
)
def test_harmless_edits_are_not_taken_for_risky_ones(path: str, diff: str) -> None:
    assert riskiest(diff, path).risk <= weights.OTHER_VALUE


def test_what_moves_to_another_file_is_neither_gone_nor_new() -> None:
    diff = '@@ a/main.tf @@\n-resource "aws_sns_topic" "t" {\n-  name = "t"\n-}\n@@ a/sns.tf @@\n'
    moved = diff + '+resource "aws_sns_topic" "t" {\n+  name = "t"\n+}'
    assert edits(moved, ["a/main.tf", "a/sns.tf"])[0].risk <= weights.INERT
    (kept,) = edits(moved + "\n+  delivery_policy_timeout = 1", ["a/main.tf", "a/sns.tf"])
    assert "delivery_policy_timeout" in kept.said


def test_a_product_is_no_comment() -> None:
    (edit,) = edits("-TIMEOUT = 2 * 60\n+TIMEOUT = 2 * 6", ["a.py"])
    assert "lowered TIMEOUT from 60 to 6" in edit.said


def test_code_in_another_shape_is_the_same_code() -> None:
    diff = (
        "-\tvar r Request\n-\tif err := json.Decode(body, &r); err != nil {\n"
        "-\t\treturn nil, err\n-\t}\n-\treturn &r, nil\n"
        "+\tr := &Request{}\n+\tif err := json.Decode(body, r); err != nil {\n"
        '+\t\treturn nil, fmt.Errorf("decode: %w", err)\n+\t}\n+\treturn r, nil'
    )
    assert riskiest(diff, "a.go").risk <= weights.SAME_MEANING


def test_a_result_that_is_handed_on_needs_no_check() -> None:
    before = "-\titem, err := s.load(key)\n-\tif err != nil { return nil, err }\n-\treturn item, nil\n"
    assert riskiest(f"{before}+\treturn s.load(key)", "a.go").risk <= weights.REWRITTEN


def test_a_longer_life_in_a_cache_loads_nobody() -> None:
    (edit,) = edits("-  cache_ttl: 30s\n+  cache_ttl: 60s", ["app.yml"])
    assert "load" not in edit.breaks
    (edit,) = edits("-  cache_ttl: 60s\n+  cache_ttl: 30s", ["app.yml"])
    assert "load" in edit.breaks


def test_versions_go_by_the_step() -> None:
    def step(was: str, now: str) -> Edit:
        return riskiest(f"-\tgithub.com/acme/codec v{was}\n+\tgithub.com/acme/codec v{now}", "go.mod")

    assert step("1.4.0", "2.0.0").risk > step("1.4.0", "1.5.0").risk > step("1.4.0", "1.4.1").risk
    assert "major" in step("1.4.0", "2.0.0").said


def test_a_change_that_cannot_be_read_is_neither_guilty_nor_innocent() -> None:
    assert riskiest("").risk == weights.UNSEEN


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("ttl: 15m", [900.0]),
        ("5 * time.Second", [5.0]),
        ("timeout_ms = 250", [0.25]),
        ("Duration.ofMinutes(2)", [120.0]),
        ("memory: 512Mi", [512 * 1024.0**2]),
        ("max = 1_000", [1000.0]),
        ("v1.2.3", []),
        ("sha256", []),
    ],
)
def test_numbers_have_units(line: str, values: list[float]) -> None:
    assert [each.value for each in quantities(line)] == pytest.approx(values)


def test_diffs_of_every_dialect_know_their_files() -> None:
    git = "--- a/x/a.py\n+++ b/x/a.py\n@@ -1 +1 @@\n-a\n+b\n--- a/x/b.py\n+++ b/x/b.py\n@@ -1 +1 @@\n-c\n+d"
    assert [(hunk.path, hunk.removed, hunk.added) for hunk in hunks(git)] == [
        ("x/a.py", ["a"], ["b"]),
        ("x/b.py", ["c"], ["d"]),
    ]
    named = "@@ x/a.py @@ func f\n-a\n+b\n@@ x/b.py: func g\n+c"
    assert [hunk.path for hunk in hunks(named, ["x/a.py", "x/b.py"])] == ["x/a.py", "x/b.py"]
    assert [hunk.path for hunk in hunks("@@ func f()\n-a\n+b", ["only.go"])] == ["only.go"]


def test_binary_and_huge_diffs_are_bounded() -> None:
    assert riskiest("Binary files a/x.bin and b/x.bin differ", "x.bin").risk <= weights.UNSEEN
    assert len(edits("".join(f"-limit_{n}: {n}\n+limit_{n}: {n * 9}\n" for n in range(1, 5_000)), ["a.yml"])) <= 12
