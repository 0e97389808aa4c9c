"""Tokens of Microsoft Entra ID, for what Azure hosts: https://learn.microsoft.com/en-us/python/api/azure-identity/."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from pydantic import SecretStr

from shared.extras import of_extra
from shared.incident import CoverageStatus
from shared.moment import Deadline, DeadlineExceeded
from shared.settings import Section, setting
from worker.bounded_session import bounded_session
from worker.inquiry import SourceFailure
from worker.patience import held
from worker.printable import printable

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, TokenCredential

_FRESH_SECONDS: Final = 300
"""How long before its end a token is replaced."""


class Config(Section):
    """Who asks, by the names that Azure's own tools use."""

    tenant: str | None = setting(
        "AZURE_TENANT_ID",
        default=None,
        description="Entra ID's tenant of the application that asks. Unset, with the two below: the workload's or "
        "machine's managed identity.",
    )
    client: str | None = setting("AZURE_CLIENT_ID", default=None, description="Id of that application.")
    secret: SecretStr | None = setting("AZURE_CLIENT_SECRET", default=None, description="Secret of that application.")
    authority: str | None = setting(
        "AZURE_AUTHORITY_HOST",
        default=None,
        description="Host of Entra ID, `login.microsoftonline.us` for US Government. Unset: the public cloud's.",
    )


class EntraId:
    """Gets tokens, and keeps each until shortly before its end. Safe to share between threads."""

    def __init__(self, config: Config) -> None:
        """Raises ConfigurationError when the extra `azure` is not installed."""
        with of_extra("azure"):
            import azure.identity  # noqa: F401, PLC0415
        # It warns of each place where it finds no identity; what comes of them all is told below.
        logging.getLogger("azure.identity").setLevel(logging.ERROR)
        self._config = config
        self._lock = threading.Lock()
        self._tokens: dict[str, AccessToken] = {}

    def token(self, scope: str, deadline: Deadline) -> str:
        """A bearer token for the scope, `https://api.loganalytics.io/.default`. Raises SourceFailure or
        DeadlineExceeded.
        """
        from azure.core.exceptions import AzureError  # noqa: PLC0415

        with held(self._lock, deadline):
            known = self._tokens.get(scope)
            if known is None or known.expires_on - _FRESH_SECONDS < time.time():
                try:
                    known = self._tokens[scope] = self._credential(deadline).get_token(scope)
                except (AzureError, ValueError) as refused:
                    if deadline.passed():
                        raise DeadlineExceeded("Entra ID gave no token in time") from None
                    raise SourceFailure(CoverageStatus.DENIED, f"no token: {self._why(refused)}") from None
            return known.token

    def _why(self, refused: Exception) -> str:
        if self._is_application:
            return "Entra ID says " + printable(" ".join(str(refused).split()))[:300]
        return (
            "no managed or workload identity is to be had here: "
            "give it one, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET"
        )

    @property
    def _is_application(self) -> bool:
        return None not in (self._config.tenant, self._config.client, self._config.secret)

    def _credential(self, deadline: Deadline) -> TokenCredential:
        from azure.core.pipeline.transport import RequestsTransport  # noqa: PLC0415
        from azure.identity import ClientSecretCredential, DefaultAzureCredential  # noqa: PLC0415

        config = self._config
        options: dict[str, Any] = {
            "transport": RequestsTransport(session=bounded_session(deadline), session_owner=False),
            "retry_total": 0,
            # The public cloud would be asked about the authority of another, and does not know it.
            "disable_instance_discovery": config.authority is not None,
        }
        if config.authority:
            options["authority"] = config.authority
        if config.tenant and config.client and config.secret:
            return ClientSecretCredential(config.tenant, config.client, config.secret.get_secret_value(), **options)
        # Of the chain only what servers have: the others start programs of developers' machines.
        without = ("cli", "developer_cli", "powershell", "shared_token_cache", "visual_studio_code", "broker")
        return DefaultAzureCredential(**options, **{f"exclude_{name}_credential": True for name in without})
