"""Comments on one issue of GitHub: https://docs.github.com/en/rest/issues/comments."""

from __future__ import annotations

from typing import Any, Final

from worker.printable import printable
from worker.repositories.github_repository import understood
from worker.repositories.github_requests import BoundedRequester

LONGEST: Final = 60_000
"""Characters of a comment; GitHub takes 65,536."""


class Issue:
    """Every method asks once and raises SourceFailure (NotVisible for 404) or DeadlineExceeded."""

    def __init__(self, requester: BoundedRequester, slug: str, number: int) -> None:
        """`slug` has passed `segments`."""
        self._requester = requester
        self._repository = f"/repos/{slug}"
        self._number = number

    def title(self) -> str:
        """Its number and title, in words."""
        with understood():
            found = self._ask("GET", f"/issues/{self._number}")
            return printable(f"{self._repository[7:]}#{self._number}: {str(found['title'])[:80]}, {found['state']}")

    def comment(self, text: str) -> str:
        """Adds a comment; gives its id."""
        with understood():
            return str(int(self._ask("POST", f"/issues/{self._number}/comments", text)["id"]))

    def change(self, comment: str, text: str) -> None:
        """Changes a comment."""
        with understood():
            self._ask("PATCH", f"/issues/comments/{int(comment)}", text)

    def _ask(self, verb: str, path: str, text: str | None = None) -> Any:
        body = None if text is None else {"body": text[:LONGEST]}
        return self._requester.requestJsonAndCheck(verb, self._repository + path, input=body)[1]
