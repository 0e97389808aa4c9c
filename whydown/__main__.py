"""`whydown`, and `python -m whydown`."""

from __future__ import annotations

import os
import sys
from typing import Final

from shared.errors import WhydownError
from shared.registry import UnknownName
from whydown.commands import cli

_UNUSED: Final = ("rich",) if any(name.startswith("OTEL_") for name in os.environ) else ("rich", "opentelemetry")
"""What structlog (for terminals) and redis (for its own metrics) load wherever it happens to be installed: megabytes of
each process and a tenth of a second of its start, for nothing that is used here.
"""


def main() -> None:
    """Runs the command line. What a person can mend is said in one line, with exit status 2."""
    for name in _UNUSED:
        # Then it counts as not installed: https://docs.python.org/3/reference/import.html#the-module-cache
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
    try:
        cli(prog_name="whydown")
    except (WhydownError, UnknownName) as problem:
        print(f"whydown: {problem}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
