"""`whydown doctor`: asks everything that is configured, all at once, and says what is wrong and what to do."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Final, Literal

from shared.errors import WhydownError
from shared.moment import Deadline, DeadlineExceeded
from shared.redaction.installed import redactor
from shared.registry import UnknownName
from whydown.probes import NotConfigured, Probe, probes
from worker.inquiry import SourceFailure
from worker.llm import ModelFailure
from worker.notifiers import PushFailure

_PROBE_SECONDS: Final = 10.0
_GRACE_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one probe."""

    state: Literal["ok", "FAIL", "-"]
    name: str
    detail: str
    millis: int | None = None

    def line(self) -> str:
        """As it is printed."""
        millis = f"{self.millis} ms" if self.millis is not None else ""
        return f"{self.state:5}{self.name:22}{millis:>9}  {self.detail}".rstrip()


def run() -> int:
    """Prints a line for each thing that was asked. Gives the exit status: 1 when something does not work."""
    findings = examine(dict(probes()))
    for finding in findings:
        print(finding.line())
    return 1 if any(finding.state == "FAIL" for finding in findings) else 0


def examine(asked: dict[str, Probe], seconds: float = _PROBE_SECONDS, grace: float = _GRACE_SECONDS) -> list[Finding]:
    """What came of the probes, run side by side, in their order. One that is `grace` late is left behind."""
    findings: dict[str, Finding] = {}

    def ask(name: str, probe: Probe) -> None:
        findings[name] = _ask(name, probe, Deadline.after(seconds))

    threads = [threading.Thread(target=ask, args=item, daemon=True) for item in asked.items()]
    for thread in threads:
        thread.start()
    end = Deadline.after(seconds + grace)
    for thread in threads:
        thread.join(0 if end.passed() else end.remaining())
    return [findings.get(name) or Finding("FAIL", name, f"no answer within {seconds:g} s") for name in asked]


def _ask(name: str, probe: Probe, deadline: Deadline) -> Finding:
    began = time.monotonic()
    state: Literal["ok", "FAIL", "-"] = "FAIL"
    try:
        detail, state = probe(deadline), "ok"
    except NotConfigured as missing:
        return Finding("-", name, f"not configured: {missing}")
    except (WhydownError, UnknownName, SourceFailure, ModelFailure, PushFailure, DeadlineExceeded) as failure:
        detail = str(failure)
    except Exception as failure:  # noqa: BLE001 - a doctor that dies of one patient helps none
        first_line = str(failure).partition("\n")[0]  # a database's failures go on with the statement
        detail = f"{type(failure).__name__}: {first_line}"
    # A server's answer may quote what it was asked with.
    return Finding(state, name, redactor().text(detail), round((time.monotonic() - began) * 1000))
