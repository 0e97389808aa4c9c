"""Causes that look like nothing, beside changes that look like much."""

# ruff: noqa: E501  diffs and log lines read better unbroken

from tests.cases.invented.incident import Change, Incident, Log, Metric

FLEET = {
    "rider-api": ("trips", "pricing", "identity"),
    "driver-api": ("trips", "maps"),
    "trips": ("trip-db", "bus"),
    "pricing": ("rates-cache", "maps"),
    "invoicing": ("bus", "invoice-db"),
    "identity": ("identity-db",),
    "maps": (),
    "bus": (),
    "rates-cache": (),
    "trip-db": (),
    "invoice-db": (),
    "identity-db": (),
}

QUIET = (
    Change(-1700, "maps: newer tiles", "@@ maps/tiles.lock @@\n-2025-w02\n+2025-w03", "maps", -1690, "other"),
    Change(
        -1100,
        "rider-api: typo in the summary of an endpoint",
        "@@ rider-api/src/openapi.yaml @@\n-      summary: Cancle a trip\n+      summary: Cancel a trip",
        "rider-api",
        -1090,
        "other",
    ),
    Change(
        -830,
        "trips: extract the fare line",
        '@@ trips/src/fare.rs @@\n+fn line(fare: &Fare) -> String { format!("{} {}", fare.amount, fare.currency) }',
        "trips",
        -820,
        "other",
    ),
    Change(-520, "bump the linter", "@@ .golangci.yml @@\n-version: 1.60\n+version: 1.61", part="other"),
)

CASE_OF_EMAILS = Incident(
    id="emails-compared-as-they-are-written",
    story="The lower-casing of addresses before the comparison is gone; who writes capitals cannot log in.",
    service="identity",
    title="identity: failed logins above 15 %",
    alert="2025-01-20T07:42:00+00:00",
    graph=FLEET,
    changes=(
        *QUIET,
        Change(-65, "identity: simplify lookup", "@@ identity/src/users.ts @@\n-  const user = await users.findOne({ email: normalize(input.email) })\n+  const user = await users.findOne({ email: input.email })", "identity", -27, "guilty"),
        Change(-70, "identity-db: bigger instance", "@@ terraform/identity-db.tf @@\n-  instance_class = \"db.m6g.large\"\n+  instance_class = \"db.m6g.xlarge\"", "identity-db", -61),
        Change(-44, "rider-api: retry idempotent calls twice", "@@ rider-api/src/http.ts @@\n-const RETRIES = 1\n+const RETRIES = 2", "rider-api", -23),
        Change(-41, "pricing: round up to ten cents", "@@ pricing/round.py @@\n-    return round(x, 2)\n+    return ceil(x * 10) / 10", "pricing", -21),
    ),
    logs=(
        Log("identity", "info", "login ok user={id}", 4),
        Log("identity", "warning", "login failed: no user with email 'J.{id}@Example.com'", 5, -26),
        Log("rider-api", "warning", "401 from identity for session {hex}", 6, -26),
    ),
    metrics=(
        Metric("identity", "failed_logins_per_second", 0.05, 1.3, -26),
        Metric("identity", "requests_per_second", 7),
        Metric("rider-api", "requests_per_second", 55),
        Metric("identity-db", "cpu_percent", 20),
    ),
)  # fmt: skip

SERIAL = Incident(
    id="one-consumer-for-all-partitions",
    story="The number of consumers was taken over from the staging values: one in place of twelve.",
    service="invoicing",
    title="invoicing: invoices more than 30 minutes late",
    alert="2025-05-30T16:20:00+00:00",
    graph=FLEET,
    changes=(
        *QUIET,
        Change(-150, "invoicing: values from one template", "@@ helm/invoicing/values-prod.yaml @@\n-consumer:\n-  concurrency: 12\n+consumer:\n+  concurrency: 1", "invoicing", -49, "guilty"),
        Change(-95, "bus: retention of the audit topic", "@@ bus/topics/audit.yaml @@\n-  retention.ms: 604800000\n+  retention.ms: 1209600000", "bus", -56),
        Change(-60, "trips: publish the vehicle's colour", "@@ trips/src/event.rs @@\n+    pub vehicle_colour: Option<String>,", "trips", -45),
        Change(-52, "invoice-db: analyse at night", "@@ db/invoice/cron.yaml @@\n-  schedule: \"0 2 * * *\"\n+  schedule: \"0 3 * * *\"", "invoice-db", -40),
    ),
    logs=(
        Log("invoicing", "info", "invoice {n} written", 9),
        Log("invoicing", "warning", "trip {n} waited {n} s for its invoice", 12, -40),
        Log("rider-api", "warning", "no invoice yet for trip {n}", 20, -35),
    ),
    metrics=(
        Metric("invoicing", "consumer_lag", 30, 88000, -49, ramp=True),
        Metric("invoicing", "records_per_second", 41, 3.6, -49),
        Metric("invoicing", "cpu_percent", 48, 6, -49),
        Metric("trips", "requests_per_second", 44),
        Metric("invoice-db", "transactions_per_second", 43, 5, -49),
    ),
)  # fmt: skip

WRONG_HOST = Incident(
    id="reads-go-to-the-primary",
    story="The address for reads now names the primary; it does the work of the replicas too.",
    service="trip-db",
    title="trip-db: CPU above 95 %",
    alert="2025-02-14T18:35:00+00:00",
    graph=FLEET,
    changes=(
        *QUIET,
        Change(-110, "trips: one place for hosts", "@@ trips/config/prod.toml @@\n-read_host = \"trip-db-ro.internal\"\n+read_host = \"trip-db.internal\"\n write_host = \"trip-db.internal\"", "trips", -33, "guilty"),
        Change(-130, "trip-db: track_io_timing", "@@ db/trip/postgresql.conf @@\n-track_io_timing = off\n+track_io_timing = on", "trip-db", -70),
        Change(-58, "driver-api: button for night mode", "@@ driver-api/web/app.css @@\n+.night { background: #000; }", "driver-api", -30),
        Change(-47, "pricing: unit test for surge", "@@ pricing/test_surge.py @@\n+def test_surge():\n+    assert surge(1) == 1", "pricing", -28),
    ),
    logs=(
        Log("trip-db", "warning", "duration: {n} ms statement: SELECT * FROM trips WHERE rider_id = $1", 6, -30),
        Log("trips", "error", "read: timed out waiting for a connection from trip-db.internal:5432", 7, -22),
        Log("rider-api", "error", "GET /trips/{n} 504", 9, -21),
    ),
    metrics=(
        Metric("trip-db", "cpu_percent", 38, 98, -32),
        Metric("trip-db", "connections", 90, 240, -32),
        Metric("trips", "requests_per_second", 66),
        Metric("rider-api", "requests_per_second", 71),
    ),
)  # fmt: skip

FLOAT_KEY = Incident(
    id="key-of-the-cache-has-all-digits",
    story="Coordinates are no longer rounded before they become a key; nearly every lookup misses.",
    service="maps",
    title="maps: quota nearly used up, latency up",
    alert="2025-03-27T08:55:00+00:00",
    graph=FLEET,
    changes=(
        *QUIET,
        Change(-200, "pricing: exact distances", "@@ pricing/distance.py @@\n-    key = f'{round(a.lat, 3)},{round(a.lon, 3)}:{round(b.lat, 3)},{round(b.lon, 3)}'\n+    key = f'{a.lat},{a.lon}:{b.lat},{b.lon}'\n     cached = cache.get(key)", "pricing", -38, "guilty"),
        Change(-90, "maps: content type of tiles", "@@ maps/server.go @@\n-\tw.Header().Set(\"Content-Type\", \"image/png\")\n+\tw.Header().Set(\"Content-Type\", \"image/webp\")", "maps", -41),
        Change(-77, "driver-api: fewer position updates while parked", "@@ driver-api/src/position.ts @@\n-const PARKED_EVERY = 30\n+const PARKED_EVERY = 60", "driver-api", -35),
    ),
    logs=(
        Log("pricing", "info", "priced trip in {ms} ms", 5),
        Log("maps", "warning", "distance: {n} computations queued", 9, -34),
        Log("pricing", "error", "maps: 503 busy", 8, -30),
        Log("rider-api", "error", "no price for trip {n}", 9, -30),
    ),
    metrics=(
        Metric("maps", "requests_per_second", 21, 160, -37),
        Metric("maps", "p95_seconds", 0.12, 2.4, -34),
        Metric("rates-cache", "hit_ratio", 0.93, 0.04, -37),
        Metric("pricing", "requests_per_second", 150),
        Metric("driver-api", "requests_per_second", 90),
    ),
)  # fmt: skip

AWAIT = Incident(
    id="nobody-waits-for-the-commit",
    story="A keyword is missing: the answer goes out before the trip is stored, and the next call does not find it.",
    service="trips",
    title="trips: 404 for trips just created",
    alert="2025-06-18T12:26:00+00:00",
    graph=FLEET,
    changes=(
        *QUIET,
        Change(-80, "trips: flatten the create path", "@@ trips/src/create.ts @@\n-  const saved = await store.save(trip)\n-  return reply(201, saved)\n+  const saved = store.save(trip)\n+  return reply(201, trip)", "trips", -16, "guilty"),
        Change(-150, "bus: new broker version 3.6.1 to 3.6.2", "@@ bus/values.yaml @@\n-  tag: 3.6.1\n+  tag: 3.6.2", "bus", -71),
        Change(-49, "rider-api: shorter polling while a trip is open", "@@ rider-api/src/poll.ts @@\n-const EVERY_MS = 3000\n+const EVERY_MS = 2500", "rider-api", -29),
    ),
    logs=(
        Log("trips", "info", "POST /trips 201 {ms}ms", 4),
        Log("rider-api", "error", "GET /trips/{id}: 404 trip not found", 4, -15),
        Log("trips", "error", "unhandledRejection: duplicate key value violates unique constraint \"trips_pkey\"", 30, -15),
        Log("driver-api", "warning", "trip {id} unknown, asking again", 6, -15),
    ),
    metrics=(
        Metric("trips", "http_404_per_second", 0.02, 2.2, -15),
        Metric("trips", "requests_per_second", 44),
        Metric("rider-api", "requests_per_second", 55),
        Metric("trip-db", "transactions_per_second", 80),
    ),
)  # fmt: skip

HEADERS = Incident(
    id="proxy-drops-a-header",
    story="The proxy hands on only the headers on its list; the tenant's is not on it.",
    service="rider-api",
    title="rider-api: 400 for all corporate customers",
    alert="2025-09-04T06:58:00+00:00",
    graph={**FLEET, "edge-proxy": ("rider-api", "driver-api")},
    changes=(
        *QUIET,
        Change(-125, "edge-proxy: hand on what is needed", "@@ edge-proxy/conf.d/upstream.conf @@\n-    proxy_pass_request_headers on;\n+    proxy_pass_request_headers off;\n+    proxy_set_header Authorization $http_authorization;\n+    proxy_set_header Content-Type $http_content_type;", "edge-proxy", -14, "guilty"),
        Change(-63, "rider-api: corporate logo on receipts", "@@ rider-api/src/receipt.ts @@\n+  logo: tenant.logo,", "rider-api", -24),
        Change(-55, "identity: longer cookie names", "@@ identity/src/cookie.ts @@\n-const NAME = 'sid'\n+const NAME = 'session_id'", "identity", -90),
    ),
    logs=(
        Log("rider-api", "info", "GET /me 200", 3),
        Log("rider-api", "error", "400 missing header X-Tenant-Id on GET /corporate/{n}", 4, -13),
        Log("edge-proxy", "warning", "upstream answered 400 for /corporate/{n}", 4, -13),
    ),
    metrics=(
        Metric("rider-api", "http_400_per_second", 0.05, 3.0, -13),
        Metric("rider-api", "requests_per_second", 55),
        Metric("edge-proxy", "requests_per_second", 101),
        Metric("identity", "requests_per_second", 9),
    ),
)  # fmt: skip

QUOTA = Incident(
    id="partner-lowers-its-limit",
    story="The partner for traffic data allows fewer calls from today on. No change of ours.",
    service="maps",
    title="maps: stale traffic data",
    alert="2025-10-01T07:12:00+00:00",
    graph=FLEET,
    changes=(
        *QUIET,
        Change(-155, "maps: house numbers on tiles", "@@ maps/style.json @@\n+  \"house-numbers\": true", "maps", -66),
        Change(-72, "driver-api: sounds off by default", "@@ driver-api/src/settings.ts @@\n-  sounds: true,\n+  sounds: false,", "driver-api", -31),
        Change(-48, "pricing: cheaper at night", "@@ pricing/tariffs.yaml @@\n-night_factor: 1.2\n+night_factor: 1.1", "pricing", -26),
    ),
    logs=(
        Log("maps", "info", "tile {n} served", 3),
        Log("maps", "error", "traffic: HTTP 429 from https://api.roadflow.io/v3/incidents: {\"error\":\"rate limit exceeded for plan BASIC\"}", 4, -12),
        Log("maps", "warning", "traffic data is {n} s old", 10, -8),
        Log("driver-api", "warning", "route without traffic for trip {n}", 9, -7),
    ),
    metrics=(
        Metric("maps", "traffic_age_seconds", 20, 700, -11, ramp=True),
        Metric("maps", "requests_per_second", 66),
        Metric("driver-api", "requests_per_second", 90),
        Metric("pricing", "requests_per_second", 40),
    ),
)  # fmt: skip

HARDWARE = Incident(
    id="disk-of-the-cache-node-is-failing",
    story="The disk below the cache gives errors. No change of ours.",
    service="pricing",
    title="pricing: p95 above 1 s",
    alert="2025-08-20T23:18:00+00:00",
    graph=FLEET,
    changes=(
        *QUIET,
        Change(-88, "pricing: factor out surge", "@@ pricing/surge.py @@\n-    s = demand / supply\n-    return min(s, 3)\n+    return min(demand / supply, 3)", "pricing", -35),
        Change(-76, "rates-cache: name of the backup job", "@@ rates-cache/backup.yaml @@\n-  name: backup\n+  name: nightly-backup", "rates-cache", -28),
        Change(-39, "rider-api: new currency symbol", "@@ rider-api/src/money.ts @@\n+  XCG: 'Cg',", "rider-api", -22),
    ),
    logs=(
        Log("pricing", "warning", "rates-cache answered after {n} ms", 6, -14),
        Log("rates-cache", "error", "kernel: blk_update_request: I/O error, dev nvme0n1, sector {n}", 20, -15),
        Log("rates-cache", "error", "Error writing to the AOF file: Input/output error", 15, -14),
        Log("rider-api", "warning", "price took {n} ms", 9, -13),
    ),
    metrics=(
        Metric("rates-cache", "p99_seconds", 0.002, 1.1, -14),
        Metric("pricing", "p95_seconds", 0.1, 1.6, -14),
        Metric("pricing", "requests_per_second", 40),
        Metric("rider-api", "requests_per_second", 51),
    ),
)  # fmt: skip

INCIDENTS = (CASE_OF_EMAILS, SERIAL, WRONG_HOST, FLOAT_KEY, AWAIT, HEADERS, QUOTA, HARDWARE)
