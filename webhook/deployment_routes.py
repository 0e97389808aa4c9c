"""Where deploy tools report what they did: the best evidence there is for what changed."""

from __future__ import annotations

from flask import Blueprint, Response

from shared.moment import now
from shared.store import deployments
from webhook.access import Gate
from webhook.answers import Recorded, json_answer
from webhook.deployment_events import PlainDeployment, parse
from webhook.incoming import json_body
from webhook.openapi import JSON, Answer, Operation, describes
from webhook.receiver import receiver

routes = Blueprint("deployments", __name__)


@routes.post("/deployments")
@describes(
    Operation(
        summary="Reports a deploy or a switched flag",
        description="The plain form below (for a flag with `flag` and `change` in place of `version` and `commit`), "
        "or a CDEvent (service deployed, upgraded, rolledback, removed), alone, as the data of a CloudEvent, or up to "
        "500 in an array. An event that is sent twice is recorded once.",
        gate=Gate.EITHER,
        body=PlainDeployment,
        accepts=JSON,
        example={
            "service": "invoice-api",
            "version": "2.14.0",
            "commit": "a1b2c3d",
            "startedAt": "2026-11-23T02:58:00Z",
            "environment": "production",
            "url": "https://ci.example.com/runs/812",
            "actor": "deploy-bot",
        },
        answers={202: Answer("Recorded.", Recorded)},
    )
)
def record() -> Response:
    """Commits what is new of the events."""
    events = parse(json_body(), now())
    count = deployments.record(receiver().database, events.deployments) if events.deployments else 0
    ignored = f"no deploys of a service: {', '.join(events.ignored)}" if events.ignored else None
    return json_answer(Recorded(recorded=count, ignored=ignored), 202, leave_out_null=True)
