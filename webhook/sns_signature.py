"""Whether Amazon SNS wrote a message: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html."""

# ruff: noqa: PLC0415 - the receiver stays light for those who have no SNS
from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from webhook.senders import NotAuthentic

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_SUBSCRIPTION: Final = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_SIGNED: Final = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": _SUBSCRIPTION,
    "UnsubscribeConfirmation": _SUBSCRIPTION,
}
"""What is signed of each type, in this order."""

_ISSUED_TO: Final = re.compile(r"sns(\.[a-z0-9-]+)?\.amazonaws\.com(\.cn)?")


def signed_text(message: Mapping[str, Any]) -> bytes:
    """What the signature is of: names and values a line each; a Subject that is not there is left out. Raises
    NotAuthentic.
    """
    names = _SIGNED.get(str(message.get("Type")))
    if names is None:
        raise NotAuthentic("Type is none of Notification, SubscriptionConfirmation and UnsubscribeConfirmation")
    lines = {name: message.get(name) for name in names if name != "Subject" or message.get(name) is not None}
    for name, value in lines.items():
        if not isinstance(value, str):
            raise NotAuthentic(f"{name} is missing: send the message as SNS does, without raw message delivery")
    return "".join(f"{name}\n{value}\n" for name, value in lines.items()).encode("utf-8", "surrogatepass")


def check_signature(message: Mapping[str, Any], pem: bytes, moment: datetime) -> None:
    """Returns when the message is signed with the key of the certificate, which is SNS's own and valid at `moment`.

    Whose file the certificate is, TLS to AWS's own host has shown; AWS publishes no intermediate with it that would
    lead to a root. Raises NotAuthentic.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    version = message.get("SignatureVersion")
    if version not in ("1", "2"):
        raise NotAuthentic("SignatureVersion is neither 1 nor 2")
    key = _certificate(pem, moment).public_key()
    # Version 1 is SHA-1, and what topics have until somebody changes it.
    algorithm = hashes.SHA256() if version == "2" else hashes.SHA1()  # noqa: S303
    try:
        signature = base64.b64decode(str(message.get("Signature")), validate=True)
        if not isinstance(key, rsa.RSAPublicKey):
            raise NotAuthentic("the certificate's key is no RSA key")
        key.verify(signature, signed_text(message), padding.PKCS1v15(), algorithm)
    except (InvalidSignature, ValueError):
        raise NotAuthentic("the Signature is not of this message") from None


def _certificate(pem: bytes, moment: datetime) -> Certificate:
    from cryptography import x509

    try:
        certificate = x509.load_pem_x509_certificate(pem)
    except ValueError:
        raise NotAuthentic("SigningCertURL holds no certificate") from None
    if not certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc:
        raise NotAuthentic("the certificate is not valid now")
    if not any(_ISSUED_TO.fullmatch(name) for name in _names(certificate)):
        raise NotAuthentic("the certificate is not issued to SNS")
    return certificate


def _names(certificate: Certificate) -> list[str]:
    from cryptography import x509

    common = [str(name.value) for name in certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    try:
        other = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return common
    return [*common, *other.get_values_for_type(x509.DNSName)]
