"""How bad a line says it is, in the formats of many programs."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from worker.inquiry import LogLine
from worker.investigation.severity import level_of
from worker.log_text.lines import entries


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("finished with 0 errors", "info"),
        ("error_count=0 served=12", "info"),
        ("errors: 0, warnings: 0", "info"),
        ('{"msg":"scan done","failed":0}', "info"),
        ("retry succeeded after error", "info"),
        ("recovered from connection error", "info"),
        ("request succeeded on attempt 3, previous attempts failed", "info"),
        ("error_count=3 served=12", "error"),
        ("retry failed after error", "error"),
        ("no error handler for timeout: request failed", "error"),
        ("error: no such host", "error"),
        ('10.0.0.1 - - [23/Nov/2026:03:12:00 +0000] "GET /error HTTP/1.1" 200 17', "info"),
        ('10.0.0.1 - - [23/Nov/2026:03:12:00 +0000] "GET /x HTTP/1.1" 503 17', "error"),
        ("2m30s Warning  BackOff  pod/pay-1  Back-off restarting failed container", "warning"),
        ("Warning  FailedScheduling  default-scheduler  0/3 nodes are available", "warning"),
        ("Normal  Pulled  kubelet  Successfully pulled image", "info"),
        ("2026-11-23 03:12:00.123 UTC [88] ERROR:  deadlock detected", "error"),
        ("2026-11-23 03:12:00.123 UTC [88] FATAL:  password authentication failed", "error"),
        ("2026-11-23 03:12:00.123 UTC [88] LOG:  could not receive data: Connection reset, timed out", "info"),
        ("2026-11-23 03:12:00.123 UTC [88] WARNING:  there is no transaction in progress", "warning"),
        ("2026/11/23 03:12:00 [error] 31#31: *1 connect() failed (111: Connection refused)", "error"),
        ("2026/11/23 03:12:00 [notice] 31#31: signal process started after error", "info"),
        ("2026-11-23 03:12:00 WARN  c.a.Pool - slow\njava.sql.SQLException: late\n\tat A.b(A.java:1)", "warning"),
        ("fail: Microsoft.AspNetCore.Server.Kestrel[13]", "error"),
        ("crit: Microsoft.AspNetCore.Hosting[6]", "error"),
        ("info: Microsoft.Hosting.Lifetime[0] the failed ones are gone", "info"),
        ('time="2026-11-23T03:12:00Z" level=error msg="boom"', "error"),
        ('time="2026-11-23T03:12:00Z" level=info msg="failed over to b"', "info"),
        ("<3>kernel: out of memory", "error"),
        ("<4>kernel: hot", "warning"),
        ("<6>kernel: device failed over", "info"),
        ("<11>1 2026-11-23T03:12:00Z host app - - - boom", "error"),
        ("CRITICAL:root:boom", "error"),
        ('{"level":50,"msg":"boom"}', "error"),
        ('{"level":40,"msg":"boom"}', "warning"),
        ('{"level":30,"msg":"error page served"}', "info"),
        ('{"severityNumber":17,"body":"boom"}', "error"),
        ('{"SeverityNumber":9,"Body":"an error page"}', "info"),
        ('{"PRIORITY":"3","MESSAGE":"boom"}', "error"),
        ("E1123 03:12:00.000001 1 x.go:1] boom", "error"),
        ("88:M 23 Nov 2026 03:12:00.000 # WARNING overcommit_memory is set to 0", "warning"),
        ("2026-11-23T03:12:00.000000Z 0 [ERROR] [MY-010123] [Server] boom", "error"),
        ("E, [2026-11-23T03:12:00 #1] ERROR -- : boom", "error"),
        ("errorHandler registered", "info"),
        ("loaded /etc/errors.conf", "info"),
    ],
)
def test_levels_of_many_programs(text: str, level: str) -> None:
    (entry,) = entries(text.split("\n"), datetime(2026, 11, 23, 3, 12, tzinfo=UTC))
    assert level_of(LogLine("x", entry.text, entry.at, entry.level)) == level
