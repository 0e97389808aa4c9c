"""A small client of a running Whydown: sends something, then follows the incident to its end on the terminal."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import requests

from shared.errors import WhydownError
from shared.incident import CoverageStatus, Status
from shared.settings import Address
from webhook.settings import Access

_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.3
_PATIENCE_SECONDS: Final = 300.0


class Client:
    """HTTP to one Whydown."""

    def __init__(self, base_url: str, token: str | None = None) -> None:
        """`token` is sent as a bearer token."""
        self.base_url = base_url.rstrip("/")
        self._headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})

    def call(self, method: str, path: str, body: object = None) -> Any:
        """The JSON that is answered. Raises WhydownError when nothing is, or when the request is refused."""
        with requests.Session() as session:
            session.trust_env = False  # a proxy of the environment would not know our own machine
            try:
                response = session.request(
                    method,
                    self.base_url + path,
                    json=body,
                    headers=self._headers,
                    timeout=_SECONDS,
                    allow_redirects=False,
                )
                answer = response.json()
            except requests.JSONDecodeError:
                raise WhydownError(
                    f"{self.base_url} answered {response.status_code}, but not as Whydown does"
                ) from None
            except requests.RequestException as failure:
                raise WhydownError(
                    f"no Whydown answers at {self.base_url} ({type(failure).__name__}): "
                    "start `whydown up`, or say with --url where it runs"
                ) from None
        if not response.ok:
            detail = answer.get("detail") if isinstance(answer, dict) else None
            raise WhydownError(
                f"{method} {path} was refused with {response.status_code}: {detail or 'no reason given'}"
            )
        return answer

    def answers(self, path: str) -> bool:
        """Whether `path` is answered with success."""
        try:
            self.call("GET", path)
        except WhydownError:
            return False
        return True


def connected(url: str | None) -> Client:
    """A client of the Whydown at `url`, or of the configured one."""
    token = Access.read().api_token
    base_url = url or Address.read().public_url or "http://127.0.0.1:8000"
    return Client(base_url, token.get_secret_value() if token else None)


def retry_failed(since: str, service: str | None, url: str | None) -> int:
    """Asks for every failed incident to be investigated again. Gives the exit status. Raises WhydownError."""
    body = {"since": since, "service": service} if service else {"since": since}
    taken = connected(url).call("POST", "/incidents/retry", body)
    for incident in taken["incidents"]:
        print(f"{incident['status']:<10} {incident['url']}")
    count = len(taken["incidents"])
    print(taken.get("ignored") or f"{count} {'incident is' if count == 1 else 'incidents are'} investigated again")
    return 0


def analyze(service: str, title: str | None, errors: str | None, url: str | None) -> int:
    """Asks for an analysis of `service` and shows it. Gives the exit status: 0 for a diagnosis."""
    client = connected(url)
    body = {"entityRef": service, "alertTitle": title, "errors": errors}
    accepted = client.call("POST", "/analyze", {name: value for name, value in body.items() if value is not None})
    return show(client, accepted["incidents"][0]["id"], time.sleep)


def show(client: Client, incident_id: str, pause: Callable[[float], None]) -> int:
    """Shows the investigation as it goes, then its diagnosis. Gives the exit status: 0 for a diagnosis.

    Raises WhydownError when there is no end within five minutes.
    """
    incident = _follow(client, incident_id, pause)
    done = incident["status"] == Status.DONE
    print(f"\n{incident['analysis'] if done else _ending(incident)}\n")
    print(f"The page: {client.base_url}/incidents/{incident_id}", flush=True)
    return 0 if done else 1


def _ending(incident: dict[str, Any]) -> str:
    closest = incident.get("closest")
    near = f"\nClosest names in the catalog: {', '.join(closest)}." if closest else ""
    return (incident.get("detail") or "no reason given") + near


def _follow(client: Client, incident_id: str, pause: Callable[[float], None]) -> dict[str, Any]:
    began = time.monotonic()
    status, told = "", set[str]()
    while time.monotonic() - began < _PATIENCE_SECONDS:
        incident: dict[str, Any] = client.call("GET", f"/incidents/{incident_id}")
        if incident["status"] != status:
            status = incident["status"]
            print(f"{time.monotonic() - began:5.1f} s  {status}", flush=True)
        for line in incident["coverage"]:
            if line["source"] not in told:
                told.add(line["source"])
                print(_coverage_line(line), flush=True)
        if Status(status).finished:
            return incident
        pause(_POLL_SECONDS)
    raise WhydownError(
        f"{client.base_url}/incidents/{incident_id} is still {status}: `whydown doctor` says what is wrong"
    )


def _coverage_line(line: dict[str, Any]) -> str:
    status = line["status"]
    sign = {CoverageStatus.NOT_CONFIGURED: "-"}.get(status, status)
    millis = f"{line['millis']} ms" if line.get("millis") is not None else ""
    return f"         {sign:8} {line['source']:22} {millis:>8}  {line.get('detail') or ''}".rstrip()
