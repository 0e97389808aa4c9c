"""CloudWatch alarms by Amazon SNS: https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from shared.alert import Delivery, Severity
from shared.settings import Section, Words, setting
from webhook.body import parse
from webhook.fields import Fields, other_route
from webhook.grouping import Grouping, groups_of, service_of
from webhook.reported_alert import Reported, first, json_in, tags_of, within
from webhook.senders import MalformedBody, NotAuthentic, Sender
from webhook.sns_messages import SnsMessages

_NAMING: Final = (
    "ServiceName", "FunctionName", "ApiName", "LoadBalancer", "TargetGroup", "DBInstanceIdentifier",
    "DBClusterIdentifier", "ClusterName", "QueueName", "TopicName", "TableName", "BucketName",
    "StateMachineArn", "InstanceId",
)  # fmt: skip
"""Dimensions that name what an alarm is about, likeliest a service first."""


class Config(Section):
    """Which topics are trusted."""

    topics: Words = setting(
        "WHYDOWN_SNS_TOPICS",
        default=(),
        description="ARNs of the SNS topics that may send. Set: their messages must carry SNS's signature and need no "
        "token, and their subscriptions are confirmed. Unset: confirm by hand.",
    )


class CloudWatch(Sender):
    """Amazon CloudWatch alarms, by SNS.

    The service is told by a dimension. SNS sends JSON as text/plain.
    """

    configure = "WHYDOWN_WEBHOOK_TOKEN in the address; or WHYDOWN_SNS_TOPICS"
    aliases = ("aws", "aws-sns-cloudwatch", "sns")
    telling = ("TopicArn",)

    takes_text = True
    config = Config

    def __init__(self, grouping: Grouping, sns: SnsMessages | None = None) -> None:
        """`sns` checks the messages, instead of one for the topics that are configured."""
        super().__init__(grouping)
        topics = Config.read().topics
        self._sns = sns or (SnsMessages(topics) if topics else None)

    def authenticate(self, raw: Callable[[], bytes], headers: Mapping[str, str]) -> bool:
        """Whether SNS signed the message; False when no topics are configured. A subscription of theirs is confirmed
        at once. Raises NotAuthentic, Unverifiable or BodyRejected.
        """
        if self._sns is None:
            return False
        # As it came: redacted, the text would not be the signed one, nor the token in SubscribeURL one that confirms.
        message = parse(raw(), "application/json", headers.get("content-encoding"), redacted=lambda value: value)
        if not isinstance(message, dict):
            raise NotAuthentic("the body is no message of SNS")
        self._sns.check(message)
        if message["Type"] == "SubscriptionConfirmation":
            self._sns.confirm(message)
        return True

    def parse(self, body: Any, headers: Mapping[str, str]) -> Delivery:
        """One group of one alert. Raises MalformedBody."""
        fields = Fields(body)
        kind = fields.line("Type", 64)
        if kind == "SubscriptionConfirmation":
            return Delivery("cloudwatch", (), ignored=CONFIRMED if self._sns else TO_CONFIRM)
        if kind == "UnsubscribeConfirmation":
            return Delivery("cloudwatch", (), ignored="the subscription was ended")
        alarm = _message(fields)
        if not (name := first([alarm.get("AlarmName"), within(alarm, "detail", "alarmName")])):
            detail = "Message holds no CloudWatch alarm (AlarmName): subscribe to the topic that alarms are sent to."
            if kind == "Notification":
                return Delivery("cloudwatch", (), ignored=detail)
            raise MalformedBody(f"{detail}{other_route(body)}", "Message")
        state = first([alarm.get("NewStateValue"), within(alarm, "detail", "state", "value")])
        if state == "INSUFFICIENT_DATA":
            return Delivery("cloudwatch", (), ignored=f"{name} has too little data to tell")
        alert = self._reported(name, alarm, fields.values.get("Timestamp"), over=state == "OK").alert()
        return Delivery("cloudwatch", groups_of([(alert.fingerprint, alert)]))

    def _reported(self, name: str, alarm: Mapping[str, Any], sent: object, over: bool) -> Reported:
        dimensions = _dimensions(alarm)
        named = service_of(dimensions, {}, self.grouping.service_labels, unnamed="")
        changed = first([alarm.get("StateChangeTime"), within(alarm, "detail", "state", "timestamp"), sent])
        return Reported(
            title=name,
            identity=first(
                [
                    alarm.get("AlarmArn"),
                    within(alarm, "resources", 0),
                    f"{first([alarm.get('AWSAccountId')])} {first([alarm.get('Region')])} {name}",
                ]
            ),
            service=named or first(dimensions.get(each) for each in _NAMING) or first(dimensions.values()),
            firing=not over,
            severity=Severity.of(dimensions.get("severity")),
            started=None if over else changed,
            ended=changed,
            labels={
                **dimensions,
                "alarm": name,
                "region": first([alarm.get("Region"), alarm.get("region")]),
                "metric": within(alarm, "Trigger", "MetricName"),
            },
            annotations={
                "description": first(
                    [alarm.get("AlarmDescription"), within(alarm, "detail", "configuration", "description")]
                ),
                "reason": first([alarm.get("NewStateReason"), within(alarm, "detail", "state", "reason")]),
            },
        )


CONFIRMED: Final = "the subscription is confirmed"
TO_CONFIRM: Final = (
    "the subscription waits to be confirmed: put its topic into WHYDOWN_SNS_TOPICS and have SNS ask again (Request "
    "confirmation), or open the SubscribeURL of this message once yourself"
)


def _message(fields: Fields) -> Mapping[str, Any]:
    """The alarm: a JSON text in `Message`, or the body itself where raw message delivery is on."""
    message = fields.values.get("Message", fields.values)
    if isinstance(message, str):
        message = json_in(message)
    return message if isinstance(message, dict) else {}


def _dimensions(alarm: Mapping[str, Any]) -> dict[str, str]:
    """Those of the alarm's metric, or of all the metrics that it calculates with."""
    by_sns = within(alarm, "Trigger", "Metrics")
    by_event_bridge = within(alarm, "detail", "configuration", "metrics")
    told = [
        within(alarm, "Trigger", "Dimensions"),
        *(within(each, "MetricStat", "Metric", "Dimensions") for each in _list(by_sns)),
        *(within(each, "metricStat", "metric", "dimensions") for each in _list(by_event_bridge)),
    ]
    return {name: value for each in told for name, value in tags_of(each).items()}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
