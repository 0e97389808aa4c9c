"""Commits in local git checkouts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Final, Self

from shared.incident import Fact
from shared.moment import Deadline
from worker.each_target import each_target
from worker.inquiry import Gathered, Inquiry, SourceFailure, Target, Window
from worker.repositories.changes import (
    AFTER_ALERT,
    BEFORE_ALERT,
    BEFORE_WINDOW,
    MAX_FILES,
    ChangedFile,
    Commit,
    commit_fact,
    nothing_new,
)
from worker.repositories.git_checkouts import Checkout, Checkouts, Config
from worker.repositories.github_access import Config as GithubConfig

SOURCE: Final = "changes.git"
_MAX_LOG_BYTES: Final = 1024 * 1024
_MAX_COMMIT_BYTES: Final = 512 * 1024
_FIELDS: Final = 5
_FORMAT: Final = "--format=%H%x00%P%x00%ct%x00%an%x00%B%x00"
_DIFF: Final = (
    "diff-tree",
    "-r",
    "-M",
    "--root",
    "--no-commit-id",
    "--numstat",
    "-p",
    "-z",
    "--no-ext-diff",
    "--no-textconv",
)


class GitChanges:
    """Reads the commits around the alert from WHYDOWN_REPOSITORIES."""

    configure: ClassVar[str] = "WHYDOWN_REPOSITORIES (a folder of local git checkouts, <owner>/<repo> or <repo>)"

    def __init__(self, repositories: Path, web_url: str = "https://github.com") -> None:
        """`repositories` is the folder of checkouts; `web_url` is what links to commits start with."""
        self._checkouts = Checkouts(repositories)
        self._web_url = web_url

    @classmethod
    def from_settings(cls) -> Self | None:
        """Configured by WHYDOWN_REPOSITORIES."""
        folder = Config.read().repositories
        return cls(folder, GithubConfig.read().web_url) if folder else None

    def gather(self, inquiry: Inquiry, deadline: Deadline) -> Gathered:
        """The commits of every target's checkout, newest first; a missing checkout is told in the detail."""
        window = inquiry.scope.window
        return each_target(inquiry.scope.targets, lambda target: self._look(target, window, deadline))

    def probe(self, deadline: Deadline) -> str:
        """Counts the checkouts and runs git once."""
        count = self._checkouts.count()
        version = Checkout("WHYDOWN_REPOSITORIES", Path("/")).run("version", deadline=deadline, max_bytes=100)
        return f"{count} checkouts, {version.decode(errors='replace').strip()}"

    def _look(self, target: Target, window: Window, deadline: Deadline) -> Gathered:
        checkout = self._checkouts.find(target)
        if checkout is None:
            return Gathered(detail=f"no checkout WHYDOWN_REPOSITORIES/{(target.repository or target.service)[:128]}")
        since, alert, until = (int(at.timestamp()) for at in (window.changes_since, window.alert_at, window.until))
        history = _History(checkout, deadline)
        before, more = history.commits(since, alert, BEFORE_ALERT)
        after, more_after = history.commits(alert + 1, until, AFTER_ALERT) if until > alert else ([], 0)
        earlier = [] if before else history.commits(0, since - 1, BEFORE_WINDOW)[0]
        details = [f"{more + more_after} more commits in the window left out"] if more or more_after else []
        if not before:
            details.append(nothing_new(window.changes_since, earlier))
        if history.shallow:
            details.append("a shallow clone: older commits are not here")
        facts = [self._fact(commit, checkout, target) for commit in (*after, *before)]
        facts += [self._fact(commit, checkout, target, before_window=True) for commit in earlier]
        return Gathered(facts=tuple(facts), detail=", ".join(details) or None)

    def _fact(self, commit: Commit, checkout: Checkout, target: Target, before_window: bool = False) -> Fact:
        url = f"{self._web_url}/{checkout.slug}/commit/{commit.sha}" if "/" in checkout.slug else None
        return commit_fact(
            SOURCE,
            commit,
            service=target.service,
            repository=checkout.slug,
            url=url,
            before_window=before_window,
        )


class _History:
    """The commits of one checkout."""

    def __init__(self, checkout: Checkout, deadline: Deadline) -> None:
        self._checkout = checkout
        self._deadline = deadline
        self._tips = checkout.tips(deadline)
        # Where a shallow clone ends, git shows commits as if they had no parents, and so as if they added every file.
        grafts = checkout.git_dir / "shallow"
        self.shallow = frozenset(grafts.read_text(errors="replace").split()) if grafts.is_file() else frozenset[str]()

    def commits(self, since: int, until: int, limit: int) -> tuple[list[Commit], int]:
        """The newest commits between two Unix times, both included, and how many there are beyond the `limit`."""
        if not self._tips:
            return [], 0
        span = (f"--max-age={since}", f"--min-age={until}")
        log = self._git("rev-list", *span, f"--max-count={limit + 1}", _FORMAT, *self._tips, max_bytes=_MAX_LOG_BYTES)
        commits = [self._commit(*record) for record in list(_records(log))[:limit]]
        if len(commits) < limit:
            return commits, 0
        total = int(self._git("rev-list", "--count", *span, *self._tips, max_bytes=100))
        return commits, total - len(commits)

    def _commit(self, header: str, parents: str, time: str, author: str, message: str) -> Commit:
        sha = header.rpartition("\n")[2]
        at = datetime.fromtimestamp(int(time), UTC)
        if sha in self.shallow:
            return Commit(sha, at, author, message, without_diff="the shallow clone ends here")
        # A merge is shown as what it brought to its first parent, as GitHub does: the commits of a merged branch may be
        # older than the window.
        ends = (f"{sha}^1", sha) if parents else (sha,)
        try:
            output = self._git(*_DIFF, *ends, max_bytes=_MAX_COMMIT_BYTES)
        except SourceFailure:
            # A partial clone lacks objects, and nothing is fetched for it.
            return Commit(sha, at, author, message, without_diff="git could not read its files here")
        files, more = _changed_files(output)
        return Commit(sha, at, author, message, files=files, more_files=more)

    def _git(self, *arguments: str, max_bytes: int) -> bytes:
        return self._checkout.run(*arguments, deadline=self._deadline, max_bytes=max_bytes)


def _records(log: bytes) -> Iterator[list[str]]:
    fields = log.decode(errors="replace").split("\0")
    for start in range(0, len(fields) - _FIELDS, _FIELDS):
        yield fields[start : start + _FIELDS]


def _changed_files(output: bytes) -> tuple[tuple[ChangedFile, ...], str | None]:
    """The first files of `git diff-tree --numstat -p -z`, and how many are beyond them.

    The counts come first, NUL-separated, an empty one ends them, and the patches follow in the same order.
    """
    counts, all_counted, patch_text = output.partition(b"\0\0diff --git ")
    # A rename's own path is empty, the old and the new one follow: `added TAB removed TAB NUL old NUL new`.
    fields = iter(counts.decode(errors="replace").split("\0"))
    rows: list[tuple[str, int | None, int | None]] = []
    for field in fields:
        added, tab, rest = field.partition("\t")
        removed, _, path = rest.partition("\t")
        if tab:
            path = path or (next(fields, ""), next(fields, ""))[1]
            rows.append((path, _count(added), _count(removed)))
    patches = patch_text.decode(errors="replace").split("\ndiff --git ") if patch_text else []
    files = [
        ChangedFile(path, added, removed, "@@" + patch.partition("\n@@")[2] if "\n@@" in patch else "")
        for (path, added, removed), patch in zip(rows[:MAX_FILES], [*patches, *[""] * MAX_FILES], strict=False)
    ]
    more = len(rows) - len(files)
    # Every file has a patch, so without one the output was cut within the counts.
    least = "" if all_counted else "at least "
    return tuple(files), f"{least}{more} more files" if more else None


def _count(text: str) -> int | None:
    """Binary files have a `-` for their counts."""
    return int(text) if text.isdecimal() else None
