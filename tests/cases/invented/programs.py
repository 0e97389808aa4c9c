"""Programs, what they are built from, and how they are set."""

# ruff: noqa: E501  diffs and log lines read better unbroken

from tests.cases.invented.incident import Change, Flag, Incident, Log, Metric

LISTENERS_LEAK = Incident(
    id="every-session-is-remembered",
    story="Nine hours earlier a map of sessions was added that nothing is ever taken out of.",
    service="chat-hub",
    title="chat-hub: container restarts above 3 in 15 minutes",
    alert="2025-03-20T21:15:00+00:00",
    graph={"chat-hub": ("presence",), "presence": (), "web-client-api": ("chat-hub",), "translate": ()},
    changes=(
        Change(-560, "typing indicator survives a reconnect", "@@ src/main/java/chat/SessionRegistry.java @@\n+    private final Map<String, Session> bySession = new ConcurrentHashMap<>();\n+\n     public void opened(Session session) {\n+        bySession.put(session.id(), session);\n         live.add(session);\n     }", "chat-hub", -545, "guilty"),
        Change(-300, "presence: answer in protobuf where asked to", "@@ presence/src/codec.rs @@\n+    if accepts(&req, \"application/x-protobuf\") { return proto(status) }", "presence", -290),
        Change(-66, "chat-hub: one more dashboard panel", "@@ dashboards/chat.json @@\n+    \"title\": \"open sessions\"", "chat-hub", -34),
        Change(-51, "translate: Welsh", "@@ translate/languages.yaml @@\n+- cy", "translate", -20),
        Change(-38, "web-client-api: answer HEAD too", "@@ api/routes.kt @@\n+    head(\"/rooms/{id}\") { call.respond(OK) }", "web-client-api", -16),
    ),
    logs=(
        Log("chat-hub", "info", "session {hex} opened", 4),
        Log("chat-hub", "warning", "[GC] Pause Full (G1 Compaction Pause) 3993M->3981M(4096M) {n}ms", 20, -24),
        Log("chat-hub", "error", "java.lang.OutOfMemoryError: Java heap space at java.base/java.util.concurrent.ConcurrentHashMap.putVal(ConcurrentHashMap.java:1012) at chat.SessionRegistry.opened(SessionRegistry.java:41)", 45, -12),
        Log("chat-hub", "error", "container exited with code 137 (OOMKilled)", 150, -11),
        Log("web-client-api", "error", "chat-hub closed the connection (1006)", 6, -11),
    ),
    metrics=(
        Metric("chat-hub", "heap_used_bytes", 2.9e9, 4.2e9, -119, ramp=True),
        Metric("chat-hub", "gc_seconds_per_minute", 1.2, 31, -24),
        Metric("chat-hub", "sessions_opened_per_second", 14),
        Metric("presence", "requests_per_second", 120),
    ),
)  # fmt: skip

LOCAL_TIME = Incident(
    id="dates-in-local-time",
    story="A cleanup takes the date from the machine's zone and no longer from UTC; entries of the evening are dated tomorrow.",
    service="ledger-writer",
    title="ledger-writer: rejected postings above 100 per minute",
    alert="2025-10-14T22:09:00+00:00",
    graph={
        "ledger-writer": ("core-ledger",),
        "payout-engine": ("ledger-writer",),
        "core-ledger": (),
        "fees": ("core-ledger",),
    },
    changes=(
        Change(-520, "payout-engine: modern date API", "@@ src/Payout.cs @@\n-        var valueDate = DateOnly.FromDateTime(DateTime.UtcNow);\n+        var valueDate = DateOnly.FromDateTime(DateTime.Now);", "payout-engine", -240, "guilty"),
        Change(-170, "core-ledger: partition for November", "@@ migrations/V88__partition.sql @@\n+CREATE TABLE entries_2025_11 PARTITION OF entries FOR VALUES FROM ('2025-11-01') TO ('2025-12-01');", "core-ledger", -66),
        Change(-70, "fees: rates of partner 12", "@@ fees/rates.json @@\n+  \"partner-12\": 0.0125", "fees", -19),
        Change(-40, "ledger-writer: health endpoint tells the version", "@@ src/Health.cs @@\n+        version = ThisAssembly.Version,", "ledger-writer", -17),
    ),
    logs=(
        Log("ledger-writer", "info", "posted {n} entries in {ms} ms", 6),
        Log("core-ledger", "error", "ERROR: entry {n}: value date 2025-10-15 is after business date 2025-10-14", 4, -9),
        Log("ledger-writer", "error", "posting {id} rejected by core-ledger: VALUE_DATE_IN_FUTURE (source payout-engine)", 3, -9),
        Log("payout-engine", "warning", "payout {id} not booked, kept for the next run", 6, -9),
    ),
    metrics=(
        Metric("ledger-writer", "rejected_per_second", 0.01, 5.1, -9),
        Metric("ledger-writer", "postings_per_second", 17),
        Metric("core-ledger", "cpu_percent", 31),
        Metric("payout-engine", "payouts_per_second", 6),
    ),
)  # fmt: skip

POOL_WAITS_FOR_ITSELF = Incident(
    id="tasks-wait-for-tasks-of-their-own-pool",
    story="Rendering now waits inside a worker thread for a task of the same pool; with enough letters at once all wait.",
    service="letters",
    title="letters: oldest unfinished letter 20 minutes",
    alert="2025-02-05T08:52:00+00:00",
    graph={"letters": ("pdf-render", "archive"), "pdf-render": (), "archive": (), "case-desk": ("letters",)},
    changes=(
        Change(-300, "letters: attachments are rendered alongside", "@@ src/main/java/letters/Assembler.java @@\n     private Letter assemble(Draft draft) throws Exception {\n-        Pdf attachment = renderer.render(draft.attachment());\n+        Future<Pdf> attachment = pool.submit(() -> renderer.render(draft.attachment()));\n         Pdf body = renderer.render(draft.body());\n-        return new Letter(body, attachment);\n+        return new Letter(body, attachment.get());\n     }", "letters", -71, "guilty"),
        Change(-150, "archive: keep letters for eleven years", "@@ archive/policy.yaml @@\n-retention_years: 10\n+retention_years: 11", "archive", -36),
        Change(-80, "pdf-render: embed the new logo", "@@ assets/logo.svg @@\n+<svg viewBox=\"0 0 10 10\"></svg>", "pdf-render", -28),
        Change(-47, "case-desk: keyboard shortcut for next case", "@@ ui/keys.ts @@\n+bind('j', nextCase)", "case-desk", -24),
    ),
    logs=(
        Log("letters", "info", "letter {id} finished in {ms} ms", 8, until=-22),
        Log("letters", "warning", "pool assembler: 16 of 16 threads active, {n} tasks waiting, none completed in 60 s", 30, -21),
        Log("letters", "error", "java.util.concurrent.RejectedExecutionException: Task letters.Assembler$$Lambda rejected from ThreadPoolExecutor[Running, pool size = 16, active threads = 16, queued tasks = 2000, completed tasks = {n}]", 9, -9),
        Log("case-desk", "error", "letter for case {n} not accepted: 503", 12, -9),
    ),
    metrics=(
        Metric("letters", "finished_per_second", 1.7, 0.001, -22),
        Metric("letters", "threads_active", 5, 16, -22),
        Metric("letters", "queued_tasks", 2, 2000, -22, ramp=True),
        Metric("letters", "cpu_percent", 41, 3, -22),
        Metric("pdf-render", "requests_per_second", 3.4, 0.001, -22),
    ),
)  # fmt: skip

PARSER_UPGRADE = Incident(
    id="parser-refuses-long-strings",
    story="A minor upgrade of the JSON parser brings a limit for the length of strings; scans are longer.",
    service="claims-intake",
    title="claims-intake: 400 ratio above 10 %",
    alert="2025-05-07T12:33:00+00:00",
    graph={"claims-intake": ("claims-store", "ocr"), "ocr": (), "claims-store": (), "broker-portal": ("claims-intake",)},
    changes=(
        Change(-210, "build(deps): bump com.fasterxml.jackson from 2.14.2 to 2.15.0", "@@ pom.xml @@\n-        <jackson.version>2.14.2</jackson.version>\n+        <jackson.version>2.15.0</jackson.version>", "claims-intake", -26, "guilty"),
        Change(-200, "build(deps-dev): bump junit from 5.9.2 to 5.9.3", "@@ pom.xml @@\n-        <junit.version>5.9.2</junit.version>\n+        <junit.version>5.9.3</junit.version>", "claims-intake", -26),
        Change(-120, "ocr: second model for handwriting", "@@ ocr/models.yaml @@\n+- name: handwriting-2\n+  share: 0.1", "ocr", -50),
        Change(-61, "broker-portal: translate the error page", "@@ locales/de.json @@\n+  \"error.title\": \"Das hat nicht geklappt\"", "broker-portal", -22),
        Change(-41, "claims-store: bump postgres image 15.2 to 15.3", "@@ charts/claims-store/Chart.yaml @@\n-appVersion: \"15.2\"\n+appVersion: \"15.3\"", "claims-store", -58),
    ),
    logs=(
        Log("claims-intake", "info", "claim {n} taken in, {n} bytes", 6),
        Log("claims-intake", "error", "cannot read claim: com.fasterxml.jackson.core.exc.StreamConstraintsException: String length (5046272) exceeds the maximum length (5000000) at com.fasterxml.jackson.core.StreamReadConstraints.validateStringLength(StreamReadConstraints.java:290)", 14, -25),
        Log("broker-portal", "error", "POST /claims answered 400 for broker {n}", 15, -25),
    ),
    metrics=(
        Metric("claims-intake", "http_400_per_second", 0.02, 1.1, -25),
        Metric("claims-intake", "requests_per_second", 8.8),
        Metric("ocr", "pages_per_second", 21),
        Metric("claims-store", "transactions_per_second", 33),
    ),
)  # fmt: skip

MUSL = Incident(
    id="smaller-base-image",
    story="A smaller base image has another C library; the native module of the thumbnailer cannot be loaded.",
    service="gallery",
    title="gallery: thumbnails missing for new pictures",
    alert="2025-07-15T15:20:00+00:00",
    graph={"gallery": ("thumbnailer", "blob-store"), "thumbnailer": ("blob-store",), "blob-store": (), "albums": ("gallery",)},
    changes=(
        Change(-270, "thumbnailer: 700 MB smaller image", "@@ docker/thumbnailer.Dockerfile @@\n-FROM node:20-bookworm\n+FROM node:20-alpine\n WORKDIR /app", "thumbnailer", -21, "guilty"),
        Change(-160, "albums: share by link", "@@ albums/share.py @@\n+    token = secrets.token_urlsafe(16)", "albums", -61),
        Change(-84, "gallery: alt texts", "@@ gallery/templates/picture.html @@\n+  alt=\"{{ picture.title }}\"", "gallery", -19),
        Change(-52, "blob-store: lifecycle rule in its own file", "@@ blob-store/lifecycle.tf @@\n+resource \"aws_s3_bucket_lifecycle_configuration\" \"pictures\" {\n+  bucket = aws_s3_bucket.pictures.id\n+}\n@@ blob-store/main.tf @@\n-resource \"aws_s3_bucket_lifecycle_configuration\" \"pictures\" {\n-  bucket = aws_s3_bucket.pictures.id\n-}", "blob-store", -33),
    ),
    logs=(
        Log("gallery", "info", "picture {id} stored", 7),
        Log("thumbnailer", "error", "Error: Error loading shared library ld-linux-x86-64.so.2: No such file or directory (needed by /app/node_modules/canvas/build/Release/libpixman-1.so.0) code: 'ERR_DLOPEN_FAILED'", 18, -20),
        Log("thumbnailer", "warning", "Back-off restarting failed container thumbnailer", 30, -19),
        Log("gallery", "error", "thumbnail of {id}: connect ECONNREFUSED 10.8.3.{n}:8080", 6, -20),
    ),
    metrics=(
        Metric("thumbnailer", "pictures_per_second", 2.2, 0.001, -20),
        Metric("thumbnailer", "restarts", 0.0001, 4, -20),
        Metric("gallery", "requests_per_second", 19),
        Metric("blob-store", "requests_per_second", 42),
    ),
)  # fmt: skip

RETRY_STORM = Incident(
    id="library-retries-at-once",
    story="The shared client retries ten times without a pause; a hiccup of the price service never ends.",
    service="prices",
    title="prices: CPU above 95 % on all instances",
    alert="2025-11-11T19:40:00+00:00",
    graph={
        "cart": ("prices", "stock"),
        "shelf": ("prices",),
        "prices": ("prices-db",),
        "prices-db": (),
        "stock": (),
    },
    changes=(
        Change(-700, "http client: simpler resilience settings", "@@ libs/http/client.py @@\n-RETRY = Retry(total=2, backoff_factor=0.5, backoff_jitter=0.3)\n+RETRY = Retry(total=10, backoff_factor=0)", "cart", -180, "guilty"),
        Change(-260, "prices: three decimal places for fuel", "@@ prices/rounding.py @@\n+DIGITS['fuel'] = 3", "prices", -44),
        Change(-95, "stock: mark discontinued items", "@@ stock/item.py @@\n+    discontinued: bool = False", "stock", -18),
        Change(-72, "shelf: lazy images", "@@ shelf/static/shelf.js @@\n+img.loading = 'lazy'", "shelf", -15),
    ),
    flags=(Flag(-14, "shelf", "autumn_banner", "off->on"),),
    logs=(
        Log("cart", "info", "cart {hex} priced in {ms} ms", 6),
        Log("prices-db", "warning", "failover: new primary elected after 8 s", 4000, -13),
        Log("prices", "error", "GET /price/{n} 503 overloaded", 3, -12),
        Log("cart", "warning", "Retrying (Retry(total=7, connect=None, read=None, redirect=None, status=None)) after connection broken by 'ReadTimeoutError(\"HTTPConnectionPool(host='prices', port=8080): Read timed out.\")': /price/{n}", 2, -12),
        Log("cart", "error", "urllib3.exceptions.MaxRetryError: HTTPConnectionPool(host='prices', port=8080): Max retries exceeded with url: /price/{n} (Caused by ResponseError('too many 503 error responses'))", 5, -12),
        Log("shelf", "error", "price of {n} not available", 7, -11),
    ),
    metrics=(
        Metric("prices", "requests_per_second", 180, 1900, -12),
        Metric("prices", "cpu_percent", 35, 99, -12),
        Metric("cart", "requests_per_second", 61),
        Metric("shelf", "requests_per_second", 90),
        Metric("prices-db", "queries_per_second", 170, 240, -12),
    ),
)  # fmt: skip

AMOUNT_AS_TEXT = Incident(
    id="producer-writes-amounts-as-text",
    story="The checkout writes amounts as text with a decimal point; who reads the events expects whole cents.",
    service="revenue-stream",
    title="revenue-stream: consumer lag above 50,000",
    alert="2025-08-26T17:03:00+00:00",
    graph={
        "revenue-stream": ("events",),
        "web-checkout": ("events", "psp"),
        "events": (),
        "psp": (),
        "loyalty": ("events",),
    },
    changes=(
        Change(-190, "web-checkout: money is Decimal everywhere", "@@ checkout/events.py @@\n     return {\n         'order_id': order.id,\n-        'amount': int(order.total * 100),\n+        'amount': str(order.total),\n         'currency': order.currency,\n     }", "web-checkout", -32, "guilty"),
        Change(-150, "loyalty: points for reviews", "@@ loyalty/points.py @@\n+    'review': 5,", "loyalty", -52),
        Change(-55, "revenue-stream: parallelism in its own variable", "@@ job/main.scala @@\n-env.setParallelism(8)\n+val parallelism = 8\n+env.setParallelism(parallelism)", "revenue-stream", -34),
        Change(-39, "psp: new test card numbers", "@@ psp/tests/cards.py @@\n+VISA_DECLINED = '4000000000000002'", "psp", -28),
    ),
    logs=(
        Log("web-checkout", "info", "order {n} paid", 6),
        Log("revenue-stream", "error", "Caused by: com.fasterxml.jackson.databind.exc.InvalidFormatException: Cannot deserialize value of type `long` from String \"{n}.90\": not a valid `long` value (through reference chain: OrderPaid[\"amount\"])", 8, -31),
        Log("revenue-stream", "warning", "Source: orders (3/8) switched from RUNNING to FAILED, restarting job", 20, -31),
    ),
    metrics=(
        Metric("revenue-stream", "consumer_lag", 40, 61000, -31, ramp=True),
        Metric("revenue-stream", "records_per_second", 28, 0.001, -31),
        Metric("web-checkout", "orders_per_second", 27),
        Metric("events", "bytes_in_per_second", 51000),
    ),
)  # fmt: skip

LIMIT_PER_MINUTE = Incident(
    id="limit-per-minute-meant-per-second",
    story="While moving the limits to another file, 'second' became 'minute'.",
    service="mobile-edge",
    title="mobile-edge: 429 ratio above 30 %",
    alert="2025-09-23T07:18:00+00:00",
    graph={"mobile-edge": ("timetable", "tickets"), "timetable": (), "tickets": ("wallet",), "wallet": ()},
    changes=(
        Change(-230, "move the limits next to the routes", "@@ edge/limits.yaml @@\n-- route: /timetable\n-  limit: 400/second\n-  burst: 800\n@@ edge/routes/timetable.yaml @@\n+route: /timetable\n+rate_limit: 400/minute\n+burst: 800", "mobile-edge", -17, "guilty"),
        Change(-130, "tickets: QR code with higher error correction", "@@ tickets/qr.go @@\n-qrcode.Medium\n+qrcode.High", "tickets", -41),
        Change(-66, "timetable: construction works of week 39", "@@ timetable/data/works.json @@\n+  {\"line\": \"S3\", \"from\": \"2025-09-22\"}", "timetable", -20),
        Change(-48, "wallet: comment on rounding", "@@ wallet/round.go @@\n+// Half to even, as the regulator wants it.", "wallet", -15),
    ),
    logs=(
        Log("mobile-edge", "info", "GET /timetable/{n} 200", 3),
        Log("mobile-edge", "warning", "GET /timetable/{n} 429 rate limit exceeded (key=route limit=400)", 2, -16),
        Log("timetable", "info", "departures of {n} in {ms} ms", 4),
    ),
    metrics=(
        Metric("mobile-edge", "http_429_per_second", 0.1, 62, -16),
        Metric("mobile-edge", "requests_per_second", 71),
        Metric("timetable", "requests_per_second", 66, 6.6, -16),
        Metric("tickets", "requests_per_second", 14),
    ),
)  # fmt: skip

EVERY_MINUTE = Incident(
    id="report-every-minute-of-the-hour",
    story="The report should run every six hours; a star in the first place starts it each minute of those hours.",
    service="warehouse-db",
    title="warehouse-db: active queries above 150",
    alert="2025-04-28T06:24:00+00:00",
    graph={"reports": ("warehouse-db",), "insights": ("warehouse-db",), "warehouse-db": (), "importer": ("warehouse-db",)},
    changes=(
        Change(-900, "reports: margins four times a day", "@@ charts/reports/values.yaml @@\n-schedule: \"15 5 * * *\"\n+schedule: \"* */6 * * *\"", "reports", -830, "guilty"),
        Change(-200, "insights: tooltips", "@@ insights/chart.js @@\n+tooltip: { enabled: true }", "insights", -40),
        Change(-110, "importer: skip empty files", "@@ importer/read.py @@\n+    if not path.stat().st_size:\n+        return []", "importer", -30),
        Change(-70, "warehouse-db: analyse tables after the import", "@@ warehouse/maintenance.sql @@\n+ANALYZE sales;", "warehouse-db", -58),
    ),
    logs=(
        Log("reports", "info", "margins: started run {hex}", 60, -24),
        Log("reports", "error", "margins: run {hex} failed: QueryTimeout after 600 s", 60, -13),
        Log("warehouse-db", "warning", "too many concurrent queries: {n} queued (SELECT region, sum(margin) FROM sales GROUP BY region)", 10, -16),
        Log("insights", "error", "dashboard {n}: query was queued for 120 s and cancelled", 8, -12),
    ),
    metrics=(
        Metric("warehouse-db", "active_queries", 6, 190, -23, ramp=True),
        Metric("warehouse-db", "cpu_percent", 18, 97, -18),
        Metric("insights", "p95_seconds", 2, 60, -15),
        Metric("insights", "requests_per_second", 4),
        Metric("importer", "rows_per_second", 900),
    ),
)  # fmt: skip

INCIDENTS = (
    LISTENERS_LEAK, LOCAL_TIME, POOL_WAITS_FOR_ITSELF, PARSER_UPGRADE, MUSL, RETRY_STORM, AMOUNT_AS_TEXT,
    LIMIT_PER_MINUTE, EVERY_MINUTE,
)  # fmt: skip
