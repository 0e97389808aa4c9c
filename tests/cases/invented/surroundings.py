"""What nobody changed, and what was changed around the services: machines, networks, certificates, partners, permissions."""

# ruff: noqa: E501  diffs and log lines read better unbroken

from tests.cases.invented.incident import Change, Flag, Incident, Log, Metric

CERTIFICATE = Incident(
    id="intermediate-certificate-ended",
    story="The certificate of the internal message broker ended at midnight; renewal had stopped weeks ago.",
    service="dispatch",
    title="dispatch: no jobs handed out for 5 minutes",
    alert="2025-06-30T00:07:00+00:00",
    graph={
        "dispatch": ("broker", "fleet"),
        "fleet": ("broker",),
        "broker": (),
        "driver-app-api": ("dispatch",),
    },
    changes=(
        Change(-1400, "fleet: vehicles may be electric", "@@ src/main/kotlin/Vehicle.kt @@\n+    val electric: Boolean = false,", "fleet", -1380, "other"),
        Change(-420, "dispatch: prefer drivers that are near", "@@ src/main/kotlin/Matcher.kt @@\n-    return drivers.sortedBy { it.rating }\n+    return drivers.sortedBy { it.distanceTo(job.pickup) }", "dispatch", -63),
        Change(-90, "driver-app-api: gzip the list of jobs", "@@ src/main/resources/application.yml @@\n+server:\n+  compression:\n+    enabled: true", "driver-app-api", -25),
        Change(-50, "fleet: remove an unused import", "@@ src/main/kotlin/FleetController.kt @@\n-import java.util.UUID", "fleet", -12),
    ),
    logs=(
        Log("dispatch", "info", "handed out job {n} to driver {n}", 7, until=-6.9),
        Log("dispatch", "error", "Connection to broker-1.internal:9093 failed: SSL handshake failed: PKIX path validation failed: java.security.cert.CertPathValidatorException: validity check failed: NotAfter: Mon Jun 30 00:00:00 UTC 2025", 6, -6.9),
        Log("fleet", "error", "org.apache.kafka.common.errors.SslAuthenticationException: SSL handshake failed", 9, -6.8),
        Log("broker", "warning", "Failed authentication with /10.9.{n} (SSL handshake failed) (org.apache.kafka.common.network.Selector)", 5, -6.9),
        Log("driver-app-api", "warning", "dispatch returned no jobs", 20, -5),
    ),
    metrics=(
        Metric("broker", "messages_in_per_second", 820, 0.2, -7),
        Metric("broker", "failed_authentications_per_second", 0.0001, 14, -7),
        Metric("dispatch", "jobs_handed_out_per_second", 3.3, 0.0001, -7),
        Metric("driver-app-api", "requests_per_second", 96),
    ),
)  # fmt: skip

NOISY_NODE = Incident(
    id="neighbour-takes-the-disk",
    story="A backup job of another team shares the node of the search index and uses up its disk.",
    service="search-index",
    title="search-index: p99 of queries above 4 s on one of three nodes",
    alert="2025-02-18T02:16:00+00:00",
    graph={
        "search-web": ("search-index",),
        "search-index": (),
        "suggest": ("search-index",),
    },
    changes=(
        Change(-1600, "search-web: remember the last filter", "@@ web/filter.ts @@\n+localStorage.setItem('filter', JSON.stringify(filter))", "search-web", -1590, "other"),
        Change(-190, "suggest: ten suggestions in place of eight", "@@ suggest/app.py @@\n-SIZE = 8\n+SIZE = 10", "suggest", -55),
        Change(-70, "search-index: name the shards in the dashboards", "@@ dashboards/search.json @@\n+      \"legendFormat\": \"{{shard}}\"", "search-index", -33),
        Change(-58, "search-web: pages load their fonts from our own domain", "@@ web/index.html @@\n-<link href=\"https://fonts.example.com/inter.css\">\n+<link href=\"/fonts/inter.css\">", "search-web", -19),
    ),
    logs=(
        Log("search-web", "info", "query took {ms}ms hits={n}", 6),
        Log("search-index", "warning", "[node-2] took [{n}ms] to fsync translog, which is above the warn threshold of [5s]", 15, -13),
        Log("search-index", "warning", "[node-2] [gc][young][{n}] overhead, spent [{ms}ms] collecting in the last [1s]", 55, -110),
        Log("search-index", "error", "[node-2] failed to read block: iowait 87% on nvme1n1, shard [products][2] is slow", 30, -12),
        Log("search-index", "warning", "kubelet: pod backup-finance-28402 on the same node exceeds its ephemeral-storage bandwidth; node condition DiskPressure", 60, -12),
        Log("search-web", "error", "search timed out on shard products[2] node-2", 9, -11),
    ),
    metrics=(
        Metric("search-index", "node2_iowait_percent", 3, 86, -13),
        Metric("search-index", "node1_iowait_percent", 3),
        Metric("search-index", "p99_seconds", 0.4, 5.5, -12),
        Metric("search-index", "queries_per_second", 140),
        Metric("search-web", "requests_per_second", 88),
    ),
)  # fmt: skip

PARTNER_DOWN = Incident(
    id="sms-partner-is-down",
    story="The company that sends the SMS answers 503 everywhere for half an hour.",
    service="notify",
    title="notify: delivery success rate below 60 %",
    alert="2025-04-09T11:54:00+00:00",
    graph={
        "notify": ("notify-queue",),
        "login": ("notify",),
        "notify-queue": (),
        "signup": ("notify", "login"),
    },
    changes=(
        Change(-2000, "login: constant time comparison of codes", "@@ login/codes.rb @@\n-  code == given\n+  ActiveSupport::SecurityUtils.secure_compare(code, given)", "login", -1980, "other"),
        Change(-240, "notify: one more template for parcels", "@@ notify/templates/parcel.erb @@\n+Your parcel <%= number %> arrives today.", "notify", -40),
        Change(-66, "signup: check the length of names on the client", "@@ app/javascript/signup.js @@\n+if (name.length > 80) { show('too long') }", "signup", -22),
        Change(-58, "notify-queue: move to the newer instance type", "@@ terraform/queue.tf @@\n-  instance_type = \"m5.large\"\n+  instance_type = \"m6i.large\"", "notify-queue", -90),
    ),
    flags=(Flag(-16, "signup", "signup_phone_hint", "off->on"),),
    logs=(
        Log("notify", "info", "sent message {id} by sms in {ms}ms", 5),
        Log("notify", "error", "POST https://api.textline.io/v2/messages -> 503 Service Unavailable (attempt 3 of 3), message {id} put back", 5, -11),
        Log("notify", "warning", "POST https://api.textline.io/v2/messages -> 503 Service Unavailable, retrying in 2s", 3, -12),
        Log("login", "warning", "code for user {n} not delivered", 12, -10),
        Log("signup", "warning", "phone not confirmed in time for {id}", 25, -8),
    ),
    metrics=(
        Metric("notify", "provider_errors_per_second", 0.01, 3.9, -12),
        Metric("notify", "messages_per_second", 6.2),
        Metric("notify-queue", "depth", 14, 2600, -11, ramp=True),
        Metric("login", "requests_per_second", 31),
    ),
)  # fmt: skip

PARTNER_FORMAT = Incident(
    id="bank-writes-another-format",
    story="The bank changed the layout of its daily file without notice.",
    service="reconciler",
    title="reconciler: 0 of 41,000 lines matched",
    alert="2025-09-01T06:31:00+00:00",
    graph={
        "reconciler": ("bank-files", "books"),
        "books": (),
        "bank-files": (),
        "finance-ui": ("reconciler", "books"),
    },
    changes=(
        Change(-1100, "reconciler: count lines per account in the summary", "@@ reconciler/summary.py @@\n+    per_account[line.account] += 1", "reconciler", -1090, "other"),
        Change(-600, "books: faster export", "@@ books/export.py @@\n-    for entry in entries:\n-        out.write(entry.csv())\n+    out.writelines(entry.csv() for entry in entries)", "books", -44),
        Change(-120, "finance-ui: sort the table by date", "@@ src/Table.vue @@\n-    :sort-by=\"'amount'\"\n+    :sort-by=\"'date'\"", "finance-ui", -37),
        Change(-80, "bank-files: upgrade paramiko 3.4.0 to 3.4.1", "@@ requirements.txt @@\n-paramiko==3.4.0\n+paramiko==3.4.1", "bank-files", -29),
    ),
    logs=(
        Log("bank-files", "info", "fetched camt053_{n}.xml from sftp.bank.example ({n} bytes)", 300),
        Log("reconciler", "error", "line {n} of camt053_20250901.xml: unexpected element '{urn:iso:std:iso:20022:tech:xsd:camt.053.001.08}Ntry', expected 'urn:iso:std:iso:20022:tech:xsd:camt.053.001.02'", 4, -6),
        Log("reconciler", "error", "camt053_20250901.xml rejected: 41207 of 41207 lines could not be read", 120, -5),
        Log("finance-ui", "warning", "no reconciliation for 2025-09-01", 60, -3),
    ),
    metrics=(
        Metric("reconciler", "lines_matched_per_second", 130, 0.001, -6),
        Metric("reconciler", "lines_failed_per_second", 0.02, 70, -6),
        Metric("bank-files", "bytes_per_second", 9100),
        Metric("books", "requests_per_second", 12),
    ),
)  # fmt: skip

CLOCK = Incident(
    id="clock-of-the-token-issuer-runs-ahead",
    story="Time synchronisation on the issuer's host is broken; its tokens are from the future for everybody else.",
    service="gateway",
    title="gateway: 401 ratio above 20 %",
    alert="2025-07-21T20:48:00+00:00",
    graph={
        "gateway": ("issuer", "accounts"),
        "issuer": (),
        "accounts": ("issuer",),
        "mobile-bff": ("gateway",),
    },
    changes=(
        Change(-800, "issuer: publish the second signing key", "@@ issuer/jwks.go @@\n+\tkeys = append(keys, next.Public())", "issuer", -790, "other"),
        Change(-160, "mobile-bff: paginate favourites", "@@ src/favourites.ts @@\n+  const page = Number(req.query.page ?? 1)", "mobile-bff", -50),
        Change(-77, "accounts: longer nicknames", "@@ accounts/model.go @@\n-const maxNickname = 20\n+const maxNickname = 40", "accounts", -26),
        Change(-45, "gateway: structured access log", "@@ gateway/log.go @@\n-\tlog.Printf(\"%s %s\", r.Method, r.URL.Path)\n+\tslog.Info(\"request\", \"method\", r.Method, \"path\", r.URL.Path)", "gateway", -21),
    ),
    logs=(
        Log("gateway", "info", "GET /v1/accounts/{n} 200 {ms}ms", 6),
        Log("gateway", "error", "jwt rejected: token used before issued (iat {n} is 94s ahead)", 4, -14),
        Log("issuer", "warning", "chronyd[{n}]: Can't synchronise: no majority; system clock offset 94.2 seconds", 45, -16),
        Log("accounts", "error", "verify: token is not valid yet", 8, -13),
        Log("mobile-bff", "warning", "session of user {n} refused with 401, sending to login", 6, -13),
    ),
    metrics=(
        Metric("gateway", "http_401_per_second", 0.4, 11, -14),
        Metric("issuer", "clock_offset_seconds", 0.002, 94, -16),
        Metric("issuer", "tokens_per_second", 7, 19, -13),
        Metric("gateway", "requests_per_second", 52),
    ),
)  # fmt: skip

EGRESS_POLICY = Incident(
    id="egress-denied-by-default",
    story="A cluster-wide policy denies what it does not list, and the port of the feature store is not on the list.",
    service="recommend",
    title="recommend: fallback ratio above 90 %",
    alert="2025-11-03T13:29:00+00:00",
    graph={
        "recommend": ("vectors", "profile"),
        "vectors": (),
        "profile": (),
        "home": ("recommend",),
        "cluster-policies": (),
    },
    changes=(
        Change(-300, "recommend: explain why an item is shown", "@@ recommend/explain.py @@\n+def because(item):\n+    return f'because you liked {item.source}'", "recommend", -48),
        Change(-110, "baseline policies for tenant namespaces", "@@ policies/recommend/default.yaml @@\n+apiVersion: networking.k8s.io/v1\n+kind: NetworkPolicy\n+metadata:\n+  name: baseline\n+  namespace: recommend\n+spec:\n+  podSelector: {}\n+  policyTypes: [Ingress, Egress]\n+  egress:\n+    - to:\n+        - namespaceSelector: {}\n+      ports:\n+        - port: 443\n+        - port: 8080\n+        - port: 53", "cluster-policies", -19, "guilty"),
        Change(-64, "home: skeletons while loading", "@@ home/src/Skeleton.tsx @@\n+export const Skeleton = () => <div className=\"skeleton\" />", "home", -23),
        Change(-36, "profile: answer with an ETag", "@@ profile/http.py @@\n+    response.set_etag(digest)", "profile", -20),
    ),
    logs=(
        Log("recommend", "info", "recommended {n} items in {ms}ms", 6),
        Log("recommend", "error", "vectors: failed to connect to all addresses; last error: UNAVAILABLE: ipv4:10.96.14.8:19530: connection attempt timed out before receiving SETTINGS frame", 5, -18),
        Log("recommend", "warning", "using popular items for user {n}: no vectors", 5, -18),
        Log("home", "warning", "recommend answered with fallback=true", 14, -17),
        Log("vectors", "info", "search took {ms} ms", 8, until=-18),
    ),
    metrics=(
        Metric("recommend", "fallback_ratio", 0.01, 0.98, -18),
        Metric("vectors", "requests_per_second", 33, 0.001, -18),
        Metric("recommend", "requests_per_second", 34),
        Metric("home", "requests_per_second", 51),
    ),
)  # fmt: skip

ROLE_NARROWED = Incident(
    id="role-loses-an-action",
    story="An audit narrows the role of the upload service; multipart uploads need an action that is gone.",
    service="uploads",
    title="uploads: failed uploads above 15 %",
    alert="2025-12-01T10:12:00+00:00",
    graph={
        "uploads": ("objects", "scanner"),
        "scanner": (),
        "objects": (),
        "portal": ("uploads",),
        "identity-terraform": (),
    },
    changes=(
        Change(-350, "least privilege for application roles (audit finding 12)", "@@ roles/uploads.tf @@\n   statement {\n-    actions   = [\"s3:GetObject\", \"s3:PutObject\", \"s3:AbortMultipartUpload\", \"s3:ListMultipartUploadParts\", \"kms:GenerateDataKey\"]\n+    actions   = [\"s3:GetObject\", \"s3:PutObject\"]\n     resources = [\"${aws_s3_bucket.objects.arn}/*\"]\n   }", "identity-terraform", -29, "guilty"),
        Change(-140, "scanner: signatures of November", "@@ scanner/signatures/VERSION @@\n-2025-10\n+2025-11", "scanner", -35),
        Change(-62, "uploads: show the size in the progress bar", "@@ web/progress.js @@\n+label.textContent = `${done} of ${total}`", "uploads", -31),
        Change(-44, "portal: redirect /docs to /help", "@@ portal/routes.rb @@\n+  get '/docs', to: redirect('/help')", "portal", -30),
    ),
    logs=(
        Log("uploads", "info", "stored object {hex} ({n} bytes)", 6),
        Log("uploads", "error", "upload {id} failed: An error occurred (AccessDenied) when calling the CreateMultipartUpload operation: User: arn:aws:sts::123456789012:assumed-role/uploads/i-{hex} is not authorized to perform: kms:GenerateDataKey", 8, -27),
        Log("uploads", "warning", "upload {id} abandoned", 11, -27),
        Log("portal", "error", "POST /files 502 from uploads", 13, -26),
    ),
    metrics=(
        Metric("uploads", "failed_per_second", 0.02, 1.9, -27),
        Metric("uploads", "requests_per_second", 9.4),
        Metric("objects", "http_403_per_second", 0.01, 1.9, -27),
        Metric("scanner", "files_per_second", 8.8),
    ),
)  # fmt: skip

INCIDENTS = (CERTIFICATE, NOISY_NODE, PARTNER_DOWN, PARTNER_FORMAT, CLOCK, EGRESS_POLICY, ROLE_NARROWED)
