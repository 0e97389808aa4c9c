"""Databases, connections and disks."""

# ruff: noqa: E501  diffs and log lines read better unbroken

from tests.cases.invented.incident import Change, Flag, Incident, Log, Metric

INDEX_DROPPED = Incident(
    id="index-dropped",
    story="A migration drops an index that the statistics said was unused; the monthly statement query needs it.",
    service="orders-api",
    title="orders-api p95 latency above 2 s",
    alert="2025-03-02T09:41:00+00:00",
    graph={
        "orders-api": ("orders-db", "session-store"),
        "storefront": ("orders-api",),
        "orders-db": (),
        "session-store": (),
        "mailer": (),
    },
    changes=(
        Change(-2900, "chore: pin linters", "@@ Makefile @@\n-lint: flake8\n+lint: ruff check", part="other"),
        Change(-640, "feat(orders): show gift wrapping on the receipt", "@@ orders/receipt.py @@\n+    if order.gift:\n+        lines.append('Gift wrapping')", "orders-api", -620, "other"),
        Change(-95, "schema cleanup, drop what pg_stat_user_indexes reports with zero scans", "@@ migrations/0119_cleanup.sql @@\n+DROP INDEX IF EXISTS orders_customer_id_created_at_idx;\n+DROP INDEX IF EXISTS orders_coupon_idx;", "orders-db", -52, "guilty"),
        Change(-60, "orders: log the route template instead of the raw path", "@@ orders/middleware.py @@\n-    logger.info('request %s', request.path)\n+    logger.info('request %s', request.url_rule)", "orders-api", -46),
        Change(-49, "session-store: raise maxmemory from 2gb to 3gb", "@@ deploy/redis/session-store.conf @@\n-maxmemory 2gb\n+maxmemory 3gb", "session-store", -47),
        Change(-30, "mailer: new template for returns", "@@ mailer/templates/returns.html @@\n+<p>Your parcel is on its way back to us.</p>", "mailer", -20),
    ),
    logs=(
        Log("orders-api", "info", "GET /orders 200 in {ms} ms request_id={hex}", 9),
        Log("orders-api", "error", "GET /customers/{n}/statement failed: (psycopg.errors.QueryCanceled) canceling statement due to statement timeout [SQL: SELECT id, total FROM orders WHERE customer_id = %(c)s ORDER BY created_at DESC LIMIT 50]", 14, -7),
        Log("orders-api", "warning", "slow request: GET /customers/{n}/statement took {n} ms", 20, -44),
        Log("orders-db", "info", "duration: {n}.110 ms  execute <unnamed>: SELECT id, total FROM orders WHERE customer_id = $1 ORDER BY created_at DESC LIMIT 50", 18, -46),
        Log("orders-db", "error", "canceling statement due to statement timeout", 14, -7),
        Log("storefront", "error", "GET http://orders-api/customers/{n}/statement: 504 after 5000 ms", 25, -6),
    ),
    metrics=(
        Metric("orders-db", "cpu_percent", 22, 91, -46),
        Metric("orders-db", "seq_scans_per_second", 3, 74, -47),
        Metric("orders-db", "connections", 41, 88, -12),
        Metric("orders-api", "p95_seconds", 0.21, 3.4, -45),
        Metric("orders-api", "requests_per_second", 64),
        Metric("session-store", "memory_bytes", 1.4e9),
    ),
)  # fmt: skip

CONSTRAINT_LOCK = Incident(
    id="constraint-validated-under-lock",
    story="A migration adds a foreign key to the largest table; validating it blocks every write for minutes.",
    service="shipping-api",
    title="shipping-api: 38 % of POST /shipments answer 500",
    alert="2025-05-19T14:08:00+00:00",
    graph={
        "shipping-api": ("shipping-db", "carrier-gateway"),
        "checkout": ("shipping-api", "payments"),
        "payments": (),
        "carrier-gateway": (),
        "shipping-db": (),
    },
    changes=(
        Change(-1500, "docs: how to onboard a carrier", "@@ docs/carriers.md @@\n+1. Ask for credentials", part="other"),
        Change(-180, "add referential integrity between shipments and warehouses", "@@ db/changelog/2025-05-19.yaml @@\n+- changeSet:\n+    id: 2025-05-19-1\n+    changes:\n+      - sql: ALTER TABLE shipments ADD CONSTRAINT shipments_warehouse_fk FOREIGN KEY (warehouse_id) REFERENCES warehouses (id)", "shipping-db", -6, "guilty"),
        Change(-75, "carrier-gateway: support DHL express labels", "@@ src/carriers/dhl.ts @@\n+export function expressLabel(parcel: Parcel): Label {\n+  return { ...label(parcel), product: 'EXP' }\n+}", "carrier-gateway", -18),
        Change(-33, "shipping-api: group imports, no functional change", "@@ src/app.ts @@\n-import { b } from './b'\n-import { a } from './a'\n+import { a } from './a'\n+import { b } from './b'", "shipping-api", -9),
        Change(-21, "payments: receipts carry the merchant's VAT number", "@@ src/receipt.ts @@\n+  vatNumber: merchant.vatNumber,", "payments", -8),
    ),
    logs=(
        Log("shipping-api", "info", "POST /shipments 201 {ms}ms", 8),
        Log("shipping-api", "error", "POST /shipments 500: QueryFailedError: canceling statement due to lock timeout at PostgresQueryRunner.query (INSERT INTO \"shipments\")", 6, -4),
        Log("shipping-db", "error", "canceling statement due to lock timeout", 6, -4),
        Log("shipping-db", "info", "process {n} still waiting for RowExclusiveLock on relation 16{n} of database 16384 after 1000.121 ms", 10, -5),
        Log("checkout", "error", "shipment for order {n} not created: shipping-api answered 500", 9, -3.5),
    ),
    metrics=(
        Metric("shipping-db", "locks_waiting", 0.4, 46, -5),
        Metric("shipping-db", "transactions_per_second", 210, 31, -5),
        Metric("shipping-api", "http_5xx_per_second", 0.05, 4.2, -4),
        Metric("shipping-api", "requests_per_second", 11.5),
        Metric("payments", "requests_per_second", 9),
    ),
)  # fmt: skip

ROWS_NOT_CLOSED = Incident(
    id="result-sets-not-closed",
    story="A refactoring loses the line that gives connections back; the pool is empty after an hour.",
    service="tariff-service",
    title="tariff-service readiness failing on 4 of 6 instances",
    alert="2025-01-27T16:22:00+00:00",
    graph={
        "tariff-service": ("tariff-mysql",),
        "quote-web": ("tariff-service", "geo"),
        "geo": (),
        "tariff-mysql": (),
    },
    changes=(
        Change(-400, "tariff: stream zones in place of loading them", "@@ internal/zones/store.go @@\n func (s *Store) Zones(ctx context.Context, country string) (*Iterator, error) {\n \trows, err := s.db.QueryContext(ctx, zonesSQL, country)\n \tif err != nil {\n \t\treturn nil, err\n \t}\n-\tdefer rows.Close()\n-\treturn collect(rows)\n+\treturn &Iterator{rows: rows}, nil\n }", "tariff-service", -88, "guilty"),
        Change(-130, "geo: cache country borders for a day", "@@ geo/borders.go @@\n-const bordersTTL = time.Hour\n+const bordersTTL = 24 * time.Hour", "geo", -31),
        Change(-40, "tariff: rename the build stage", "@@ Dockerfile @@\n-FROM golang:1.24 AS build\n+FROM golang:1.24 AS builder\n-COPY --from=build /out/tariff /tariff\n+COPY --from=builder /out/tariff /tariff", "tariff-service", -24),
        Change(-28, "quote-web: larger font on the price", "@@ web/styles/price.css @@\n-  font-size: 1rem;\n+  font-size: 1.25rem;", "quote-web", -22),
    ),
    logs=(
        Log("tariff-service", "info", "quoted zone={n} in {ms}ms", 6),
        Log("tariff-service", "warning", "readiness: context deadline exceeded while pinging database", 15, -26),
        Log("tariff-service", "error", "zones: acquire connection: context deadline exceeded (open=50 in_use=50 idle=0 wait_count={n})", 8, -25),
        Log("tariff-service", "error", "GET /v1/quote 500 context deadline exceeded", 7, -24),
        Log("quote-web", "error", "upstream tariff-service: 500 Internal Server Error", 11, -23),
        Log("tariff-mysql", "warning", "Aborted connection {n} to db: 'tariff' user: 'tariff' (Got timeout reading communication packets)", 40, -20),
    ),
    metrics=(
        Metric("tariff-service", "db_connections_in_use", 7, 50, -85, ramp=True),
        Metric("tariff-service", "p95_seconds", 0.09, 5.0, -26),
        Metric("tariff-service", "requests_per_second", 48),
        Metric("tariff-mysql", "threads_connected", 44, 300, -85, ramp=True),
        Metric("tariff-mysql", "cpu_percent", 17),
    ),
)  # fmt: skip

SLOT_FILLS_DISK = Incident(
    id="replication-slot-fills-the-disk",
    story="A change data capture connector was scaled to zero the day before; its slot holds back the write-ahead log "
    "until the database's disk is full.",
    service="ledger-db",
    title="ledger-db: volume 100 % used, database not accepting connections",
    alert="2025-08-11T05:37:00+00:00",
    graph={
        "ledger": ("ledger-db",),
        "cdc-connector": ("ledger-db", "event-bus"),
        "event-bus": (),
        "ledger-db": (),
        "statements": ("ledger",),
    },
    changes=(
        Change(-1270, "pause cdc-connector until the new sink is there", "@@ clusters/prod/cdc-connector.yaml @@\n spec:\n-  replicas: 2\n+  replicas: 0", "cdc-connector", -1262, "guilty"),
        Change(-700, "statements: footnote on currency", "@@ templates/statement.tex @@\n+\\footnotetext{Amounts in EUR.}", "statements", -690, "other"),
        Change(-90, "ledger: expose build info metric", "@@ ledger/metrics.py @@\n+BUILD = Info('build', 'version of this build')\n+BUILD.info({'version': __version__})", "ledger", -38),
        Change(-70, "event-bus: enable rack awareness", "@@ deploy/event-bus/values.yaml @@\n+rack:\n+  topologyKey: topology.kubernetes.io/zone", "event-bus", -30),
        Change(-35, "ledger-db: raise log_min_duration_statement to cut noise", "@@ deploy/ledger-db/postgresql.conf @@\n-log_min_duration_statement = 250\n+log_min_duration_statement = 1000", "ledger-db", -28),
    ),
    logs=(
        Log("ledger", "info", "posted batch={n} entries={n}", 10),
        Log("ledger-db", "warning", "checkpoints are occurring too frequently (21 seconds apart)", 60, -60),
        Log("ledger-db", "fatal", "could not write to file \"pg_wal/xlogtemp.{n}\": No space left on device", 9, -3),
        Log("ledger-db", "panic", "could not write to log file 0000000100000A{n} at offset {n}: No space left on device", 30, -3),
        Log("ledger", "error", "posting failed: connection to server at \"ledger-db\" (10.2.0.7), port 5432 failed: FATAL: the database system is in recovery mode", 7, -2.5),
        Log("statements", "error", "ledger answered 503", 15, -2),
    ),
    metrics=(
        Metric("ledger-db", "volume_used_bytes", 5.1e11, 9.9e11, -119, ramp=True),
        Metric("ledger-db", "wal_bytes", 4.2e11, 9.2e11, -119, ramp=True),
        Metric("ledger-db", "transactions_per_second", 340, 4, -3),
        Metric("ledger", "http_5xx_per_second", 0.1, 14, -2),
        Metric("ledger", "requests_per_second", 37),
        Metric("cdc-connector", "records_per_second", 0),
    ),
)  # fmt: skip

FLAG_DOUBLES_LOAD = Incident(
    id="flag-sends-every-page-to-the-ranker",
    story="A flag is opened from five per cent to everybody; what it switches on asks a small service on each page.",
    service="ranker",
    title="ranker saturation: queue length above 500",
    alert="2025-10-06T18:05:00+00:00",
    graph={
        "listing": ("ranker", "items"),
        "ranker": ("feature-store",),
        "feature-store": (),
        "items": (),
    },
    changes=(
        Change(-900, "listing: call the ranker behind personalised_listing", "@@ listing/page.py @@\n+    if flags.enabled('personalised_listing', user):\n+        items = ranker.order(items, user)", "listing", -880, "other"),
        Change(-55, "items: return the brand's name too", "@@ items/views.py @@\n+        'brand': item.brand.name,", "items", -17),
        Change(-45, "feature-store: typo in the help text", "@@ feature_store/cli.py @@\n-parser.add_argument('--since', help='begining of the range')\n+parser.add_argument('--since', help='beginning of the range')", "feature-store", -14),
        Change(-26, "ranker: type annotations for the scorer", "@@ ranker/scorer.py @@\n-def score(user, items):\n+def score(user: User, items: list[Item]) -> list[float]:", "ranker", -13),
    ),
    flags=(
        Flag(-12, "listing", "personalised_listing", "5%->100%", guilty=True),
        Flag(-41, "items", "show_brand_logo", "off->on"),
    ),
    logs=(
        Log("listing", "info", "GET /c/{n} 200 {ms}ms", 7),
        Log("ranker", "warning", "request queue at {n}, shedding", 6, -8),
        Log("ranker", "error", "order: deadline exceeded after 800 ms (queued 790 ms) caller=listing", 6, -7),
        Log("listing", "error", "personalised_listing: ranker.order timed out after 800 ms, falling back to default order", 5, -7),
    ),
    metrics=(
        Metric("ranker", "requests_per_second", 19, 370, -12),
        Metric("ranker", "queue_length", 1, 640, -9),
        Metric("ranker", "cpu_percent", 24, 99, -12),
        Metric("listing", "p95_seconds", 0.3, 1.4, -9),
        Metric("listing", "requests_per_second", 372),
        Metric("items", "requests_per_second", 410),
    ),
)  # fmt: skip

INCIDENTS = (INDEX_DROPPED, CONSTRAINT_LOCK, ROWS_NOT_CLOSED, SLOT_FILLS_DISK, FLAG_DOUBLES_LOAD)
