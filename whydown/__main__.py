"""`whydown`, and `python -m whydown`."""

from __future__ import annotations

import sys

from shared.errors import WhydownError
from shared.registry import UnknownName
from whydown.commands import cli


def main() -> None:
    """Runs the command line. What a person can mend is said in one line, with exit status 2."""
    try:
        cli(prog_name="whydown")
    except (WhydownError, UnknownName) as problem:
        print(f"whydown: {problem}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
