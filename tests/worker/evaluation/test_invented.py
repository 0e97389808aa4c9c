"""Invented incidents of many kinds, as case folders: what is answered, and that the clock of a decoy has no say."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from shared.settings import Investigation
from tests.cases.invented import INCIDENTS
from tests.cases.invented.incident import Incident
from worker.evaluation.answers import Score, answer, score

BY_ID = {incident.id: incident for incident in INCIDENTS}


def scored(incident: Incident, folder: Path) -> Score:
    return score(answer(incident.write(folder), Investigation(), None, 1.0))


@pytest.mark.parametrize("name", BY_ID)
def test_the_cause_is_named_and_no_decoy_even_if_it_went_live_just_before_the_onset(name: str, tmp_path: Path) -> None:
    incident = BY_ID[name]
    first = scored(incident, tmp_path / "as it was")
    told = [(each.id, each.score, each.reasons) for each in first.answer.case.brief.suspects]
    assert (first.answer.suspect, first.decoy) == (incident.guilty, False), told
    onset = first.answer.case.brief.onset
    assert onset is not None
    begin = (onset - timedelta(seconds=40) - first.answer.case.started_at) / timedelta(minutes=1)
    moved = [
        replace(each, at=begin, deployed=begin if each.deployed is not None else None) if each.part == "decoy" else each
        for each in incident.changes
    ]
    again = scored(replace(incident, changes=tuple(moved)), tmp_path / "decoys moved")
    told = [(each.id, each.score, each.reasons) for each in again.answer.case.brief.suspects]
    assert again.answer.suspect == incident.guilty, told


def test_the_truths_are_of_the_invented_changes() -> None:
    assert len(BY_ID) == len(INCIDENTS) >= 12
    without_change = [incident.id for incident in INCIDENTS if incident.guilty is None]
    assert len(without_change) >= 5
    for incident in INCIDENTS:
        assert sum(each.part == "guilty" for each in incident.changes) + sum(f.guilty for f in incident.flags) <= 1
        assert sum(each.part == "decoy" for each in incident.changes) >= 2
