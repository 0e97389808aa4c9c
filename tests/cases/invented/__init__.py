"""Incidents of kinds that the recorded ones are not, invented with their truth first.

`python -m tests.cases.invented FOLDER` writes them out as case folders for `whydown eval`.
"""

from tests.cases.invented import distant, programs, storage, surroundings, unobtrusive
from tests.cases.invented.incident import Incident

INCIDENTS: tuple[Incident, ...] = (
    *storage.INCIDENTS,
    *surroundings.INCIDENTS,
    *programs.INCIDENTS,
    *distant.INCIDENTS,
    *unobtrusive.INCIDENTS,
)
