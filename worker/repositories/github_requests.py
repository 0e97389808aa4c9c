"""PyGithub over our own way out: its client follows links, waits and reads without a limit; this one does not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from github.Requester import Requester

from shared.incident import CoverageStatus
from shared.moment import Deadline, rfc3339
from worker.inquiry import SourceFailure
from worker.outbound import Answer, Outbound, checked
from worker.repositories.github_access import Config
from worker.repositories.hosted import NotVisible

_JSON: Final = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}


class BoundedRequester(Requester):
    """Makes PyGithub's requests within a deadline and a size, and to the configured server only.

    PyGithub asks for addresses that it finds in answers (pages, objects to complete) and would send the token there;
    here an address of another origin is refused. It retries by sleeping until the rate limit resets; here nothing is
    retried, the investigation decides on that.
    """

    def __init__(self, config: Config, deadline: Deadline) -> None:
        """Lazy: an object that is built by its address asks nothing before it is read."""
        super().__init__(
            auth=None,
            base_url=config.base_url,
            timeout=1,
            user_agent="whydown",
            per_page=30,
            verify=True,
            retry=None,
            pool_size=None,
            lazy=True,
        )
        self._token = config.token.get_secret_value() if config.token else None
        self._root = config.base_url
        self._deadline = deadline

    def requestJson(  # noqa: N802 - PyGithub's name
        self,
        verb: str,
        url: str,
        parameters: dict[str, Any] | None = None,
        headers: dict[str, Any] | None = None,
        input: Any | None = None,  # noqa: A002 - PyGithub's name
        *_: Any,
        **__: Any,
    ) -> tuple[int, dict[str, Any], str]:
        """One request, with `input` as JSON. Raises SourceFailure for every status but a success, NotVisible for 404,
        or DeadlineExceeded.
        """
        outbound = Outbound(self._root, token=self._token, headers=_JSON | (headers or {}))
        query = [(name, str(value)) for name, value in (parameters or {}).items()]
        answer = outbound.send(verb, self._path(url), self._deadline, params=query, body=input)
        if answer.status in (301, 302, 307, 308):
            # A repository that was renamed or moved: once, and on this server only.
            moved = urljoin(f"{self._root}/", answer.headers.get("Location", ""))
            answer = outbound.send(verb, self._path(moved), self._deadline, body=input)
        text = _checked(answer, with_token=self._token is not None).body.decode(errors="replace")
        return answer.status, {name.lower(): value for name, value in answer.headers.items()}, text

    def _path(self, url: str) -> str:
        if url.startswith("/"):
            return url
        root, asked = urlsplit(self._root), urlsplit(url)
        if (asked.scheme, asked.netloc) != (root.scheme, root.netloc) or not asked.path.startswith(f"{root.path}/"):
            raise SourceFailure(
                CoverageStatus.ERROR, "answered with an address on another server, which is not followed"
            )
        return asked.path.removeprefix(root.path) + (f"?{asked.query}" if asked.query else "")


def _checked(answer: Answer, with_token: bool) -> Answer:
    status = answer.status
    if status == 401:
        raise SourceFailure(
            CoverageStatus.DENIED, "answered 401: bad credentials, GITHUB_TOKEN is wrong or has expired"
        )
    if status in (403, 429):
        raise _refusal(answer, with_token)
    if status == 404:
        raise NotVisible(CoverageStatus.DENIED, "repository not found or not visible to the token")
    return checked(answer)


def _refusal(answer: Answer, with_token: bool) -> SourceFailure:
    """What a 403 or 429 means (https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api)."""
    headers: Mapping[str, str] = answer.headers
    hint = "" if with_token else "; GITHUB_TOKEN raises the limit"
    if headers.get("x-ratelimit-remaining") == "0":
        return SourceFailure(
            CoverageStatus.ERROR, f"rate limited until {reset_time(headers.get('x-ratelimit-reset'))}{hint}"
        )
    after = headers.get("retry-after", "")
    if answer.status == 429 or after or "rate limit" in answer.text().lower():
        wait = f", retry after {after} s" if after.isdigit() and len(after) < 8 else ""
        return SourceFailure(CoverageStatus.ERROR, f"rate limited{wait}{hint}")
    return SourceFailure(
        CoverageStatus.DENIED,
        "answered 403: GITHUB_TOKEN lacks read access to contents or deployments, write access to issues for comments, "
        "or SSO approval",
    )


def reset_time(epoch: object) -> str:
    """When the rate limit is lifted, from GitHub's Unix time, in words."""
    try:
        return rfc3339(datetime.fromtimestamp(int(str(epoch)), UTC)) or "an unknown time"
    except (ValueError, OverflowError, OSError):
        return "an unknown time"
