"""Writes the invented incidents out as case folders."""

import sys
from pathlib import Path

from tests.cases.invented import INCIDENTS

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tests.cases.invented FOLDER")
    for incident in INCIDENTS:
        incident.write(Path(sys.argv[1]))
