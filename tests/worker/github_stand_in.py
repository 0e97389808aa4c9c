"""A stand-in for GitHub's API, as far as the sources ask it, and bodies in its form."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from pydantic import SecretStr

from shared.moment import rfc3339
from tests.loopback import Asked, Reply, StandIn
from tests.repositories import AUTHOR
from worker.repositories.github_access import Config

TOKEN = "ghp_stand_in_token"
NOT_FOUND = Reply({"message": "Not Found", "documentation_url": "https://docs.github.com/rest"}, 404)

Answer = Reply | Callable[[Asked], Reply]


def github(answers: Mapping[str, Answer]) -> StandIn:
    """GitHub with these answers by path; everything else is not found."""

    def respond(asked: Asked) -> Reply:
        answer = answers.get(asked.path, NOT_FOUND)
        return answer if isinstance(answer, Reply) else answer(asked)

    return StandIn(respond)


def config(server: StandIn, token: str | None = TOKEN) -> Config:
    """The settings for that server."""
    return Config(token=SecretStr(token) if token else None, url=server.url)


def commit_item(sha: str, at: datetime, message: str = "change") -> dict[str, Any]:
    """One entry of `GET /repos/{owner}/{repo}/commits`."""
    person = {"name": AUTHOR, "email": "team@example.com", "date": rfc3339(at)}
    return {
        "sha": sha,
        "node_id": "C_x",
        # Where GitHub's own answers point: nothing may be asked there.
        "url": f"https://api.github.com/repos/acme/invoice-api/commits/{sha}",
        "html_url": f"https://github.com/acme/invoice-api/commit/{sha}",
        "commit": {"author": person, "committer": person, "message": message, "comment_count": 0},
        "author": None,
        "committer": None,
        "parents": [],
    }


def file_item(name: str, patch: str | None, added: int, removed: int, status: str = "modified") -> dict[str, Any]:
    """One entry of a commit's `files`."""
    item = {"filename": name, "additions": added, "deletions": removed, "changes": added + removed, "status": status}
    return item if patch is None else {**item, "patch": patch}


def deployment_item(
    number: int, sha: str, at: datetime, ref: str = "v1.42", environment: str = "production"
) -> dict[str, Any]:
    """One entry of `GET /repos/{owner}/{repo}/deployments`."""
    return {
        "id": number,
        "url": f"https://api.github.com/repos/acme/invoice-api/deployments/{number}",
        "sha": sha,
        "ref": ref,
        "environment": environment,
        "created_at": rfc3339(at),
        "creator": {"login": "ci-bot", "type": "Bot"},
        "payload": "",
    }


def content_item(name: str, content: bytes) -> dict[str, Any]:
    """The answer of `GET /repos/{owner}/{repo}/contents/{path}` for a file below 1 MB."""
    return {
        "type": "file",
        "name": name,
        "path": name,
        "size": len(content),
        "encoding": "base64",
        "content": base64.encodebytes(content).decode(),
    }
