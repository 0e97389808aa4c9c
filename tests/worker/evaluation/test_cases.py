"""Incidents with a known truth: what is answered, and that names and clocks have no say in it."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from shared.settings import Investigation
from worker.evaluation.answers import Answer, answer, folders, score
from worker.evaluation.case_folder import BadCase

CASES = Path(__file__).parents[2] / "cases" / "rootcausebench"
FOLDERS = folders(CASES)


def answered(folder: Path) -> Answer:
    return answer(folder, Investigation(), None, 1.0)


def test_the_brief_answers_nearly_all_and_names_no_decoy() -> None:
    scores = [score(answered(folder)) for folder in FOLDERS]
    assert len(scores) == 10
    assert [each.answer.id for each in scores if each.decoy] == []
    assert len([each.answer.id for each in scores if each.passed]) >= 8


def test_the_truth_is_not_read_before_the_answer(tmp_path: Path) -> None:
    folder = shutil.copytree(FOLDERS[0], tmp_path / "case")
    (folder / "truth.json").unlink()
    assert answered(folder).suspect == answered(FOLDERS[0]).suspect
    with pytest.raises(BadCase, match=r"truth\.json"):
        score(answered(folder))


def rewritten(file: Path, disguise: Callable[[str], str]) -> str:
    """The file with every text in it disguised; in JSON the values, for an escape is no part of a name."""

    def walk(value: object) -> object:
        if isinstance(value, list):
            return [walk(each) for each in value]
        if isinstance(value, dict):
            return {key: walk(each) for key, each in value.items()}
        return disguise(value) if isinstance(value, str) else value

    lines = file.read_text().splitlines() if file.suffix == ".jsonl" else [file.read_text()]
    if file.suffix == ".csv":
        return disguise(lines[0])
    return "\n".join(json.dumps(walk(json.loads(line))) for line in lines)


def renamed_services(folder: Path) -> Callable[[str], str]:
    """Gives every service another name of its own."""
    listed = json.loads((folder / "catalog.json").read_text())["services"]
    names = sorted((each["name"] for each in listed), key=len, reverse=True)
    new = {name: f"unit{chr(97 + place)}{place}x" for place, name in enumerate(names)}
    bare = {re.sub(r"[-_.]?(service|svc|server|api|\d+)$", "", name): fresh for name, fresh in new.items()}
    forms = sorted({**bare, **new}.items(), key=lambda item: -len(item[0]))
    # In paths and prose the bare name is a word of its own; letters next to it belong to another word.
    pattern = re.compile("|".join(rf"(?<![A-Za-z]){re.escape(name)}(?![A-Za-z])" for name, _ in forms))
    table = dict(forms)
    return lambda text: pattern.sub(lambda found: table[found[0]], text)


def renamed_identifiers(folder: Path) -> Callable[[str], str]:
    """Gives a handful of identifiers that code and errors share another name each, everywhere."""
    told = "\n".join(each["diff"] or "" for each in json.loads((folder / "commits.json").read_text()))
    found = sorted(set(re.findall(r"\b[a-z]+[A-Z][a-z]+[A-Za-z]*\b", told)))
    # Names of the language's own library would not be renamed by anybody.
    own = [
        name
        for name in found
        if f".{name}" not in told and not re.search(r"[Tt]ime|[Rr]etr|[Cc]ach|[Ll]og|[Ll]imit", name)
    ]
    table = {name: f"{'q' + name[0].upper() + name[1:]}" for name in random.Random(7).sample(own, min(10, len(own)))}  # noqa: S311
    if not table:
        return lambda text: text
    pattern = re.compile(r"\b(" + "|".join(map(re.escape, table)) + r")\b")
    return lambda text: pattern.sub(lambda match: table[match[0]], text)


def shifted_clock(folder: Path) -> Callable[[str], str]:
    """Moves everything by the same eleven days, five hours and seven minutes."""
    shift = timedelta(days=-11, hours=-5, minutes=-7)

    def moved(match: re.Match[str]) -> str:
        return (datetime.fromisoformat(match[1]) + shift).isoformat() + (match[2] or "") + "Z"

    return lambda text: re.sub(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?Z", moved, text)


@pytest.mark.parametrize("change", [renamed_services, renamed_identifiers, shifted_clock])
def test_names_and_clocks_change_no_verdict(change: Callable[[Path], Callable[[str], str]], tmp_path: Path) -> None:
    for folder in FOLDERS:
        before = answered(folder)
        copy = tmp_path / folder.name
        disguise = change(folder)
        for file in folder.rglob("*.*"):
            # Of the files only the logs are named after services.
            named = disguise(file.name) if file.parent.name == "logs" else file.name
            target = copy / file.parent.relative_to(folder) / named
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(rewritten(file, disguise))
        after = answered(copy)
        assert (after.suspect, after.case.brief.verdict) == (before.suspect, before.case.brief.verdict), folder.name


def test_timing_alone_does_not_raise_a_decoy(tmp_path: Path) -> None:
    """Every decoy is deployed in the minute before the trouble begins: the answers stay what they were."""
    for folder in FOLDERS:
        before = answered(folder)
        truth = json.loads((folder / "truth.json").read_text())
        copy = shutil.copytree(folder, tmp_path / folder.name)
        assert before.case.brief.onset is not None
        just_before = (before.case.brief.onset - timedelta(seconds=40)).strftime("%Y-%m-%dT%H:%M:%SZ")
        for name, sha, when in (("commits.json", "sha", "timestamp"), ("deployments.json", "commit", "startedAt")):
            changes = json.loads((copy / name).read_text())
            for each in changes:
                if each[sha] in truth["decoy_commits"]:
                    each[when] = just_before
            (copy / name).write_text(json.dumps(changes))
        assert answered(copy).suspect == before.suspect, folder.name
