"""Changes as facts: commits, deploys and comparisons, bounded so that a model can read them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.deploy import Deploy
from shared.incident import Fact
from shared.moment import rfc3339
from worker.printable import clipped, printable

BEFORE_ALERT: Final = 25
"""Commits of one repository before the alert."""
AFTER_ALERT: Final = 5
"""Commits of one repository after the alert: they can only be exculpated, and must not crowd out the others."""
BEFORE_WINDOW: Final = 5
"""Commits from before the window when it holds none: "the last change was 12 days ago" is an answer too."""
MAX_FILES: Final = 30
MAX_DIFF_BYTES: Final = 8 * 1024
_MAX_MESSAGE_BYTES: Final = 2 * 1024
_MAX_MESSAGE_LINES: Final = 40
_MAX_LINE: Final = 400
_MAX_PATH: Final = 300
_MAX_NAME: Final = 120
_MAX_COMPARED: Final = 50
_CUT_NOTE: Final = 64
"""Bytes kept free for the note that says how much was cut."""


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """One file of a commit."""

    path: str
    added: int | None
    """Lines added; None for a binary file."""
    removed: int | None
    patch: str = ""
    """Unified diff from its first `@@` on; empty when there is none or it was not fetched."""


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit as its source tells it."""

    sha: str
    at: datetime
    """The committer's date: when it came onto the branch, as far as git knows."""
    author: str
    message: str
    files: tuple[ChangedFile, ...] = ()
    more_files: str | None = None
    """How many files are beyond `files`, in words, when the source knows of more."""
    without_diff: str | None = None
    """Why there is no diff."""


def commit_fact(
    source: str, commit: Commit, *, service: str, repository: str, url: str | None, before_window: bool = False
) -> Fact:
    """The commit as a fact. `url` is its page, when known."""
    author = _name(commit.author)
    message = _message(commit.message)
    listed = commit.files[:MAX_FILES]
    diff = trimmed_diff(listed)
    lines = [f"commit {commit.sha[:7]} at {rfc3339(commit.at)} by {author}: {message}"]
    if listed:
        lines.append(f"files: {_files(commit)}")
    if commit.without_diff:
        lines.append(f"[no diff: {commit.without_diff}]")
    if diff:
        lines.append(diff)
    data = {
        "sha": commit.sha,
        "shortSha": commit.sha[:7],
        "message": message,
        "author": author,
        "files": [{"path": _path(file), "added": file.added, "removed": file.removed} for file in listed],
        "diff": diff,
        "repository": repository,
        "beforeWindow": before_window,
    }
    return Fact(source=source, kind="commit", service=service, at=commit.at, text="\n".join(lines), url=url, data=data)


def deploy_fact(
    source: str,
    deploy: Deploy,
    *,
    status: str | None = None,
    before_window: bool = False,
    repository: str | None = None,
) -> Fact:
    """The deploy as a fact. `status` is how it ended, where the source knows."""
    version, commit, environment, actor, status = (
        _name(part) if part else None
        for part in (deploy.version, deploy.commit, deploy.environment, deploy.actor, status)
    )
    action = _name(deploy.action)
    words = [
        f"deploy of {_name(deploy.service)}",
        version,
        f"(commit {_short(commit)})" if commit else None,
        f"to {environment}" if environment else None,
        f"at {rfc3339(deploy.started_at)}",
        f"by {actor}" if actor else None,
    ]
    ending = [word for word in (action if action != "deployed" else None, status) if word]
    text = " ".join(word for word in words if word) + (f": {', '.join(ending)}" if ending else "")
    data = {
        "version": version,
        "commit": commit,
        "environment": environment,
        "status": status,
        "actor": actor,
        "action": action,
        "repository": repository,
        "beforeWindow": before_window,
    }
    return Fact(
        source=source, kind="deploy", service=deploy.service, at=deploy.started_at, text=text, url=deploy.url, data=data
    )


def flag_fact(source: str, switched: Deploy) -> Fact:
    """The switching of a flag as a fact."""
    flag, change, service, actor = (
        _name(part) if part else "" for part in (switched.flag, switched.change, switched.service, switched.actor)
    )
    words = ("flag", flag, service and f"of {service}", "switched", change, f"at {rfc3339(switched.started_at)}")
    text = " ".join(word for word in (*words, actor and f"by {actor}") if word)
    data = {"flag": flag, "change": change}
    return Fact(
        source=source,
        kind="flag",
        service=service or None,
        at=switched.started_at,
        text=text,
        url=switched.url,
        data=data,
    )


def compare_fact(
    source: str, deploy: Deploy, base: str, commits: Sequence[Commit], total: int, *, repository: str, url: str | None
) -> Fact:
    """Which commits `deploy` brought out over the deploy of `base`, newest first; `total` counts those beyond them."""
    shown = commits[:_MAX_COMPARED]
    head = deploy.commit or ""
    title = f"the deploy of {_name(deploy.service)} at {rfc3339(deploy.started_at)} brought out {total} commits"
    lines = [f"{title} ({_short(base)}..{_short(head)}):"]
    lines += [
        f"- {commit.sha[:7]} at {rfc3339(commit.at)} by {_name(commit.author)}: {_subject(commit.message)}"
        for commit in shown
    ]
    if total > len(shown):
        lines.append(f"[{total - len(shown)} more commits]")
    data = {
        "base": base,
        "head": head,
        "commits": [commit.sha for commit in shown],
        "total": total,
        "repository": repository,
    }
    return Fact(
        source=source,
        kind="compare",
        service=deploy.service,
        at=deploy.started_at,
        text="\n".join(lines),
        url=url,
        data=data,
    )


def nothing_new(since: datetime, earlier: Sequence[Commit]) -> str:
    """For the coverage report: that no commit lies between `since` and the alert, and of when the newest before is."""
    newest = f"the newest before is of {rfc3339(earlier[0].at)}" if earlier else "and none is known before"
    return f"no commit between {rfc3339(since)} and the alert, {newest}"


def trimmed_diff(files: Sequence[ChangedFile], max_bytes: int = MAX_DIFF_BYTES) -> str:
    """The files' diffs as one, within `max_bytes` of UTF-8.

    Each file may take an equal share, and small files leave what they do not need to the large. A file over its share
    loses first its context lines, then the end of its changed lines, with a note that says how many.
    """
    sections = [_section(file) for file in files if file.patch]
    shares = _shares([_size(section) for section in sections], max_bytes - _CUT_NOTE)
    kept = [fitted for section, share in zip(sections, shares, strict=True) if (fitted := _fitted(section, share))]
    if len(kept) < len(sections):
        kept.append(f"[the diffs of {len(sections) - len(kept)} more files]")
    return "\n".join(kept)


def _section(file: ChangedFile) -> list[str]:
    body = printable(file.patch).rstrip("\n").split("\n")
    lines = [
        line if len(line) <= _MAX_LINE else f"{line[:_MAX_LINE]} [{len(line) - _MAX_LINE} more characters]"
        for line in body
    ]
    return [f"--- a/{_path(file)}", f"+++ b/{_path(file)}", *lines]


def _size(lines: Sequence[str]) -> int:
    return sum(len(line.encode()) + 1 for line in lines)


def _shares(sizes: list[int], total: int) -> list[int]:
    """`total` divided so that everybody gets what they ask for or the same as all others who did not."""
    shares = [0] * len(sizes)
    left = total
    for served, index in enumerate(sorted(range(len(sizes)), key=sizes.__getitem__)):
        shares[index] = min(sizes[index], left // (len(sizes) - served))
        left -= shares[index]
    return shares


def _fitted(section: list[str], share: int) -> str | None:
    """The section within `share` bytes; None when not even one changed line fits."""
    if _size(section) <= share:
        return "\n".join(section)
    header, body = section[:2], [line for line in section[2:] if line[:1] in ("@", "+", "-")]
    kept: list[str] = []
    left = share - _size(header) - _CUT_NOTE
    for line in body:
        left -= _size([line])
        if left < 0:
            break
        kept.append(line)
    if not _changed(kept):
        return None
    cut = _changed(body) - _changed(kept)
    note = [f"[{cut} more changed lines]"] if cut else []
    return "\n".join([*header, *kept, *note])


def _changed(lines: Sequence[str]) -> int:
    return sum(line[:1] in ("+", "-") for line in lines)


def _files(commit: Commit) -> str:
    listed = commit.files[:MAX_FILES]
    names = [
        f"{_path(file)} (binary)" if file.added is None else f"{_path(file)} (+{file.added} -{file.removed})"
        for file in listed
    ]
    more = len(commit.files) - len(listed)
    rest = commit.more_files or (f"{more} more files" if more else None)
    return ", ".join(names) + (f", and {rest}" if rest else "")


def _message(message: str) -> str:
    lines = printable(message).strip().split("\n")
    shown = clipped("\n".join(lines[:_MAX_MESSAGE_LINES]), _MAX_MESSAGE_BYTES)
    cut = len(lines) - shown.count("\n") - 1
    return f"{shown}\n[{cut} more lines]" if cut else shown


def _subject(message: str) -> str:
    return _name(message.strip().partition("\n")[0])


def _path(file: ChangedFile) -> str:
    return printable(file.path).replace("\n", " ")[:_MAX_PATH]


def _name(text: str) -> str:
    """`text` as a part of a line."""
    return " ".join(printable(text).split())[:_MAX_NAME]


def _short(sha: str) -> str:
    return sha[:7] if len(sha) >= 40 else sha
