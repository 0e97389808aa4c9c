"""GitLab's REST API (https://docs.gitlab.com/api/rest/), also of a server of one's own."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import quote, urlsplit

from pydantic import SecretStr, field_validator

from shared.incident import CoverageStatus
from shared.moment import Deadline, parse_time, rfc3339
from shared.settings import Section, setting
from worker.inquiry import Scope, SourceFailure, Target
from worker.outbound import Answer, Outbound, checked
from worker.repositories.changes import MAX_FILES, ChangedFile, Commit
from worker.repositories.hosted import Deployment, NotVisible, Pages
from worker.repositories.names import segments, source_host

_MOST_SEGMENTS: Final = 12
"""GitLab lets groups nest twenty deep; nobody does."""
_SHA_DIGITS: Final = frozenset("0123456789abcdef")


class Config(Section):
    """GitLab."""

    url: str | None = setting(
        "WHYDOWN_GITLAB_URL",
        default=None,
        description="Address of GitLab, `https://gitlab.example.com`. Unset, with a token: https://gitlab.com.",
    )
    token: SecretStr | None = setting(
        "WHYDOWN_GITLAB_TOKEN",
        "GITLAB_TOKEN",
        default=None,
        description="Access token for GitLab with the scope read_api. Unset with WHYDOWN_GITLAB_URL: public projects.",
    )
    ca_file: Path | None = setting(
        "WHYDOWN_GITLAB_CA_FILE",
        default=None,
        description="PEM file of the authority that signed GitLab's certificate, where no public one did.",
    )

    @field_validator("url")
    @classmethod
    def _is_http(cls, url: str | None) -> str | None:
        parts = urlsplit(url or "https://gitlab.com")
        if parts.scheme not in ("https", "http") or not parts.hostname or "@" in parts.netloc:
            raise ValueError("must be an http(s) URL without credentials, such as https://gitlab.example.com")
        return url

    @property
    def configured(self) -> bool:
        """Whether GitLab is to be asked at all."""
        return self.url is not None or self.token is not None

    @property
    def web_url(self) -> str:
        """What all addresses start with, without a trailing slash."""
        return (self.url or "https://gitlab.com").rstrip("/")


class GitlabApi:
    """The way to GitLab."""

    configure: ClassVar[str] = "WHYDOWN_GITLAB_TOKEN (and WHYDOWN_GITLAB_URL for a GitLab of your own)"
    unknown: ClassVar[str] = "no project is known (annotation gitlab.com/project-slug)"

    def __init__(self, config: Config) -> None:
        """Nothing is asked yet."""
        self._web_url = config.web_url
        headers = {"PRIVATE-TOKEN": config.token.get_secret_value()} if config.token else {}
        self._outbound = Outbound(f"{config.web_url}/api/v4", headers=headers, ca_file=config.ca_file)

    def slug(self, target: Target, scope: Scope) -> str | None:
        """`group/subgroup/project`; None when the catalog knows none here."""
        annotations = scope.annotations(target)
        path = annotations.get("gitlab.com/project-slug", "")
        if not path and source_host(annotations) == urlsplit(self._web_url).netloc:
            path = urlsplit(annotations["backstage.io/source-location"].removeprefix("url:")).path
            path = path.partition("/-/")[0].removesuffix(".git")
        parts = segments(path.strip().strip("/"), _MOST_SEGMENTS)
        return "/".join(parts) if parts and len(parts) >= 2 else None

    def repository(self, slug: str, deadline: Deadline) -> GitlabRepository:
        """The project of that name (from `slug`), bound to the deadline."""
        return GitlabRepository(self._outbound, slug, deadline)

    def pages(self, slug: str) -> Pages:
        """Its pages."""
        root = f"{self._web_url}/{slug}/-"
        return Pages(slug, root, f"{root}/environments")

    def probe(self, deadline: Deadline) -> str:
        """GitLab's version, and who the token is."""
        with _understood():
            user = _checked(self._outbound.send("GET", "/user", deadline)).json()
            version = _checked(self._outbound.send("GET", "/version", deadline)).json()
            return f"GitLab {str(version['version'])[:32]} as {str(user['username'])[:64]}"


class GitlabRepository:
    """A `worker.repositories.hosted.HostedRepository` on GitLab. Threads may share it."""

    def __init__(self, outbound: Outbound, slug: str, deadline: Deadline) -> None:
        """`slug` has passed `segments`."""
        self._outbound = outbound
        self._path = f"/projects/{quote(slug, safe='')}"
        self._deadline = deadline

    def commits(self, limit: int, until: datetime, since: datetime | None = None) -> list[Commit]:
        """https://docs.gitlab.com/api/commits/#list-all-repository-commits."""
        span = {"until": rfc3339(until) or ""} | ({"since": rfc3339(since) or ""} if since else {})
        with _understood():
            return [_commit(item) for item in self._list("/repository/commits", **span, per_page=str(limit))]

    def with_files(self, commit: Commit) -> Commit:
        """https://docs.gitlab.com/api/commits/#retrieve-a-commit-diff."""
        with _understood():
            listed = self._list(f"/repository/commits/{commit.sha}/diff", per_page="100")
            more = len(listed) - MAX_FILES
            return replace(
                commit,
                files=tuple(_changed_file(item) for item in listed[:MAX_FILES]),
                more_files=f"{'at least ' if len(listed) >= 100 else ''}{more} more files" if more > 0 else None,
            )

    def deployments(self, limit: int) -> list[Deployment]:
        """https://docs.gitlab.com/api/deployments/#list-all-project-deployments."""
        with _understood():
            newest_first = {"order_by": "created_at", "sort": "desc", "per_page": str(limit)}
            return [_deployment(item) for item in self._list("/deployments", **newest_first)]

    def outcome(self, deployment: Deployment) -> str | None:
        """As the list told it."""
        return deployment.outcome

    def compared(self, base: str, head: str) -> tuple[list[Commit], int]:
        """https://docs.gitlab.com/api/repositories/#compare-branches-tags-or-commits."""
        with _understood():
            listed = self._get("/repository/compare", **{"from": base, "to": head})["commits"]
            commits = sorted((_commit(item) for item in listed), key=lambda commit: commit.at, reverse=True)
            return commits, len(commits)

    def names(self) -> list[str]:
        """https://docs.gitlab.com/api/repositories/#list-all-repository-trees-in-a-project."""
        with _understood():
            return [str(item["name"]) for item in self._list("/repository/tree", per_page="100")]

    def content(self, name: str) -> bytes:
        """https://docs.gitlab.com/api/repository_files/#retrieve-a-file-from-a-repository."""
        with _understood():
            file = self._get(f"/repository/files/{quote(name, safe='')}", ref="HEAD")
            return b64decode(file["content"], validate=True)

    def _list(self, path: str, **params: str) -> list[Any]:
        found = self._get(path, **params)
        if not isinstance(found, list):
            raise TypeError("no list")
        return found

    def _get(self, path: str, **params: str) -> Any:
        return _checked(self._outbound.send("GET", self._path + path, self._deadline, params=params)).json()


def _checked(answer: Answer) -> Answer:
    if answer.status == 404:
        raise NotVisible(CoverageStatus.DENIED, "answered 404: project not found or not visible to the token")
    return checked(answer)


def _commit(item: Mapping[str, Any]) -> Commit:
    at = parse_time(item["committed_date"])
    if at is None:
        raise ValueError("no commit's date")
    return Commit(sha=_sha(item["id"]), at=at, author=str(item["author_name"]), message=str(item.get("message") or ""))


def _changed_file(item: Mapping[str, Any]) -> ChangedFile:
    patch = str(item.get("diff") or "")
    lines = patch.split("\n")
    binary = patch.startswith("Binary files ")
    return ChangedFile(
        path=str(item["new_path"]),
        added=None if binary else sum(line.startswith("+") for line in lines),
        removed=None if binary else sum(line.startswith("-") for line in lines),
        patch="" if binary else patch,
    )


def _deployment(item: Mapping[str, Any]) -> Deployment:
    at = parse_time(item["created_at"])
    if at is None:
        raise ValueError("no deployment's date")
    return Deployment(
        number=int(item["id"]),
        at=at,
        sha=_sha(item["sha"]),
        ref=str(item.get("ref") or ""),
        environment=str((item.get("environment") or {}).get("name") or ""),
        creator=(item.get("user") or {}).get("username"),
        outcome=str(item["status"]),
    )


def _sha(text: Any) -> str:
    """A commit's name, which becomes part of a path. Raises ValueError."""
    if not isinstance(text, str) or not 7 <= len(text) <= 64 or not _SHA_DIGITS.issuperset(text):
        raise ValueError("no commit's name")
    return text


@contextmanager
def _understood() -> Iterator[None]:
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError) as strange:
        raise SourceFailure(
            CoverageStatus.ERROR, f"the answer is not in GitLab's form ({type(strange).__name__})"
        ) from None
