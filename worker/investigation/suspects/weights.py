"""Everything that the ranking believes, in one place: what each sign weighs and why.

The words here are the trade's own: what databases, runtimes, proxies and brokers write when they are in trouble, and
what engineers call their settings. None is taken from one incident; docs/ranking.md says how to argue with them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

# --- the score: evidence times opportunity ----------------------------------------------------------------------------

CONVINCING: Final = 0.5
"""A score from which a change is named as the cause: more than a risky edit alone, or shared words alone, can reach."""

EXPLAINED_ANYWAY: Final = 0.3
"""How much more a change has to show when the symptoms say by themselves what it is (a certificate has expired)."""

UNEXPLAINED_EDIT: Final = 0.35
"""What a risky edit counts for when nothing in the symptoms fits it: such edits are made every day."""

QUOTED: Final = 0.9
"""How well an edit fits errors that quote the very name or value that it changed."""

UNQUOTED: Final = 0.3
"""What is left of the fit of another name when no error quotes the old or the new one."""

RULE_NAMES_IT: Final = 0.8
"""How well it fits when a rule of GOTCHA.md names what it changed, and shares words with the errors."""

SHARED_WORDS: Final = 0.5
"""The most that shared words count: a logging change shares the words of the code that it logs."""

ENOUGH_WORDS: Final = 3.0
"""Shared words, weighed by their rarity among the changes, that count in full."""

AFTER_ONSET: Final = 0.3
"""What is left of the score of a change that went live after the trouble began, by what the logs and metrics say."""

CLOCKS_DIFFER: Final = timedelta(minutes=2)
"""Deploys are noted when they begin or when they end, and clocks differ: only a change later than this is late."""

NEVER_WENT_LIVE: Final = 0.6
"""For a commit that no deploy carried although deploys of its service are known."""

OFF_THE_PATH: Final = 0.35
"""For a change in a service that neither fails nor lies on the dependency path of one that does."""

ON_THE_PATH: Final[Mapping[str, float]] = {
    "alerted": 1.0,
    "dependency": 0.95,
    "dependent": 0.85,
    "shared": 0.9,
    "about": 0.9,
    "sharing": 0.75,
    "unknown": 0.7,
}
"""A dependency breaks whoever needs it; a caller may drown what it calls; a shared library is in all of them; what
names a failing service in its paths is about it wherever it is kept; and who shares a queue or a database is felt there.
"""

NAMED: Final = 0.9
"""For a change in a service off the path that the errors of others name."""
SILENT: Final = 0.85
"""For one in a service that is measured, shows nothing and is not named by an error."""

RECENCY: Final = (
    (timedelta(minutes=20), 1.0),
    (timedelta(hours=2), 0.95),
    (timedelta(hours=8), 0.85),
    (timedelta(hours=24), 0.75),
)
"""How long before the onset, and what that leaves of the score. Decays slowly: most faults show at once, but the clock
of a decoy is always good."""
LONG_AGO: Final = 0.65
SLOW_TO_SHOW: Final = 0.9
"""The least that is left for edits that take their time: leaks, caches, disks, schedules, expiry."""

# --- symptoms: what the errors, the metrics and the alert's title are about -------------------------------------------

# Of text in lower case: to look for them in either case takes four times as long.
SYMPTOMS: Final[Mapping[str, re.Pattern[str]]] = {
    name: re.compile(pattern)
    for name, pattern in {
        "crash": r"nil pointer|null ?pointer|null ?reference|nonetype|of undefined|of null|undefined method|unwrap\(\)|"
        r"segfault|segmentation|sigsegv|panic|index out of (range|bounds)|out of bounds|keyerror|typeerror|"
        r"attributeerror|nomethoderror|classcast|stack ?overflow|assertion|unhandled|object reference",
        "parse": r"deserializ|serializ|unmarshal|marshal|decod|pars(e|ing)|schema|(missing|required|unknown) (required )?"
        r"(field|property|key|column)|unexpected (token|character|end)|invalid (json|format|value|input|character|date)|"
        r"malformed|cannot convert|type mismatch|validation|encoding|codec|utf-?8|truncat|bad request|unprocessable",
        "timeout": r"time[sd]?[ -]?out|deadline|context cancell?ed|etimedout|took too long|\bslow|latenc|duration|"
        r"response.?time|p9[59]\b|p99|lagg|stall|hang|unresponsive|elapsed",
        "pool": r"\bpool|too many (connections|clients|open)|connection slots|max_connections|no (free|available) conn|"
        r"could not (get|obtain|acquire).{0,20}conn|emfile|hikari|checkout timeout|exhaust|semaphore|threads? busy",
        "overload": r"overload|shedding|saturat|queue(_| )?(full|depth|length|size)|backlog|rejectedexecution|reject(ed|ing|s)? (the )?(request|"
        r"connection|execution|task|call|write)|503|429|too many requests|throttl|busy|cpu|load average|back.?pressure|capacity|resource.?exhausted|pending requests",
        "load": r"slow query|cache.?(miss|hit)|hit.?ratio|quer(y|ies).?(count|per|rate)|per_request|full (table )?scan|"
        r"seq(uential)? scan|requests?_?(per|rate)|qps|rps|read.?through|cpu|iops|calls_in_request",
        "memory": r"out ?of ?memory|\boom|heap|gc overhead|garbage|memory|mem_|_rss|evicted|exit code 137|\bkilled\b|"
        r"allocat",
        "disk": r"no space left|disk|read-only file ?system|enospc|inode|volume|\bwal\b|segment files?|log_write|lps\b",
        "dns": r"no such host|enotfound|eai_again|servfail|nxdomain|getaddrinfo|name resolution|name or service not "
        r"known|\bdns\b|resolver|lookup .{1,120} on |unknownhost|could not resolve",
        "certificate": r"certificate|x509|\btls\b|\bssl\b|handshake|cert_|pkix|cipher",
        "permission": r"permission|access ?denied|forbidden|unauthori[sz]ed|\b40[13]\b|not authori[sz]ed|insufficient|"
        r"rbac|\biam\b|credential|invalid token|token (has )?expired|invalid signature|authenticat|privilege|scope",
        "connection": r"connection (refused|reset|closed|aborted|failure)|econn|unreachable|broken pipe|no route|socket|"
        r"disconnect|connect(ion)? (error|failed)|failed to connect|could not connect|upstream|unavailable|502|504",
        "lock": r"deadlock|lock|could not serialize|serialization failure|contention|conflict|\bcas\b|race|mutex|"
        r"transaction|optimistic|concurrent",
        "retry": r"retr(y|ies|ying)|attempts|backoff|budget|gave up|giving up|circuit|breaker",
        "missing": r"not found|does(n't| not) exist|no such (file|table|key|method|column|bucket|topic|index)|undefined|"
        r"unknown (column|table|topic|host|key|option|config)|nosuchmethod|modulenotfound|importerror|"
        r"classnotfound|unset|not set|no default|not (configured|defined|registered)|missing|required|\b404\b|empty",
        "duplicate": r"duplicate|unique (constraint|violation)|already (exists|processed)|double|twice|idempoten",
        "lag": r"\blag|backlog|oldest|redeliver|rebalanc|offset|unacked|not acking|behind|queue|stale|delay|freshness",
        "restart": r"restart|crash ?loop|back-?off|sigterm|sigkill|exit(ed)? (code|status)|liveness|readiness|probe|"
        r"not ready|uptime|terminated",
        "wrong": r"mismatch|incorrect|wrong|inconsisten|negative|discrepan|drift|checksum|unexpected|rounding|balance|"
        r"in the (future|past)|(is|are|was) (after|before|later than|earlier than)\b|out of (sequence|order|balance)|"
        r"does(n't| not) (match|add up)",
    }.items()
}

# --- edits: what a change did to the code or the configuration --------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Subject:
    """What a setting governs, by the words in its name, and what changing it can break."""

    words: re.Pattern[str]
    lowered: frozenset[str]
    """Symptoms of too little of it."""
    raised: frozenset[str]
    """Symptoms of too much of it."""
    slow: bool = False
    """Whether it takes its time to show."""


def _subject(words: str, lowered: str, raised: str, slow: bool = False) -> Subject:
    # Underscores and camelCase are taken apart before these are looked for.
    return Subject(
        re.compile(rf"\b(?:{words})", re.IGNORECASE), frozenset(lowered.split()), frozenset(raised.split()), slow
    )


SUBJECTS: Final[Mapping[str, Subject]] = {
    "timeout": _subject(
        r"time ?out|dead ?line|wait|lease|keep ?alive", "timeout connection retry lock", "pool overload lag timeout"
    ),
    "retries": _subject(
        r"retr|attempts?\b|back ?off|jitter|budget|delay|redeliver",
        "retry timeout lock connection",
        "overload load pool timeout retry connection",
    ),
    "pool": _subject(
        r"pool|conn(?:ection)?s?\b|workers?\b|threads?\b|concurren|parallel|permits?\b|semaphore|idle|consumers?\b",
        "pool timeout overload lag connection",
        "pool connection memory load lock overload",
    ),
    "cache": _subject(
        r"ttl|cache|expir|evict|max ?age|stale",
        "load overload timeout lag pool",
        "memory wrong lag",
        slow=True,
    ),
    "memory": _subject(
        r"(?:max ?)?mem(?:ory)?\b|heap|xm[xs]|buffer|entries|max ?size|capacity|retention|rotat",
        "memory restart overload pool timeout",
        "memory disk restart",
        slow=True,
    ),
    "processor": _subject(r"cpu|cores?\b|nice\b", "overload timeout load", "overload"),
    "batch": _subject(
        r"batch|chunk|page|prefetch|fetch|poll|max ?records|bulk|flush|linger",
        "lag load overload timeout",
        "memory timeout lag lock load overload",
    ),
    "limit": _subject(
        r"rate ?limit|limit|quota|throttl|burst|[rq]ps\b|max\b|cap\b",
        "overload permission pool memory",
        "overload load memory",
    ),
    "verbosity": _subject(
        r"(?:log )?level|verbos|debug|sampl|trace\b", "", "disk load timeout overload lag", slow=True
    ),
    "replicas": _subject(
        r"replicas?\b|instances\b|instance count|min available|surge|scal|hpa\b|shards?\b|partitions?\b",
        "overload timeout restart lag load",
        "pool connection load",
        slow=True,  # at the next peak
    ),
    "schedule": _subject(
        r"cron|schedule|interval|period|every\b|frequency",
        "load lock duplicate overload pool",
        "lag wrong disk memory",
        slow=True,
    ),
    "threshold": _subject(
        r"threshold|ratio|percent|circuit|breaker|tolerance|error rate|probe",
        "retry overload restart connection",
        "overload timeout",
    ),
    "length": _subject(r"length|len\b|size|bytes|width|digits|precision|scale", "parse wrong", "parse memory"),
    "address": _subject(
        r"url|uri|host|port\b|endpoint|address|domain|region|topic|queue|bucket|database|schema|path|server|broker",
        "connection dns missing lag timeout permission parse",
        "connection dns missing lag timeout permission parse",
    ),
    "encryption": _subject(
        r"tls|ssl|cipher|cert|verif|ca\b|protocol", "certificate connection permission", "certificate connection"
    ),
    "access": _subject(
        r"auth|token|scope|role|permission|(?:iam|access|security) ?polic|secret|credential|grant|acl|audience|issuer|allow|deny|cors|rbac|egress|ingress|network ?polic|selector|firewall|security ?group",
        "permission connection timeout",
        "permission connection timeout",
    ),
    "proxy": _subject(
        r"headers?\b|proxy|rewrite|redirect|upstream\b|cookie",
        "missing permission connection parse",
        "missing permission connection parse",
    ),
    "resolver": _subject(
        r"dns\b|resolv|name ?server|forward|ndots|core ?file|coredns",
        "dns connection timeout",
        "dns connection timeout",
    ),
    "time or text": _subject(
        r"time ?zone|tz\b|locale|utc|charset|encod|collat|date ?format",
        "parse wrong lag missing duplicate",
        "parse wrong lag missing duplicate",
    ),
}

GENERIC_SUBJECTS: Final = frozenset(("length", "limit", "address"))
"""Their words only say what is counted or where; another subject in the same name says of what."""

LIMITS_LOAD: Final = re.compile(
    r"limit|quota|throttl|burst|[rq]ps|request|inflight|in_flight|queue|open", re.IGNORECASE
)

MODES: Final = tuple(SUBJECTS[name] for name in ("encryption", "access", "address", "resolver", "time or text"))
"""Subjects whose numbers are no amounts: a port or a protocol version is right or wrong, however near."""

BY_TEN: Final = 1.0
"""Risk of a value that changed tenfold or by a unit: rarely meant."""
BY_HALF: Final = 0.75
"""Risk of a value that was halved or doubled, or more."""
BY_LITTLE: Final = 0.35
FLIPPED: Final = 0.8
"""A switch turned over, or a mode changed."""
SWITCHED_FLAG: Final = 0.55
"""What a flag switches is not known, but it is switched for everybody at once."""
OTHER_VALUE: Final = 0.55
OTHER_SETTING: Final = 0.7
"""Another value for a setting of which it is known what it governs."""
GUARD_REMOVED: Final = 0.95
SAFETY_REMOVED: Final = 0.8
"""A retry, lock, limit, close or transaction that is gone."""
RENAMED: Final = 0.85
"""A name that others rely on: fields on the wire, columns, keys of the configuration, variables of the environment."""
CALL_IN_LOOP: Final = 0.95
"""A call over the network or to a database for each element: one becomes N."""
WITHOUT_BOUND: Final = 0.7
CONDITION_CHANGED: Final = 0.6
MAJOR_VERSION: Final = 0.75
MINOR_VERSION: Final = 0.5
PATCH_VERSION: Final = 0.2
OTHER_IMAGE: Final = 0.6
"""Another base image: other libraries, another C library, other certificates, another user."""
OF_IMAGES: Final = frozenset(("missing", "crash", "restart", "permission", "certificate", "dns"))
DESTRUCTIVE_SQL: Final = 0.95
ALTERING_SQL: Final = 0.75
ADDING_SQL: Final = 0.3
NEW_CODE: Final = 0.3
REWRITTEN: Final = 0.35
SAME_MEANING: Final = 0.15
"""Taken away and put back in another order or shape, with the same names and values."""
UNSEEN: Final = 0.3
"""A change whose content is not known."""
MESSAGE_ONLY: Final = 0.5
"""Where all that can be known of a change is what its author wrote, that has to do."""
INERT: Final = 0.03
"""Comments, documents, tests, styles, log lines, the build's own settings: they run nowhere that could fail."""

INERT_PATH: Final = re.compile(
    r"(^|/)(docs?|documentation|tests?|__tests__|spec|specs|testdata|fixtures|__snapshots__|e2e|examples?|runbooks?|"
    r"\.github|\.circleci|\.gitlab|\.vscode|\.idea|storybook|staging|sandbox)/"
    r"|\.(md|mdx|txt|rst|adoc|css|scss|less|svg|png|jpe?g|gif|ico|woff2?|snap)$"
    r"|(_test|\.test|\.spec|_spec|Tests?|_fuzz_test)\.\w+$|(^|/)test_[\w]+\.py$"
    r"|(^|/)(license|codeowners|changelog|\.gitignore|\.gitlab-ci\.yml|\.golangci\.ya?ml|\.editorconfig|\.eslintrc[\w.]*|"
    r"\.prettierrc[\w.]*|\.pre-commit-config\.yaml|jenkinsfile)$"
)
"""Files that are not part of what runs in production."""

SHARED_PATH: Final = re.compile(
    r"(^|/)(pkg|packages|libs?|shared|common|core|internal|platform|config|proto|schemas?)/"
)
"""Where monorepos keep what several services load."""

MANIFEST: Final = re.compile(
    r"(^|/)(go\.mod|package(-lock)?\.json|pom\.xml|build\.gradle(\.kts)?|gradle\.properties|libs\.versions\.toml|"
    r"requirements[\w.-]*\.(txt|lock|in)|pyproject\.toml|poetry\.lock|pipfile|gemfile(\.lock)?|cargo\.toml|composer\.json|"
    r"[\w.]+\.csproj|directory\.packages\.props|mix\.exs|chart\.yaml|[\w.-]*dockerfile[\w.-]*|yarn\.lock|pnpm-lock\.yaml)$",
    re.IGNORECASE,
)
CONFIGURATION: Final = re.compile(
    r"\.(ya?ml|toml|ini|cfg|conf|properties|env|json|tf|tfvars|hcl|xml|config)$|(^|/)\.env[\w.]*$|application[\w-]*\.\w+$",
    re.IGNORECASE,
)

DENIES: Final = re.compile(
    r"\bkind:\s*(?:\w*NetworkPolicy|AuthorizationPolicy|PeerAuthentication|ResourceQuota|LimitRange|PodSecurity\w*)|policyTypes|"
    r"\bdeny\b|\bdenied\b|\bforbid|\bblock(?:ed|list)?\b|\bdrop\b|\breject\b",
    re.IGNORECASE,
)
"""Kinds of Kubernetes' and Istio's objects that take away what was allowed, and the words of firewalls and policies."""

SQL: Final = (
    (r"\bdrop\s+(table|column|index|constraint|view)|\btruncate\s+table", DESTRUCTIVE_SQL, "drops a {0}"),
    (r"\brename\s+(column|to|table)", DESTRUCTIVE_SQL, "renames a column or table"),
    (r"\badd\s+column\b.*\bnot\s+null|\bset\s+not\s+null|\balter\s+column|\bmodify\s+column", ALTERING_SQL,
     "alters a column in place"),
    (r"\badd\s+(?:constraint|foreign|unique)|\block\s+table|\bvacuum\s+full|\bupdate\s+\w+\s+set\b(?!.*\bwhere\b)",
     ALTERING_SQL, "takes a lock on a whole table"),
    (r"\bcreate\s+(?:unique\s+)?index\s+(?!concurrently)", ALTERING_SQL, "builds an index that blocks writes"),
    (r"\bcreate\s+(?:unique\s+)?index\s+concurrently|\badd\s+column|\bcreate\s+table", ADDING_SQL,
     "adds an index, a column or a table"),
)  # fmt: skip
"""Statements that alter a schema: what they look like, their risk, and what they do."""

GUARDS: Final = {
    "a check for missing values": (
        r"(?:==|!=|is|===|!==)\s*(?:not\s+)?(?:nil|null|none|undefined|nullptr)\b|\bis_?(?:null|none|empty|present|some)\b"
        r"|\?\.|\?\?|\.(?:isEmpty|IsNullOrEmpty|orElse|unwrap_or\w*|get_or_default|isPresent|ok_or\w*|blank|presence)\b"
        r"|\bif\s+(?:not\s+|!)\s*\w+|\breturn\s+(?:if|unless)\b|\blen\(\w+\)\s*[=<>]|\.length\s*[=<>]|\bOptional\b|hasOwnProperty|\bif\b.*\bin\s+\w+\s*[:{]"
        r"|@(?:Nullable|NotNull|Valid)",
        "crash parse missing wrong",
    ),
    "the handling of an error": (
        r"\b(?:catch|except|rescue|recover|on_error|onError|finally)\b|\berr(?:or)?\s*!=\s*nil|\.catch\(|\btry\b",
        "crash restart missing",
    ),
    "a check of the input": (
        r"\b(?:valid\w*|sanitiz\w*|assert\w*|ensure\w*|check\w*|verify\w*|require\w*)\s*\(|\braise\s+ValueError|"
        r"\bthrow\s+new\s+\w*(?:Argument|Validation)",
        "parse crash wrong",
    ),
}
"""What keeps one bad value or error from becoming an outage, and the symptoms of its loss."""

SAFETY: Final = {
    "a retry or its pause": (r"retr(?:y|ies)|back_?off|jitter|\bsleep\b|base_?delay", "retry timeout lock overload connection load"),
    "a time limit": (r"time_?out|deadline|\bcancel\b", "timeout pool overload lag memory"),
    "a lock or transaction": (
        r"\b(?:un)?lock\b|mutex|synchronized|transaction|\batomic|for update|semaphore|begin\b.*commit|advisory",
        "lock duplicate wrong crash",
    ),
    "the closing of something": (r"\bclose\(|\bdispose|\brelease\(|defer\s|\.free\(|\busing\s*\(|\bwith\s+open", "pool memory connection disk"),
    "a limit": (r"\blimit\b|max_?\w+|\bquota|throttl|rate_?limit|maximum|circuit|bulkhead|page_?size", "overload memory load pool timeout"),
    "a cache": (r"\bcache|memoiz", "load overload timeout"),
    "an index or filter": (r"\bindex\b|\bwhere\b|select_related|prefetch_related|includes?\(|join\b|batch", "load timeout"),
    "the reading in parts": (r"paginat|\bpages?\(|chunk|batch|fetch_?many|iter_?(?:rows|chunks|ator)|stream|\bcursor|\byield\b", "memory timeout load overload"),
    "the bringing into one form": (
        r"normali[sz]e|canonical|to_?lower|to_?upper|downcase|upcase|casefold|\.lower\(|\.upper\(|\btrim|strip\(|\bround|\bfloor|\bceil|clamp|"
        r"sanitiz|escape|dedup|distinct|unique\b",
        "missing wrong parse permission load duplicate",
    ),
    "a permission": (r"\ballow|grant|permission|\bscope|\brole\b|polic", "permission connection"),
    "the waiting for a result": (r"\bawait\b|\.join\(\)|\.wait\(|\.result\(\)|Wait\(\)", "wrong crash parse missing"),
    "an acknowledgement or idempotency check": (r"\back\b|acknowledg|idempot|dedup|already_?\w*|commit_?(?:sync|offset)", "duplicate lag wrong"),
}  # fmt: skip
"""What keeps a small trouble small, and the symptoms of its loss."""

STEP: Final = re.compile(
    r"\b(?:update|insert|delete|lock|acquire|release|commit|ack(?:nowledge)?|publish|send|save|write|open|close|begin|set\w*|"
    r"subscribe|register)\b.*[(]|\b(?:UPDATE|INSERT|DELETE|LOCK)\b",
    re.IGNORECASE,
)
"""What changes something outside: in another order it may find another state, or take locks the other way round."""

LOOP: Final = re.compile(
    r"\bfor\b|\bwhile\b|\bforeach\b|\.(?:map|forEach|each|flatMap)\b|\bfor_each\b|\.stream\(\)|\bloop\b"
)
REMOTE_CALL: Final = re.compile(
    r"(?:\.|\b|->)(?:get|fetch|find|query|select|load|lookup|read|call|send|request|exec(?:ute)?|invoke|list|post|put|"
    r"save|publish|open|connect|head)\w*\s*\(",
    re.IGNORECASE,
)
FAR_AWAY: Final = re.compile(
    r"client|repo(?:sitory)?|\bdb\b|\bdao\b|session|cursor|http|rpc|api|catalog|store|service|redis|cache|conn|await|ctx|"
    r"context|objects\.|sql",
    re.IGNORECASE,
)

# --- causes that are no change of ours ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Spoken:
    kind: str
    said: str
    pattern: re.Pattern[str]
    least_share: float
    """Of the weight of all log signs that has to be about it."""
    implicates: re.Pattern[str]
    """A change that is about the same thing is not excused by it."""


def _spoken(kind: str, said: str, pattern: str, least_share: float, implicates: str) -> Spoken:
    return Spoken(kind, said, re.compile(pattern, re.IGNORECASE), least_share, re.compile(implicates, re.IGNORECASE))


SPOKEN_CAUSES: Final = (
    _spoken(
        "dns", "names are not being resolved",
        r"no such host|enotfound|eai_again|servfail|nxdomain|getaddrinfo|name resolution|name or service not known|"
        r"unknownhost|could not resolve|server misbehaving|lookup \S+ on |no upstream nameservers|zero addresses",
        0.4, r"\bdns|resolv|nameserver|ndots|coredns|hostalias|searchdomain|bind9|dnsmasq|unbound",
    ),
    _spoken(
        "certificate", "a certificate has expired or is not trusted",
        r"certificate (has |is )?(expired|not yet valid|revoked)|cert_has_expired|expired certificate|"
        r"x509: certificate|notafter|certificate.{0,40}expired|unable to get (local )?issuer|"
        r"self.signed certificate|pkix path",
        0.3, r"\bcert|\btls\b|\bssl\b|issuer|truststore|keystore|\bca\b|cipher|x509",
    ),
    _spoken(
        "credential", "a credential or licence is refused or has run out",
        r"(token|credential|password|secret|key|licen[cs]e|subscription)s? (has |have |is )?(expired|revoked|lapsed)|"
        r"expired[ _]?(token|credential|licen|password|secret|key|session)|password authentication failed|login failed|"
        r"access denied for user|invalid (username|user name|password|credentials)|licen[cs]e (has )?(expired|invalid)",
        0.3, r"token|credential|secret|password|licen[cs]e|auth|key rotat|\biam\b",
    ),
    _spoken(
        "quota", "a provider's quota or rate limit is reached",
        r"quota (exceeded|reached|exhausted)|rate ?exceeded|throttlingexception|toomanyrequestsexception|"
        r"resource_exhausted|limit ?exceeded|rate ?limit(ed)? (by|exceeded|reached)|provisionedthroughput|"
        r"request limit|over quota|\bsend limit|account limit",
        0.35, r"retr|batch|poll|concurren|parallel|rate|quota|limit|interval|cache|loop|schedule|cron|interval",
    ),
    _spoken(
        "host", "the machine, the zone or a neighbour on it is in trouble",
        r"cpu ?steal|steal time|noisy|nodenotready|node .{0,40}(not ?ready|unreachable|lost)|spot (instance )?"
        r"(interruption|terminat)|preempt(ed|ion|ible)|rebalance recommendation|i/o error|medium error|smart .{0,20}fail|"
        r"bad (sector|block)|ecc error|hardware error|mce:|disk (failure|failed)|remounting .{0,30}read-only|raid|"
        r"iowait|io ?wait|disk.?pressure|noisy neighbou?r|availability zone|power|link (is )?down|nic |kernel: |"
        r"blk_update_request|buffer i/o|zone .{0,20}(outage|impair|unavail)|throttled by hypervisor|"
        r"burst (balance|credit)|volume .{0,30}(degraded|impaired)",
        0.3, r"node ?(pool|selector|group)|affinity|toleration|instance ?type|spot|preempt|storage ?class|volume|"
             r"resources?:|cron|schedule|batch",
    ),
    _spoken(
        "clock", "a clock is wrong",
        r"clock (skew|drift|offset|jump)|time (drift|skew)|\bntp|chrony|leap second|timestamp .{0,40}in the future|"
        r"requesttimetooskewed|not yet valid|not valid yet|before issued|issued in the future",
        0.3, r"\bntp|chrony|clock|time ?zone|\btz\b|timestamp",
    ),
    _spoken(
        "late data", "what others deliver is late or missing",
        r"(feed|file|partition|batch|export|delivery|upstream data|dataset|drop|snapshot|extract).{0,50}(late|missing|not "
        r"(found|arrived|available|received)|absent|overdue|stale|delayed)|(waiting for|no new) .{0,40}(file|feed|"
        r"partition|data|upload|snapshot)|last (file|update|snapshot|delivery) .{0,40}(ago|old)",
        0.3, r"schedule|cron|path|bucket|prefix|feed|partition|sftp|\bs3\b|glob|pattern|date",
    ),
)  # fmt: skip

PLATFORM_SAYS: Final = re.compile(
    r"(OOMKilled|OOMKilling|SystemOOM|Evicted|Unschedulable|FailedScheduling|NodeNotReady|FailedMount|FailedAttachVolume"
    r"|ImagePullBackOff|ErrImagePull|InvalidImageName|CreateContainerConfigError|CreateContainerError|FailedCreate): "
)
"""How what Kubernetes ended or does not let start is told (`worker.kubernetes_objects`)."""

OTHER_CAUSES: Final = {
    "platform": re.compile(r""),  # it excuses no change
    "traffic": re.compile(
        r"retr|backoff|poll|interval|cache|ttl|loop|cron|schedule|replica|scal|limit|pool|batch", re.I
    ),
    "provider": re.compile(
        r"time_?out|url|endpoint|host|client|egress|proxy|firewall|token|key|api.?version|auth", re.I
    ),
    "bad data": re.compile(
        r"schema|serial|valid|pars|decod|encod|format|field|column|struct|required|null|nil|none", re.I
    ),
}

REQUESTS: Final = re.compile(
    r"request|\brps|_rps|qps|hits|visits|sessions|new_connections|traffic|logins|page_?views|inbound|ingress|"
    r"(messages|events|records)_(in|received)",
    re.IGNORECASE,
)
NO_REQUESTS: Final = re.compile(
    r"error|fail|5xx|4xx|duration|latency|p9\d|quer|cancel|reject|_age|queue|retr|outbound|log_", re.IGNORECASE
)
OVERLOADED: Final = re.compile(
    r"overload|shedding|saturat|queue(d|s)? ?(full|depth)?|too many requests|request volume|capacity|autoscal|429|503|"
    r"rate limit|traffic|surge|spike|bot|crawler",
    re.IGNORECASE,
)

# Only names that end in a domain of the public DNS: methods, files and cluster names have dots too.
HOST: Final = re.compile(
    r"(?<![\w.@-])((?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?:com|net|org|io|dev|cloud|co|ai|app|gov|edu|eu|us|uk|de|fr|nl|"
    r"jp|cn|in|br|au|ca|ch|se|es|it|info|biz|tech|online|store|site|me|tv|cc|so|sh|gg|ly|test|example|invalid))(?![\w-]|\.\w)"
)
REFUSED: Final = re.compile(
    r"\b(5\d\d|429)\b|time[ds]?[ -]?out|refused|unavailable|reset|unreachable|bad gateway|service error|outage|"
    r"deadline|internal server error|degraded|incident|maintenance",
    re.IGNORECASE,
)

RECORD: Final = re.compile(
    r"\b([a-z_.]*(?:id|offset|key|tenant|customer|account|record|message|msg|file|row|document|doc|event|sku|object|batch|"
    r"partition|order|user|producer)[a-z_]*)\s*[=:#]\s*[\"']?([\w./:@-]{3,80})",
    re.IGNORECASE,
)
NOT_RECORDS: Final = re.compile(
    r"trace|span|request|req_?id|correlation|session|thread|pid|build|node|pod|container|host", re.I
)
UNFIT: Final = re.compile(
    r"valid|pars|decod|deserial|malformed|out of range|corrupt|unexpected|poison|redeliver|same offset|stuck|encoding|"
    r"overflow|too (large|long)|not a number|convert|illegal|reject|bad record|dead.?letter|invalid",
    re.IGNORECASE,
)
