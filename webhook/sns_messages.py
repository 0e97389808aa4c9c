"""Messages of Amazon SNS, from topics that are configured and nobody else: nothing is fetched but from AWS's own hosts,
and no subscription confirmed but on the word of a message whose signature was checked.
"""

# ruff: noqa: PLC0415 - the receiver stays light for those who have no SNS
from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import timedelta
from typing import Any, Final

from shared.moment import CLOCK_TOLERANCE, now, parse_time
from webhook.senders import NotAuthentic, Unverifiable
from webhook.sns_signature import check_signature, signed_text

LONGEST_RETRY: Final = timedelta(hours=1)
"""So long SNS tries to deliver a message; an older one is somebody's recording."""

SECONDS: Final = 2.5
"""For one fetch: SNS waits 15 s for an answer, and one of few threads waits meanwhile."""

FAILED_SECONDS: Final = 20.0
"""A certificate that could not be had is not asked for again before that."""

MOST_BYTES: Final = 64 * 1024
MOST_CERTIFICATES: Final = 16

_HOST: Final = r"https://sns\.[a-z0-9-]{1,40}\.amazonaws\.com(?:\.cn)?"
_CERTIFICATE: Final = re.compile(_HOST + r"/SimpleNotificationService-[A-Za-z0-9]{1,80}\.pem")
_CONFIRMATION: Final = re.compile(_HOST + r"/\?Action=ConfirmSubscription&[A-Za-z0-9_.~%:&=+-]{1,2000}")


def is_certificate(url: str) -> bool:
    """Whether SNS publishes a certificate there. No port, user or other host can hide in what fits."""
    return _CERTIFICATE.fullmatch(url) is not None


def is_confirmation(url: str) -> bool:
    """Whether SNS has a subscription confirmed there."""
    return _CONFIRMATION.fullmatch(url) is not None


class SnsMessages:
    """The messages of some topics. Safe to share between threads."""

    def __init__(
        self,
        topics: tuple[str, ...],
        *,
        is_certificate: Callable[[str], bool] = is_certificate,
        is_confirmation: Callable[[str], bool] = is_confirmation,
        authorities: str | None = None,
    ) -> None:
        """`topics` are ARNs. The rules say what may be fetched, and `authorities` is a file of root certificates that
        TLS is checked with instead of the usual ones.
        """
        self._topics = topics
        self._is_certificate = is_certificate
        self._is_confirmation = is_confirmation
        self._authorities = authorities
        self._certificates: dict[str, bytes] = {}
        self._failed: dict[str, float] = {}
        self._fetching = threading.Lock()

    def check(self, message: Mapping[str, Any]) -> None:
        """Returns when the message comes from one of the topics, and lately. Raises NotAuthentic or Unverifiable."""
        if message.get("TopicArn") not in self._topics:
            raise NotAuthentic("TopicArn is none of WHYDOWN_SNS_TOPICS")
        moment, told = now(), parse_time(message.get("Timestamp"))
        if told is None or not moment - LONGEST_RETRY - CLOCK_TOLERANCE <= told <= moment + CLOCK_TOLERANCE:
            raise NotAuthentic("the Timestamp is missing, more than an hour old, or still to come")
        signed_text(message)  # what cannot have been signed is not worth a fetch
        url = message.get("SigningCertURL")
        if not isinstance(url, str) or not self._is_certificate(url):
            raise NotAuthentic("SigningCertURL is no address of SNS, https://sns.<region>.amazonaws.com/...pem")
        check_signature(message, self._certificate(url), moment)

    def confirm(self, message: Mapping[str, Any]) -> None:
        """Confirms the subscription that a checked message asks for. Raises NotAuthentic or Unverifiable."""
        url = str(message.get("SubscribeURL"))
        if not self._is_confirmation(url):
            raise NotAuthentic("SubscribeURL is no address of SNS, https://sns.<region>.amazonaws.com/?Action=...")
        self._fetch(url, "SubscribeURL")

    def _certificate(self, url: str) -> bytes:
        if url in self._certificates:
            return self._certificates[url]
        # One at a time: a burst of messages fetches their certificate once.
        if not self._fetching.acquire(timeout=SECONDS):
            raise Unverifiable("SigningCertURL is being fetched")
        try:
            if url in self._certificates:
                return self._certificates[url]
            if time.monotonic() - self._failed.get(url, -FAILED_SECONDS) < FAILED_SECONDS:
                raise Unverifiable("SigningCertURL could not be fetched a moment ago")
            return self._fetched(url)
        finally:
            self._fetching.release()

    def _fetched(self, url: str) -> bytes:
        for kept in (self._certificates, self._failed):
            while len(kept) >= MOST_CERTIFICATES:
                del kept[next(iter(kept))]
        try:
            pem = self._fetch(url, "SigningCertURL")
        except Unverifiable:
            self._failed[url] = time.monotonic()
            raise
        self._certificates[url] = pem
        return pem

    def _fetch(self, url: str, name: str) -> bytes:
        """What AWS answers, within SECONDS: on a thread of its own, for timeouts of a connection bound neither the look
        for a host's address nor headers that trickle.
        """
        fetched: Future[bytes] = Future()

        def fetch() -> None:
            try:
                fetched.set_result(self._get(url, name))
            except Exception as failure:  # noqa: BLE001 - it is raised where it is waited for
                fetched.set_exception(failure)

        threading.Thread(target=fetch, daemon=True).start()
        try:
            return fetched.result(SECONDS)
        except TimeoutError:
            raise Unverifiable(f"{name} gave no answer within {SECONDS:g} s") from None

    def _get(self, url: str, name: str) -> bytes:
        import requests
        import urllib3

        answered = b""
        try:
            with requests.Session() as session:
                session.trust_env = False
                with session.get(
                    url, timeout=SECONDS, allow_redirects=False, stream=True, verify=self._authorities or True
                ) as answer:
                    while len(answered) <= MOST_BYTES and (chunk := answer.raw.read1(8192, decode_content=True)):
                        answered += chunk
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as failure:
            raise Unverifiable(f"{name} could not be fetched ({type(failure).__name__})") from None
        if answer.status_code != 200 or len(answered) > MOST_BYTES:
            raise Unverifiable(f"{name} answered {answer.status_code} and {len(answered)} bytes")
        return answered
