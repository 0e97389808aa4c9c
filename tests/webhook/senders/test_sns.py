"""Amazon SNS: signed messages of configured topics, and what they may make the receiver fetch."""

from __future__ import annotations

import base64
import ipaddress
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from shared.database import Database
from shared.moment import now, rfc3339
from shared.tables import AlertRow
from tests.loopback import Asked, Reply, StandIn
from tests.webhook.receivers import WEBHOOK, guarded_receiver_on
from tests.webhook.senders.bodies import FIRING, PAYLOADS
from webhook import sns_messages
from webhook.grouping import Grouping
from webhook.senders import SENDERS
from webhook.senders.cloudwatch import CONFIRMED, CloudWatch
from webhook.sns_messages import SnsMessages

TOPIC = "arn:aws:sns:eu-west-1:123456789012:alarms"
SUBSCRIPTION = json.loads((PAYLOADS / "aws-sns-cloudwatch" / "alerta-subscription-confirmation.json").read_bytes())
CONFIRM = "/?Action=ConfirmSubscription&TopicArn=x&Token=" + "2336412f37fb687f5d51e6e241da92fd" * 4


def certificate(
    key: rsa.RSAPrivateKey, name: str, *, days: tuple[int, int] = (-1, 1), host: str | None = None
) -> bytes:
    """A certificate that its own key signed, from so many days before now to so many after."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() + timedelta(days=days[0]))
        .not_valid_after(now() + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    if host:
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = certificate(KEY, "sns.amazonaws.com")


@dataclass
class Amazon:
    """A stand-in for SNS over HTTPS, and messages that it signs."""

    server: StandIn
    authorities: str
    answers: dict[str, Callable[[], Reply]] = field(default_factory=dict)

    def respond(self, asked: Asked) -> Reply:
        """The certificate, and 200 for a confirmation."""
        answer = self.answers.get(asked.path)
        return answer() if answer else Reply(PEM if asked.path.endswith(".pem") else "<ConfirmSubscriptionResponse/>")

    def asked(self) -> list[str]:
        """The paths that were fetched."""
        return [each.path for each in self.server.asked]

    def message(self, kind: str = "Notification", *, key: rsa.RSAPrivateKey = KEY, **changes: Any) -> dict[str, Any]:
        """A message as SNS sends it; `changes` are made before it is signed, None leaves a field out."""
        told = {
            "Type": kind,
            "MessageId": "e288882d-4281-5be4-8fde-dccc11c8cb01",
            "TopicArn": TOPIC,
            "Subject": 'ALARM: "bucketbytesAlarm"' if kind == "Notification" else None,
            "Message": FIRING["cloudwatch"]["Message"] if kind == "Notification" else "You have chosen to subscribe.",
            "Token": None if kind == "Notification" else "2336412f37fb687f5d51e6e241da92fd",
            "SubscribeURL": None if kind == "Notification" else self.server.url + CONFIRM,
            "Timestamp": rfc3339(now()),
            "SignatureVersion": "1",
            "SigningCertURL": f"{self.server.url}/SimpleNotificationService-1.pem",
            **changes,
        }
        told = {name: value for name, value in told.items() if value is not None}
        return told | {"Signature": signature(told, key)}


def signature(told: dict[str, Any], key: rsa.RSAPrivateKey) -> str:
    """As the manual writes it, apart from the code that checks it."""
    names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    if told["Type"] != "Notification":
        names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    text = "".join(f"{name}\n{told[name]}\n" for name in names if name in told)
    algorithm = hashes.SHA256() if told["SignatureVersion"] == "2" else hashes.SHA1()  # noqa: S303
    return base64.b64encode(key.sign(text.encode(), padding.PKCS1v15(), algorithm)).decode()


@pytest.fixture
def amazon(tmp_path: Path) -> Iterator[Amazon]:
    """The stand-in, with a certificate for loopback."""
    key, pem = rsa.generate_private_key(public_exponent=65537, key_size=2048), tmp_path / "loopback.pem"
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    own = certificate(key, "loopback", host="127.0.0.1")
    pem.write_bytes(own + key.private_bytes(serialization.Encoding.PEM, *plain))
    with StandIn(lambda _: Reply(), pem) as server:
        stand_in = Amazon(server, str(pem))
        server.respond = stand_in.respond
        yield stand_in


def client_of(database: Database, amazon: Amazon, topics: tuple[str, ...] = (TOPIC,)) -> FlaskClient:
    """A receiver that takes the stand-in for AWS, and checks everything else as always."""
    messages = SnsMessages(
        topics,
        is_certificate=lambda url: url.startswith(f"{amazon.server.url}/") and url.endswith(".pem"),
        is_confirmation=lambda url: url == amazon.server.url + CONFIRM,
        authorities=amazon.authorities,
    )
    senders = {name: kind(Grouping()) for name, kind in SENDERS}
    return guarded_receiver_on(
        database, senders=senders | {"cloudwatch": CloudWatch(Grouping(), messages)}
    ).test_client()


@pytest.fixture
def client(sqlite: Database, amazon: Amazon) -> FlaskClient:
    """A receiver of the stand-in's messages."""
    return client_of(sqlite, amazon)


def send(client: FlaskClient, message: Any) -> TestResponse:
    """What SNS is answered."""
    return client.post("/webhook/sns", data=json.dumps(message), content_type="text/plain; charset=UTF-8")


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("subject", ["ALARM", None])
def test_a_signed_alarm_opens_an_incident_without_a_token(
    version: str, subject: str | None, client: FlaskClient, amazon: Amazon
) -> None:
    answer = send(client, amazon.message(SignatureVersion=version, Subject=subject))
    assert (answer.status_code, len(answer.get_json()["incidents"])) == (202, 1)


def test_the_certificate_is_fetched_once(client: FlaskClient, amazon: Amazon) -> None:
    with ThreadPoolExecutor(8) as senders:
        answers = list(senders.map(lambda _: send(client.application.test_client(), amazon.message()), range(20)))
    assert {answer.status_code for answer in answers} == {202}
    assert amazon.asked() == ["/SimpleNotificationService-1.pem"]


def test_a_signed_message_sent_a_hundred_times_at_once_is_one_firing(database: Database, amazon: Amazon) -> None:
    app, message = client_of(database, amazon).application, amazon.message()
    with ThreadPoolExecutor(10) as senders:
        answers = list(senders.map(lambda _: send(app.test_client(), message), range(100)))
    assert {answer.status_code for answer in answers} == {202}
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(AlertRow)) == 1


HOUR = timedelta(hours=1)
FORGED: dict[str, tuple[str, Callable[[Amazon], dict[str, Any]]]] = {
    "another key": ("Signature is not", lambda aws: aws.message(key=OTHER_KEY)),
    "another text": ("Signature is not", lambda aws: aws.message() | {"Message": "{}"}),
    "another subject": ("Signature is not", lambda aws: aws.message() | {"Subject": "OK"}),
    "another type": ("SubscribeURL is missing", lambda aws: aws.message() | {"Type": "UnsubscribeConfirmation"}),
    "no base64": ("Signature is not", lambda aws: aws.message() | {"Signature": "é"}),
    "no signature": ("Signature is not", lambda aws: aws.message() | {"Signature": None}),
    "another version": ("SignatureVersion", lambda aws: aws.message() | {"SignatureVersion": "3"}),
    "another topic": ("TopicArn", lambda aws: aws.message(TopicArn=f"{TOPIC}x")),
    "an old one": ("Timestamp", lambda aws: aws.message(Timestamp=rfc3339(now() - 2 * HOUR))),
    "one to come": ("Timestamp", lambda aws: aws.message(Timestamp=rfc3339(now() + HOUR))),
    "no time": ("Timestamp", lambda aws: aws.message(Timestamp="soon")),
    "a raw alarm": ("TopicArn", lambda aws: json.loads(FIRING["cloudwatch"]["Message"])),
    "a text for a number": ("MessageId", lambda aws: aws.message() | {"MessageId": 5}),
    "another host": (
        "SigningCertURL",
        lambda aws: aws.message(SigningCertURL="https://sns.evil.example/SimpleNotificationService-1.pem"),
    ),
}


@pytest.mark.parametrize("forged", FORGED)
def test_what_is_not_from_sns_is_refused(forged: str, client: FlaskClient, amazon: Amazon) -> None:
    said, message = FORGED[forged]
    answer = send(client, message(amazon))
    assert (answer.status_code, answer.content_type) == (401, "application/problem+json")
    assert said in answer.get_json()["detail"]


def test_a_list_and_a_text_are_refused_and_a_token_does_not_stand_in(client: FlaskClient, amazon: Amazon) -> None:
    bodies: tuple[Any, ...] = ([], "x", None)
    for body in bodies:
        assert send(client, body).status_code == 401
    raw = json.dumps(amazon.message(key=OTHER_KEY))
    assert client.post("/webhook/sns", data=raw, content_type="text/plain", headers=WEBHOOK).status_code == 401


@pytest.mark.parametrize(
    ("pem", "said"),
    [
        (certificate(KEY, "sns.amazonaws.com", days=(-9, -1)), "not valid now"),
        (certificate(KEY, "sns.amazonaws.com", days=(1, 9)), "not valid now"),
        (certificate(KEY, "sns.amazonaws.com.evil.example"), "not issued to SNS"),
        (certificate(KEY, "evil.example"), "not issued to SNS"),
        (b"<html>", "no certificate"),
    ],
)
def test_the_certificate_itself_is_looked_at(pem: bytes, said: str, client: FlaskClient, amazon: Amazon) -> None:
    amazon.answers["/SimpleNotificationService-1.pem"] = lambda: Reply(pem)
    answer = send(client, amazon.message())
    assert answer.status_code == 401
    assert said in answer.get_json()["detail"]


@pytest.mark.parametrize(
    "reply",
    [
        Reply("", 404),
        Reply("", 500),
        Reply("", 302, {"Location": "http://127.0.0.1:1/"}),
        Reply(b"x" * (sns_messages.MOST_BYTES + 1)),
    ],
    ids=["404", "500", "redirect", "large"],
)
def test_a_certificate_that_cannot_be_had_is_asked_for_later(reply: Reply, sqlite: Database, amazon: Amazon) -> None:
    client = client_of(sqlite, amazon)
    amazon.answers["/SimpleNotificationService-1.pem"] = lambda: reply
    first = send(client, amazon.message())
    assert (first.status_code, first.headers["Retry-After"]) == (503, "5")
    assert send(client, amazon.message()).status_code == 503
    assert len(amazon.asked()) == 1, "the failure is remembered for a moment"


def test_a_host_that_hangs_holds_a_message_a_moment_only(sqlite: Database, amazon: Amazon) -> None:
    client = client_of(sqlite, amazon)
    amazon.answers["/SimpleNotificationService-1.pem"] = lambda: Reply(str(amazon.server.closing.wait(60)))
    answer = send(client, amazon.message())
    assert answer.status_code == 503
    assert answer.get_json()["detail"] in (
        "SigningCertURL gave no answer within 2.5 s; send it again",
        "SigningCertURL could not be fetched (ReadTimeout); send it again",
    )


def test_a_host_that_trickles_holds_a_message_a_moment_only(sqlite: Database, amazon: Amazon) -> None:
    def trickle() -> Reply:
        return Reply(b"x", headers={"Content-Length": "1000"})  # and no more of it

    amazon.answers["/SimpleNotificationService-1.pem"] = trickle
    answer = send(client_of(sqlite, amazon), amazon.message())
    assert answer.status_code == 503


def test_a_subscription_is_confirmed_after_its_signature(client: FlaskClient, amazon: Amazon) -> None:
    forged = amazon.message("SubscriptionConfirmation", key=OTHER_KEY)
    assert send(client, forged).status_code == 401
    assert amazon.asked() == ["/SimpleNotificationService-1.pem"], "nothing is confirmed on its word"
    answer = send(client, amazon.message("SubscriptionConfirmation"))
    assert (answer.status_code, answer.get_json()) == (202, {"incidents": [], "ignored": CONFIRMED})
    (confirmed,) = [each for each in amazon.server.asked if each.path == "/"]
    assert ("Token", CONFIRM.rpartition("=")[2]) in confirmed.query, "as it came, not redacted"


def test_no_subscription_of_another_topic_or_host_is_confirmed(client: FlaskClient, amazon: Amazon) -> None:
    other = amazon.message("SubscriptionConfirmation", TopicArn=f"{TOPIC}-of-somebody")
    away = amazon.message("SubscriptionConfirmation", SubscribeURL="https://evil.example/?Action=ConfirmSubscription&")
    assert [send(client, message).status_code for message in (other, away)] == [401, 401]
    assert "/" not in amazon.asked()


def test_a_confirmation_that_fails_is_sent_again(client: FlaskClient, amazon: Amazon) -> None:
    amazon.answers["/"] = lambda: Reply("", 500)
    answer = send(client, amazon.message("SubscriptionConfirmation"))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    del amazon.answers["/"]
    assert send(client, amazon.message("SubscriptionConfirmation")).status_code == 202


def test_the_end_of_a_subscription_is_ignored(client: FlaskClient, amazon: Amazon) -> None:
    answer = send(client, amazon.message("UnsubscribeConfirmation"))
    assert (answer.status_code, answer.get_json()["ignored"]) == (202, "the subscription was ended")
    assert "/" not in amazon.asked(), "its SubscribeURL would subscribe again"


def test_topics_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, sqlite: Database, amazon: Amazon) -> None:
    monkeypatch.setenv("WHYDOWN_SNS_TOPICS", TOPIC)
    client = guarded_receiver_on(sqlite).test_client()
    answer = send(client, amazon.message())
    assert (answer.status_code, amazon.asked()) == (401, []), "loopback is not AWS"
    assert "SigningCertURL" in answer.get_json()["detail"]


AWS = "https://sns.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    "url",
    [
        f"{AWS}/SimpleNotificationService-eaea6120e66ea12e88dcd8bcbddca752.pem",
        "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-1.pem",
        "https://sns.us-gov-west-1.amazonaws.com/SimpleNotificationService-1.pem",
    ],
)
def test_addresses_of_certificates(url: str) -> None:
    assert sns_messages.is_certificate(url)


def test_the_address_of_a_confirmation() -> None:
    assert sns_messages.is_confirmation(SUBSCRIPTION["SubscribeURL"])
    for url in (
        f"{AWS}/?Action=DeleteTopic&TopicArn=x",
        f"{AWS}/?Action=ConfirmSubscription&x#y",
        f"{AWS}:444/?Action=ConfirmSubscription&x",
        f"{AWS}.evil.example/?Action=ConfirmSubscription&x",
        f"{AWS}@evil.example/?Action=ConfirmSubscription&x",
    ):
        assert not sns_messages.is_confirmation(url), url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-1.pem",
        "https://sns.eu-west-1.amazonaws.com@evil.example/SimpleNotificationService-1.pem",
        "https://evil@sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.eu-west-1.amazonaws.com:8443/SimpleNotificationService-1.pem",
        "https://sns.eu-west-1.amazonaws.com\\@evil.example/SimpleNotificationService-1.pem",
        "https://evil.example/sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://evil.example?https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.evil.example/.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.a.b.amazonaws.com/SimpleNotificationService-1.pem",
        "https://bucket.s3.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.eu-west-1.amazonaws.comx/SimpleNotificationService-1.pem",
        "https://sns.eu-west-1xamazonaws.com/SimpleNotificationService-1.pem",
        "https://SNS.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.eu-west-1.amazonaws.com/../SimpleNotificationService-1.pem",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem?x",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem\n",
        "https://sns.ｅu.amazonaws.com/SimpleNotificationService-1.pem",
        "file:///etc/SimpleNotificationService-1.pem",
    ],
)
def test_addresses_that_are_not_those_of_sns(url: str) -> None:
    assert not sns_messages.is_certificate(url)


def test_without_topics_a_subscription_waits_for_a_human(sqlite: Database) -> None:
    answer = guarded_receiver_on(sqlite).test_client().post("/webhook/sns", json=SUBSCRIPTION, headers=WEBHOOK)
    assert answer.status_code == 202
    assert "WHYDOWN_SNS_TOPICS" in answer.get_json()["ignored"]


def test_the_receiver_loads_nothing_for_sns_until_it_is_needed() -> None:
    heavy = ("cryptography", "requests")
    code = f"import sys, webhook.senders.cloudwatch; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
