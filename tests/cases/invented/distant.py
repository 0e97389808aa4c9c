"""Causes that lie away from the alert: behind two services, in shared code, or hours back; with busy days around them."""

# ruff: noqa: E501  diffs and log lines read better unbroken

from tests.cases.invented.incident import Change, Flag, Incident, Log, Metric

SHOP = {
    "web": ("gateway",),
    "gateway": ("basket", "payment", "lookup"),
    "basket": ("stockroom", "kv"),
    "payment": ("fraud", "pay-db"),
    "fraud": ("models",),
    "lookup": ("search-nodes",),
    "stockroom": ("stock-db",),
    "models": (),
    "kv": (),
    "pay-db": (),
    "stock-db": (),
    "search-nodes": (),
}

BUSY = (
    Change(
        -1300,
        "ci: cache node_modules",
        "@@ .github/workflows/ci.yaml @@\n+      - uses: actions/cache@v4",
        part="other",
    ),
    Change(
        -1210,
        "basket: show saved items below the basket",
        "@@ services/basket/view.go @@\n+\tview.Saved = saved[:min(len(saved), 6)]",
        "basket",
        -1190,
        "other",
    ),
    Change(
        -1020, "docs: who is on call", "@@ docs/oncall.md @@\n-Mondays: red team\n+Mondays: blue team", part="other"
    ),
    Change(
        -760,
        "lookup: highlight matches",
        '@@ services/lookup/highlight.go @@\n+\treturn "<em>" + match + "</em>"',
        "lookup",
        -745,
        "other",
    ),
    Change(
        -410,
        "payment: test for the receipt of gift cards",
        "@@ services/payment/receipt_test.go @@\n+func TestGiftCardReceipt(t *testing.T) {}",
        part="other",
    ),
    Change(
        -350,
        "web: footer links to the imprint",
        '@@ services/web/footer.tsx @@\n+<a href="/imprint">Imprint</a>',
        "web",
        -340,
        "other",
    ),
)

DEADLINE = Incident(
    id="budget-of-the-fraud-call-in-milliseconds",
    story="A setting that was read as seconds is now read as milliseconds; payment waits only three of them for fraud.",
    service="web",
    title="web: checkout conversion dropped by half",
    alert="2025-03-12T18:22:00+00:00",
    graph=SHOP,
    changes=(
        *BUSY,
        Change(-140, "payment: read settings through the common loader", "@@ services/payment/settings.go @@\n-\tfraudBudget := time.Duration(cfg.Int(\"fraud_budget\")) * time.Second\n+\tfraudBudget := time.Duration(cfg.Int(\"fraud_budget\")) * time.Millisecond", "payment", -24, "guilty"),
        Change(-66, "fraud: count decisions by country", "@@ services/fraud/stats.go @@\n+\tdecisions.WithLabelValues(country).Inc()", "fraud", -22),
        Change(-40, "gateway: sort the routes", "@@ services/gateway/routes.go @@\n-\tr.Get(\"/b\", b)\n-\tr.Get(\"/a\", a)\n+\tr.Get(\"/a\", a)\n+\tr.Get(\"/b\", b)", "gateway", -20),
        Change(-33, "web: new hero picture", "@@ services/web/assets/hero.svg @@\n+<svg/>", "web", -19),
    ),
    flags=(Flag(-23, "web", "new_hero", "off->on"),),
    logs=(
        Log("web", "info", "GET /checkout 200 {ms}ms", 4),
        Log("payment", "error", "fraud check of order {n}: context deadline exceeded", 5, -22),
        Log("payment", "warning", "order {n} declined: no fraud decision", 5, -22),
        Log("gateway", "warning", "POST /pay 402 order={n}", 5, -22),
        Log("fraud", "info", "decided {n} in {ms}ms", 4),
        Log("fraud", "warning", "client went away before the decision was written", 5, -22),
    ),
    metrics=(
        Metric("web", "conversions_per_second", 1.1, 0.05, -22),
        Metric("payment", "declines_per_second", 0.02, 1.0, -22),
        Metric("fraud", "p95_seconds", 0.24),
        Metric("fraud", "requests_per_second", 1.2),
        Metric("payment", "requests_per_second", 1.2),
        Metric("gateway", "requests_per_second", 44),
    ),
)  # fmt: skip

EVICTION = Incident(
    id="store-may-not-forget",
    story="The key-value store got a policy that refuses writes when it is full, in place of forgetting old keys.",
    service="basket",
    title="basket: error ratio above 20 %",
    alert="2025-06-03T20:40:00+00:00",
    graph=SHOP,
    changes=(
        *BUSY,
        Change(-260, "kv: settings as code, first step", "@@ deploy/kv/redis.conf @@\n-maxmemory-policy allkeys-lru\n+maxmemory-policy noeviction\n@@ deploy/kv/README.md @@\n+See the wiki.", "kv", -230, "guilty"),
        Change(-90, "basket: name the handler after what it does", "@@ services/basket/handlers.go @@\n-func Handle(w http.ResponseWriter, r *http.Request) {\n+func AddItem(w http.ResponseWriter, r *http.Request) {", "basket", -26),
        Change(-70, "stockroom: labels in Polish", "@@ services/stockroom/locales/pl.json @@\n+  \"aisle\": \"alejka\"", "stockroom", -18),
        Change(-48, "stock-db: vacuum at four", "@@ db/stock/cron.yaml @@\n-  schedule: \"0 3 * * *\"\n+  schedule: \"0 4 * * *\"", "stock-db", -16),
    ),
    logs=(
        Log("basket", "info", "item {n} put into basket {hex}", 3),
        Log("basket", "error", "cannot save basket {hex}: OOM command not allowed when used memory > 'maxmemory'.", 4, -14),
        Log("gateway", "error", "POST /basket 500", 5, -14),
    ),
    metrics=(
        Metric("kv", "memory_bytes", 7.4e9, 8.0e9, -118, ramp=True),
        Metric("kv", "evicted_keys_per_second", 31, 0.001, -118),
        Metric("basket", "http_5xx_per_second", 0.03, 4.1, -14),
        Metric("basket", "requests_per_second", 19),
        Metric("gateway", "requests_per_second", 47),
    ),
)  # fmt: skip

FIELD_NUMBER = Incident(
    id="number-of-a-field-used-again",
    story="In the shared protocol a field got the number of another one; who was not built again reads the wrong field.",
    service="lookup",
    title="lookup: no results for 70 % of queries",
    alert="2025-02-20T09:15:00+00:00",
    graph=SHOP,
    changes=(
        *BUSY,
        Change(-75, "proto: fields in the order of the documentation", "@@ proto/search/v1/query.proto @@\n message Query {\n-  string text = 1;\n-  string language = 2;\n+  string language = 1;\n+  string text = 2;\n   int32 limit = 3;\n }", "lookup", -31, "guilty"),
        Change(-62, "search-nodes: heap dumps go to their own volume", "@@ deploy/search-nodes/jvm.options @@\n+-XX:HeapDumpPath=/dumps", "search-nodes", -52),
        Change(-58, "gateway: comment on the order of middlewares", "@@ services/gateway/main.go @@\n+\t// Recovery first, so that it sees every panic.", "gateway", -30),
    ),
    logs=(
        Log("lookup", "info", "query took {ms}ms", 4),
        Log("search-nodes", "warning", "unsupported language 'winter jacket {n}', using standard analyzer", 4, -30),
        Log("lookup", "warning", "0 hits for text='de'", 4, -30),
        Log("web", "warning", "empty result page for query {n}", 6, -29),
    ),
    metrics=(
        Metric("lookup", "empty_results_ratio", 0.06, 0.74, -30),
        Metric("lookup", "requests_per_second", 21),
        Metric("search-nodes", "requests_per_second", 21),
        Metric("web", "requests_per_second", 80),
    ),
)  # fmt: skip

AUTOSCALER = Incident(
    id="scaled-by-the-wrong-measure",
    story="The autoscaler follows memory and no longer the processor; at noon there are too few instances.",
    service="gateway",
    title="gateway: p99 above 3 s",
    alert="2025-05-22T12:10:00+00:00",
    graph=SHOP,
    changes=(
        *BUSY,
        Change(-980, "hpa v2 for stockroom", "@@ deploy/stockroom/hpa.yaml @@\n   metrics:\n     - type: Resource\n       resource:\n-        name: cpu\n+        name: memory\n         target:\n           type: Utilization\n           averageUtilization: 70", "stockroom", -960, "guilty"),
        Change(-130, "basket: button for gift wrapping", "@@ services/basket/templates/basket.html @@\n+<button>Gift wrapping</button>", "basket", -42),
        Change(-64, "fraud: model of May", "@@ services/fraud/model.yaml @@\n-model: 2025-04\n+model: 2025-05", "fraud", -35),
        Change(-39, "gateway: answer /robots.txt", "@@ services/gateway/robots.go @@\n+func robots(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, \"User-agent: *\") }", "gateway", -27),
    ),
    logs=(
        Log("gateway", "warning", "GET /basket took {n} ms (basket)", 6, -17),
        Log("basket", "warning", "stockroom answered after {n} ms", 5, -18),
        Log("basket", "error", "stockroom: deadline exceeded after 2000 ms", 9, -12),
        Log("stockroom", "warning", "event loop lag {ms} ms, 3 instances running", 12, -19),
    ),
    metrics=(
        Metric("stockroom", "cpu_percent", 48, 99, -19),
        Metric("stockroom", "p95_seconds", 0.06, 1.9, -18),
        Metric("gateway", "p99_seconds", 0.4, 3.6, -16),
        Metric("basket", "requests_per_second", 31, 42, -30),
        Metric("stock-db", "cpu_percent", 22),
    ),
)  # fmt: skip

SECRET_ROTATED = Incident(
    id="password-changed-in-one-place",
    story="The database's password ran out and was renewed by its operator; the service still has the old one. No change of ours.",
    service="payment",
    title="payment: all orders failing",
    alert="2025-04-01T00:06:00+00:00",
    graph=SHOP,
    changes=(
        *BUSY,
        Change(-200, "payment: split the handler in two", "@@ services/payment/handler.go @@\n-\tvalidate(order)\n-\tcharge(order)\n+\tif err := prepare(order); err != nil { return err }\n+\tcharge(order)", "payment", -95),
        Change(-58, "pay-db: more statistics for the planner", "@@ db/pay/postgresql.conf @@\n-default_statistics_target = 100\n+default_statistics_target = 200", "pay-db", -50),
        Change(-30, "fraud: variable renamed", "@@ services/fraud/rules.go @@\n-\tfor _, r := range rules {\n-\t\tapply(r)\n+\tfor _, rule := range rules {\n+\t\tapply(rule)", "fraud", -14),
    ),
    logs=(
        Log("payment", "error", "FATAL: password authentication failed for user \"payment\" (SQLSTATE 28P01)", 3, -6),
        Log("pay-db", "fatal", "password authentication failed for user \"payment\"", 3, -6),
        Log("pay-db", "info", "detail: User \"payment\" has an expired password.", 4, -6),
        Log("gateway", "error", "POST /pay 500", 4, -6),
    ),
    metrics=(
        Metric("payment", "http_5xx_per_second", 0.01, 1.4, -6),
        Metric("payment", "requests_per_second", 1.4),
        Metric("pay-db", "connections", 38, 0.001, -6),
        Metric("fraud", "requests_per_second", 1.3),
    ),
)  # fmt: skip

LOCK_ORDER = Incident(
    id="two-rows-in-two-orders",
    story="A new path updates stock before the reservation, the old one the other way round: deadlocks under load.",
    service="stockroom",
    title="stockroom: reservations failing",
    alert="2025-09-17T19:33:00+00:00",
    graph=SHOP,
    changes=(
        *BUSY,
        Change(-500, "stockroom: hold items while people pay", "@@ services/stockroom/reserve.py @@\n     with db.transaction():\n-        db.execute('UPDATE reservations SET state = %s WHERE id = %s', ('held', reservation))\n-        db.execute('UPDATE stock SET free = free - 1 WHERE sku = %s', (sku,))\n+        db.execute('UPDATE stock SET free = free - 1 WHERE sku = %s', (sku,))\n+        db.execute('UPDATE reservations SET state = %s WHERE id = %s', ('held', reservation))", "stockroom", -170, "guilty"),
        Change(-92, "basket: warn about slow clients in the log", "@@ services/basket/server.go @@\n+\tlog.Printf(\"slow client %s\", r.RemoteAddr)", "basket", -33),
        Change(-55, "kv: two more dashboards", "@@ dashboards/kv.json @@\n+  \"title\": \"keys by prefix\"", "kv", -24),
        Change(-40, "web: cookies are SameSite=Lax", "@@ services/web/session.ts @@\n-  sameSite: 'none',\n+  sameSite: 'lax',", "web", -20),
    ),
    logs=(
        Log("stockroom", "info", "reserved {n}", 3),
        Log("stockroom", "error", "psycopg.errors.DeadlockDetected: deadlock detected DETAIL: Process {n} waits for ShareLock on transaction {n}; blocked by process {n}. CONTEXT: while updating tuple (4,{n}) in relation \"reservations\"", 7, -21),
        Log("stock-db", "error", "deadlock detected", 7, -21),
        Log("basket", "error", "stockroom answered 500 for reservation {n}", 8, -21),
    ),
    metrics=(
        Metric("stock-db", "deadlocks_per_second", 0.001, 0.4, -21),
        Metric("stockroom", "http_5xx_per_second", 0.01, 0.4, -21),
        Metric("stockroom", "requests_per_second", 14, 22, -25),
        Metric("web", "requests_per_second", 70, 95, -26),
    ),
)  # fmt: skip

CRAWLER = Incident(
    id="crawler-reads-every-filter",
    story="A crawler follows every combination of filters; nothing was changed.",
    service="search-nodes",
    title="search-nodes: rejected searches",
    alert="2025-10-29T03:51:00+00:00",
    graph=SHOP,
    changes=(
        *BUSY,
        Change(-180, "lookup: synonyms for shoes", "@@ services/lookup/synonyms.txt @@\n+sneaker, trainer", "lookup", -70),
        Change(-95, "search-nodes: upgrade the exporter 1.7.0 to 1.8.0", "@@ deploy/search-nodes/exporter.yaml @@\n-  image: exporter:1.7.0\n+  image: exporter:1.8.0", "search-nodes", -45),
        Change(-61, "gateway: gzip level 5", "@@ services/gateway/gzip.go @@\n-const level = 6\n+const level = 5", "gateway", -25),
    ),
    logs=(
        Log("gateway", "info", "GET /lookup?filter={hex} 200 agent=\"Mozilla/5.0 (compatible; ManyBot/2.1)\"", 1, -20),
        Log("search-nodes", "error", "rejected execution of search: queue capacity 1000, active threads 13", 2, -16),
        Log("lookup", "error", "search-nodes: 429 Too Many Requests", 2, -16),
        Log("web", "warning", "lookup answered 503", 5, -15),
    ),
    metrics=(
        Metric("gateway", "requests_per_second", 48, 410, -20),
        Metric("lookup", "requests_per_second", 20, 380, -20),
        Metric("search-nodes", "requests_per_second", 20, 380, -20),
        Metric("search-nodes", "cpu_percent", 31, 99, -19),
        Metric("web", "requests_per_second", 30),
    ),
)  # fmt: skip

UNKNOWN_DEFAULT = Incident(
    id="default-of-a-variable-is-gone",
    story="The default for a variable of the environment was taken out; one deployment never set it.",
    service="fraud",
    title="fraud: no ready instances",
    alert="2025-07-08T10:03:00+00:00",
    graph=SHOP,
    changes=(
        *BUSY,
        Change(-100, "fraud: settings are explicit", "@@ services/fraud/config.py @@\n-MODEL_BUCKET = os.environ.get('MODEL_BUCKET', 'prod-models')\n+MODEL_BUCKET = os.environ['MODEL_BUCKET']", "fraud", -8, "guilty"),
        Change(-81, "models: thresholds per country", "@@ models/thresholds.yaml @@\n+PL: 0.81", "models", -30),
        Change(-35, "payment: log the decision's id", "@@ services/payment/fraud.go @@\n+\tlog.Printf(\"decision %s\", decision.ID)", "payment", -11),
    ),
    logs=(
        Log("fraud", "error", "Traceback (most recent call last): File \"/app/config.py\", line 9, in <module> KeyError: 'MODEL_BUCKET'", 20, -7),
        Log("fraud", "warning", "Back-off restarting failed container fraud in pod fraud-6c9f{n}", 25, -6),
        Log("payment", "error", "fraud check of order {n}: connection refused", 4, -5),
    ),
    metrics=(
        Metric("fraud", "instances_up", 4, 0.0001, -6),
        Metric("payment", "http_5xx_per_second", 0.01, 1.2, -5),
        Metric("payment", "requests_per_second", 1.2),
        Metric("models", "requests_per_second", 3),
    ),
)  # fmt: skip

WARMUP = Incident(
    id="ready-before-it-is-warm",
    story="The probe answers before the models are loaded; each new instance gets traffic it cannot serve.",
    service="fraud",
    title="fraud: p99 spikes and 503 during the rollout",
    alert="2025-08-05T15:42:00+00:00",
    graph=SHOP,
    changes=(
        *BUSY,
        Change(-88, "fraud: simpler health check", "@@ deploy/fraud/deployment.yaml @@\n           readinessProbe:\n             httpGet:\n-              path: /ready\n+              path: /live\n               port: 8080\n-            initialDelaySeconds: 45\n+            initialDelaySeconds: 1", "fraud", -9, "guilty"),
        Change(-70, "payment: receipt in Danish", "@@ services/payment/locales/da.yaml @@\n+thanks: Tak", "payment", -21),
        Change(-29, "models: retire the model of 2023", "@@ models/index.yaml @@\n-- 2023-11", "models", -18),
    ),
    logs=(
        Log("fraud", "info", "loading model {n} of 31", 6, -8, 2),
        Log("fraud", "error", "503 models are not loaded yet", 4, -8),
        Log("payment", "error", "fraud answered 503 for order {n}", 4, -8),
        Log("gateway", "warning", "POST /pay 503", 6, -7),
    ),
    metrics=(
        Metric("fraud", "http_503_per_second", 0.001, 0.9, -8),
        Metric("fraud", "p99_seconds", 0.3, 6.0, -8),
        Metric("payment", "requests_per_second", 1.3),
        Metric("models", "requests_per_second", 3),
    ),
)  # fmt: skip

ZONE = Incident(
    id="a-zone-loses-its-network",
    story="The provider's network in one zone loses packets. No change of ours.",
    service="gateway",
    title="gateway: 5xx above 3 %",
    alert="2025-11-02T04:25:00+00:00",
    graph=SHOP,
    changes=(
        *BUSY,
        Change(-150, "gateway: shorter access log lines", "@@ services/gateway/log.go @@\n-\tlog.Printf(\"%s %s %s\", r.Method, r.URL, r.UserAgent())\n+\tlog.Printf(\"%s %s\", r.Method, r.URL.Path)", "gateway", -37),
        Change(-72, "basket: dependency go-redis 9.5.1 to 9.5.3", "@@ services/basket/go.mod @@\n-\tgithub.com/redis/go-redis/v9 v9.5.1\n+\tgithub.com/redis/go-redis/v9 v9.5.3", "basket", -28),
        Change(-50, "lookup: tidy up", "@@ services/lookup/main.go @@\n-\tsrv := newServer()\n-\tsrv.Run()\n+\tnewServer().Run()", "lookup", -24),
    ),
    logs=(
        Log("gateway", "error", "upstream basket-c4 (zone eu-1c): read tcp 10.3.2.{n}: i/o timeout", 6, -12),
        Log("gateway", "error", "upstream lookup-c1 (zone eu-1c): read tcp 10.3.7.{n}: i/o timeout", 7, -12),
        Log("basket", "error", "kv-c2.eu-1c: dial tcp 10.3.9.{n}:6379: i/o timeout", 8, -12),
        Log("payment", "error", "pay-db-c0.eu-1c: connection reset by peer", 9, -11),
        Log("kv", "warning", "node-exporter: eu-1c nodes: NIC ena0 tx_timeout, link is down", 60, -12),
    ),
    metrics=(
        Metric("gateway", "http_5xx_per_second", 0.1, 4.0, -12),
        Metric("kv", "tcp_retransmits_per_second", 2, 310, -12),
        Metric("basket", "tcp_retransmits_per_second", 1.5, 190, -12),
        Metric("gateway", "requests_per_second", 29),
    ),
)  # fmt: skip

BATCH = Incident(
    id="one-query-for-everything",
    story="The export asks for all rows at once where it went page by page; the database runs out of memory.",
    service="pay-db",
    title="pay-db: memory above 95 %",
    alert="2025-12-09T01:14:00+00:00".replace("2025-12", "2025-03"),
    graph={**SHOP, "exporter": ("pay-db",)},
    changes=(
        *BUSY,
        Change(-800, "exporter: fewer round trips", "@@ services/exporter/dump.py @@\n-    for page in pages(query, size=500):\n-        write(page)\n+    write(db.fetch_all(query))", "exporter", -790, "guilty"),
        Change(-110, "payment: order of the columns in the report", "@@ services/payment/report.go @@\n-\tcols := []string{\"id\", \"total\"}\n+\tcols := []string{\"total\", \"id\"}", "payment", -33),
        Change(-60, "pay-db: tags for the invoice of the cloud", "@@ terraform/pay-db.tf @@\n+  tags = { team = \"pay\" }", "pay-db", -22),
    ),
    logs=(
        Log("exporter", "info", "export started", 3000, -14),
        Log("pay-db", "warning", "temporary file: size {n}000000", 15, -13),
        Log("pay-db", "error", "out of memory DETAIL: Failed on request of size {n} in memory context \"ExecutorState\".", 12, -6),
        Log("payment", "error", "could not charge {n}: server closed the connection unexpectedly", 6, -6),
        Log("exporter", "error", "MemoryError in fetch_all", 400, -4),
    ),
    metrics=(
        Metric("pay-db", "memory_percent", 58, 97, -13),
        Metric("exporter", "memory_bytes", 2e8, 7e9, -13),
        Metric("payment", "http_5xx_per_second", 0.01, 0.8, -6),
        Metric("payment", "requests_per_second", 1.3),
    ),
)  # fmt: skip

INCIDENTS = (
    DEADLINE, EVICTION, FIELD_NUMBER, AUTOSCALER, SECRET_ROTATED, LOCK_ORDER, CRAWLER, UNKNOWN_DEFAULT, WARMUP, ZONE,
    BATCH,
)  # fmt: skip
