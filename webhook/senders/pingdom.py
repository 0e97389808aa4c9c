"""Pingdom's webhook: https://www.pingdom.com/resources/webhooks/."""

from __future__ import annotations

from webhook.mapped import Map, Mapped


class Pingdom(Mapped):
    """Pingdom, by its webhook integration.

    The service is told by a tag (`service:x`), else it is the check's name.
    """

    configure = "WHYDOWN_WEBHOOK_TOKEN in the address"
    telling = ("check_params",)
    sender = "pingdom"
    hint = "send Pingdom's own webhook body"
    map = Map(
        title=("check_name", "description"),
        subject=("check_name",),
        fingerprint=("check_id",),
        status=("current_state",),
        severity=("importance_level",),
        started=("state_changed_timestamp",),
        ended=("state_changed_timestamp",),
        description=("long_description",),
        errors=("long_description",),
        url=("check_params.full_url",),
        labels=("tags",),
        over=frozenset({"up", "success"}),
    )
