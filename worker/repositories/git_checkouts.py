"""Local git checkouts: finding the one of a service, and reading it without running anything of it."""

from __future__ import annotations

import os
import selectors
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from shared.incident import CoverageStatus
from shared.moment import Deadline
from shared.settings import Section, setting
from worker.inquiry import SourceFailure, Target
from worker.printable import printable
from worker.repositories.names import segments


class Config(Section):
    """Local git checkouts."""

    repositories: Path | None = setting(
        "WHYDOWN_REPOSITORIES",
        default=None,
        description="Folder of local git checkouts or bare repositories, `<owner>/<repo>` or `<repo>`. "
        "They are read, never fetched: keep them up to date from outside.",
    )


_ENVIRONMENT: Final = {
    "LC_ALL": "C",
    "HOME": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    # A partial clone fetches objects that it lacks, by whatever program its configuration names. GIT_NO_LAZY_FETCH is
    # not known to every git; the list of allowed protocols outranks the checkout's own `protocol.*.allow`, which
    # `-c protocol.allow=never` does not.
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
}
"""All that git sees of our environment beside PATH: no tokens of ours, no configuration but the checkout's."""

_OVERRIDES: Final = (
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.hooksPath=" + os.devnull),
    *("-c", "core.attributesFile=" + os.devnull),
)
_TIPS: Final = ("HEAD", "refs/remotes/origin/HEAD")
_READ_CHUNK: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Checkout:
    """One local repository.

    It is read by the `git` program, which whoever keeps checkouts has: GitPython calls it too, and dulwich and pygit2
    are second implementations that lack some of its formats or of its speed.
    """

    slug: str
    """As asked for: `owner/repo` or `repo`."""
    git_dir: Path

    def tips(self, deadline: Deadline) -> tuple[str, ...]:
        """The commit that is checked out, then that of origin's default branch where there is one: a checkout that is
        only ever fetched has its news there. Empty in an empty repository. Raises SourceFailure or DeadlineExceeded.
        """
        shas = self.run("rev-parse", "--revs-only", *_TIPS, deadline=deadline, max_bytes=1000)
        return tuple(dict.fromkeys(shas.decode().split()))

    def run(self, *arguments: str, deadline: Deadline, max_bytes: int) -> bytes:
        """The output of a git command, cut at `max_bytes`. Raises SourceFailure or DeadlineExceeded.

        Only plumbing commands may be run: they ignore what a checkout's configuration says about pagers, colours,
        signatures and formats. Naming the repository by --git-dir keeps git from looking for one in parent folders, and
        from refusing one that another user owns: the operator named the folder, and nothing of it is executed.
        """
        command = ["git", *_OVERRIDES, f"--git-dir={self.git_dir}", *arguments]
        environment = {**_ENVIRONMENT, "PATH": os.environ.get("PATH", os.defpath)}
        with tempfile.TemporaryFile() as errors:
            try:
                process = subprocess.Popen(  # noqa: S603 - a fixed program; its arguments are ours or git's own object ids
                    command,
                    cwd=self.git_dir,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                )
            except OSError as failure:
                raise SourceFailure(
                    CoverageStatus.ERROR,
                    f"git could not be started ({failure.strerror}): is git installed where the worker runs?",
                ) from None
            with process:
                try:
                    output, whole = _read(process.stdout, deadline, max_bytes)
                except BaseException:
                    process.kill()
                    raise
                if not whole:
                    process.kill()
            if whole and process.returncode:
                errors.seek(0)
                said = " ".join(printable(errors.read(400).decode(errors="replace")).split())
                raise SourceFailure(CoverageStatus.ERROR, f"git {arguments[0]} failed in {self.slug}: {said}")
        return output


class Checkouts:
    """The folder of local checkouts."""

    def __init__(self, folder: Path) -> None:
        """`folder` is WHYDOWN_REPOSITORIES."""
        self._folder = folder

    def find(self, target: Target) -> Checkout | None:
        """The checkout of `target`'s repository, or of its name where no repository is known; None when there is none.

        Raises SourceFailure when the folder itself cannot be read.
        """
        root = self._root()
        parts = segments(target.repository or target.service)
        if parts is None:
            return None
        for place in dict.fromkeys(("/".join(parts), parts[-1])):
            for path in (root / place, root / f"{place}.git"):
                git_dir = _git_dir(path, root)
                if git_dir is not None:
                    return Checkout("/".join(parts), git_dir)
        return None

    def count(self) -> int:
        """How many checkouts there are. Raises SourceFailure when the folder cannot be read."""
        root = self._root()
        folders = [path for path in root.iterdir() if path.is_dir()]
        nested = [
            path for folder in folders if _git_dir(folder, root) is None for path in folder.iterdir() if path.is_dir()
        ]
        return sum(_git_dir(path, root) is not None for path in (*folders, *nested))

    def _root(self) -> Path:
        try:
            root = self._folder.resolve(strict=True)
            next(root.iterdir(), None)
        except (OSError, RuntimeError):
            raise SourceFailure(
                CoverageStatus.ERROR, f"WHYDOWN_REPOSITORIES names {self._folder}, which is no folder that can be read"
            ) from None
        return root


def _git_dir(path: Path, root: Path) -> Path | None:
    """The repository in `path`, or `path` itself when it is bare; never one that a link leads to outside `root`."""
    try:
        dot_git = path / ".git"
        if dot_git.is_file():
            # Submodules and worktrees: one line that says where the repository is.
            with dot_git.open(encoding="utf-8", errors="replace") as link:
                dot_git = path / link.read(4096).removeprefix("gitdir:").strip()
        place = (dot_git if dot_git.is_dir() else path).resolve(strict=True)
        repository = (place / "HEAD").is_file() and ((place / "objects").is_dir() or (place / "commondir").is_file())
    except (OSError, RuntimeError, ValueError):
        return None
    return place if repository and place.is_relative_to(root) else None


def _read(pipe: IO[bytes] | None, deadline: Deadline, max_bytes: int) -> tuple[bytes, bool]:
    """What comes out of `pipe` up to `max_bytes`, and whether that was all. Raises DeadlineExceeded."""
    output = bytearray()
    with selectors.DefaultSelector() as ready:
        descriptor = pipe.fileno() if pipe else -1
        ready.register(descriptor, selectors.EVENT_READ)
        while len(output) <= max_bytes:
            if not ready.select(deadline.remaining()):
                continue
            chunk = os.read(descriptor, _READ_CHUNK)
            if not chunk:
                return bytes(output), True
            output += chunk
    return bytes(output[:max_bytes]), False
