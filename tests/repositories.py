"""Real git repositories with chosen dates, authors and contents."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

AUTHOR = "invoice team"


@dataclass(frozen=True)
class GitRepository:
    """A repository with a working tree in `path`."""

    path: Path

    @classmethod
    def create(cls, path: Path) -> Self:
        """An empty repository on the branch `main`."""
        path.mkdir(parents=True)
        made = cls(path)
        made.git("init", "--quiet", "--initial-branch=main")
        return made

    def commit(
        self,
        message: str,
        at: datetime,
        files: Mapping[str, str | bytes | None] | None = None,
        author: str = AUTHOR,
    ) -> str:
        """Writes `files` (None deletes one) and commits them at that moment; the commit's sha."""
        for name, content in (files or {}).items():
            place = self.path / name
            if content is None:
                place.unlink()
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content.encode() if isinstance(content, str) else content)
        self.git("add", "--all")
        self.git(
            "commit", "--quiet", "--allow-empty", "--cleanup=verbatim", "--file=-", at=at, author=author, stdin=message
        )
        return self.git("rev-parse", "HEAD").strip()

    def git(self, *arguments: str, at: datetime | None = None, author: str = AUTHOR, stdin: str = "") -> str:
        """Runs git here and gives its output; dates of what it makes are `at`."""
        who = {f"GIT_{role}_{part}": value for role in ("AUTHOR", "COMMITTER") for part, value in _identity(author, at)}
        done = subprocess.run(
            ["git", "-c", "commit.gpgSign=false", "-c", "protocol.file.allow=always", *arguments],
            cwd=self.path,
            env={
                "PATH": os.environ["PATH"],
                "HOME": os.devnull,
                "GIT_CONFIG_GLOBAL": os.devnull,
                "LC_ALL": "C.UTF-8",
                **who,
            },
            input=stdin.encode(),
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return done.stdout.decode(errors="replace")


def _identity(name: str, at: datetime | None) -> list[tuple[str, str]]:
    date = [("DATE", at.isoformat())] if at else []
    return [("NAME", name), ("EMAIL", "team@example.com"), *date]
