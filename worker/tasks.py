"""The Celery tasks: wiring only. A message says which row of work to look at; the row says whether there is work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, Final

import structlog
from celery import current_task
from celery.signals import worker_ready, worker_shutdown
from sqlalchemy.exc import SQLAlchemyError

from shared import tracing
from shared.database import is_away
from shared.moment import now
from shared.store import admission, beginnings, installation, intake, pushes, retention, work
from shared.store.work import Claim, Fenced
from shared.task_application import celery_app, publish
from shared.task_queue import RECONCILE, TASKS, WORK_ID, kind_of
from worker import delivery, isolation, pipeline
from worker.admitting import Admitting
from worker.clock import Clock
from worker.doors import Doors
from worker.hands import Hands
from worker.notifiers import PushFailure
from worker.offered_names import OfferedNames
from worker.parts import parts
from worker.pipeline import Course
from worker.quiet_task import NOTHING_TO_DO, QuietTask
from worker.stages import Store
from worker.threads import side_by_side

Stage = Callable[..., Store]

STAGES: Final[dict[str, Stage]] = {
    "investigate": pipeline.investigate,
    "gather": pipeline.gather,
    "diagnose": pipeline.diagnose,
    "deliver": pipeline.deliver,
}

MAX_TRIES: Final = 3
"""A piece of work that failed so often, or so often killed a process that did nothing else, is set aside."""

SUSPECT: Final = 2
"""A piece of work whose lease ran out so often is done in a process of its own from then on."""

AGAIN: Final = timedelta(seconds=5)
"""Work that failed unexpectedly is tried again after this long."""

# Seconds to the next try of a push, as Svix spaces them: https://docs.svix.com/retries.
PUSH_PAUSES: Final = (5, 300, 1_800, 7_200, 18_000, 36_000, 36_000)

PATIENT_TRIES: Final = 3
"""So often a recipient's own wish (Retry-After) replaces the pause."""

_log = structlog.get_logger(__name__)
_hands = Hands()
_clock = Clock(_hands, parts)
_admitting = Admitting(lambda: admission.admit(parts().database, parts().settings.concurrent), publish)
_offered = OfferedNames()
_doors = Doors()


class StageFailure(Exception):
    """A stage failed unexpectedly. Its text is for the operator, without secrets."""

    def __init__(self, said: str, reason: str = "", innocent: bool = False) -> None:
        """`reason` is what users are told. `innocent` when it was not the work's fault."""
        super().__init__(said)
        self.reason = reason
        self.innocent = innocent


@celery_app.task(name=TASKS["investigate"], base=QuietTask)
def investigate(work_id: str) -> str | None:
    """Asks the catalog whom to look at, and goes through what follows from that."""
    if _go_through((work_id,)) or (_admitting.ask(work_id) and _go_through((work_id,))):
        return None
    return _nothing_to_do(work_id)


@celery_app.task(name=TASKS["gather"], base=QuietTask)
def gather(*work_ids: str) -> str | None:
    """Asks sources of one attempt, all at once; goes on to the diagnosis when they were the last."""
    return None if _go_through(work_ids) else _nothing_to_do(work_ids[0])


@celery_app.task(name=TASKS["diagnose"], base=QuietTask)
def diagnose(work_id: str) -> str | None:
    """Makes the brief and asks the model."""
    return None if _go_through((work_id,)) else _nothing_to_do(work_id)


@celery_app.task(name=TASKS["deliver"], base=QuietTask)
def deliver(work_id: str) -> str | None:
    """Pushes a result to one recipient, unless as many pushes to the same are under way as may be."""
    if not _doors.enter(work_id):
        return None
    try:
        return None if _go_through((work_id,)) else _nothing_to_do(work_id)
    finally:
        publish(_doors.leave(work_id))


@celery_app.task(name=RECONCILE, send_events=False)
def reconcile() -> None:
    """Finds work that fell by the wayside, and sends it on its way again."""
    found = work.sweep(parts().database)
    more: list[str] = list(found.publish)
    for claim in found.overdue:
        with suppress(Fenced):
            more += pipeline.too_late(parts(), claim)
    _admitting.ask()
    _expire()
    installation.reconciled(parts().database)
    if more:
        _log.info("reconciled", published=len(more), overdue=len(found.overdue))
    publish(more)
    _offered.refresh(parts())


def _expire() -> None:
    days = parts().settings.retention_days
    if days is not None and (count := retention.expire(parts().database, now() - timedelta(days=days))):
        _log.info("expired", incidents=count)


def _go_through(work_ids: Sequence[str]) -> bool:
    """Does some work of one attempt, and the stages that it opens, one after the other in this one task: why is said in
    docs/decisions/0016-one-task-for-an-attempt.md. False when there was nothing to claim: it waits, or somebody else
    does it.
    """
    claims, course = _taken(work_ids)
    done = ""
    while claims:
        done = claims[0].kind
        claims = _ask_sources(claims, course) if len(claims) > 1 else _finish(claims[0], course)
    if done in ("investigate", "diagnose"):
        _admitting.ask()  # the attempt is over and has made room
    return bool(done)


def _taken(work_ids: Sequence[str]) -> tuple[list[Claim], Course]:
    """The claims on what can be had of some work of one attempt."""
    kind, database = kind_of(work_ids[0]), parts().database
    if kind == "investigate":
        taken = beginnings.take_up(database, work_ids[0])
        return ([taken[0]], Course(taken[1])) if taken else ([], Course())
    within = timedelta(seconds=_time_limit(kind)) if kind == "gather" else None
    return work.claim_all(database, work_ids, within), Course()


def _nothing_to_do(work_id: str) -> str | None:
    """Ends a message of our own that came twice without a word. Somebody who sent the task by hand, as Flower's API
    lets them, is given another attempt of an analysis that failed, as by POST /incidents/<id>/retry.
    """
    if WORK_ID.fullmatch(current_task.request.id or ""):
        return NOTHING_TO_DO
    incident_id = work_id.partition(".")[0]
    if again := intake.investigate_again(parts().database, incident_id, only_failed=True):
        _log.info("retried_by_hand", incident=incident_id)
        publish(again.work)
    return None


def _time_limit(kind: str) -> float:
    """Seconds that this process may hold a piece of work."""
    settings = parts().settings
    return {
        "investigate": settings.source_timeout_seconds * 2 + 30,
        "gather": pipeline.source_seconds(parts()),
        "diagnose": parts().model_seconds + 60,
        "deliver": delivery.PUSH_SECONDS + 10,
    }[kind]


def _ask_sources(claims: Sequence[Claim], course: Course) -> list[Claim]:
    """Asks sources of one attempt at the same time. Gives the claims on what they opened, and raises StageFailure."""
    # Where one fails its source is not in, so none of the others opened anything.
    opened = side_by_side(lambda claim: _finish(claim, course), claims, len(claims))
    return [claim for each in opened for claim in each]


def _finish(claim: Claim, course: Course) -> list[Claim]:
    """Does what was claimed. Gives the claims on what of the attempt is to be done next; all else that may begin then
    is published. Raises StageFailure.
    """
    told = {"whydown__attempt": claim.attempt, "whydown__tries": claim.tries, "whydown__subject": claim.subject or None}
    seconds = _time_limit(claim.kind)
    with (
        structlog.contextvars.bound_contextvars(incident=claim.incident_id, work=claim.work_id),
        tracing.span(claim.kind, claim.incident_id, "consumer", **told) as span,
        _hands.holding(claim, seconds),
    ):
        try:
            with _failures_told(claim):
                alone = claim.lapses >= SUSPECT
                found = _alone(claim, seconds) if alone else STAGES[claim.kind](parts(), claim, course)
                following = _store(claim, found)
            if claim.kind in ("diagnose", "deliver"):
                _log.info("stage_done", kind=claim.kind, tries=claim.tries)
            return following
        except Fenced:
            _log.info("fenced")  # whoever took it over has stored the result or will
        except PushFailure as failure:
            span.failed(failure.reason)
            _push_again(claim, failure)
        except isolation.NoRoom:
            _hands.owe(lambda: work.hand_back(parts().database, claim, AGAIN, None, counts=False))
        except StageFailure as failure:
            span.failed(failure.reason)
            _fail(claim, failure)
            raise
        return []


@contextmanager
def _failures_told(claim: Claim) -> Iterator[None]:
    """Makes every failure but those that mean something of their own a StageFailure."""
    try:
        yield
    except (Fenced, PushFailure, StageFailure, isolation.NoRoom):
        raise
    except Exception as failure:  # noqa: BLE001  whatever it was, it is raised again
        # Operators see it in Flower: where it failed, and without the secrets that it may quote.
        said = parts().redactor.text(f"{type(failure).__name__}: {failure}")
        reason = f"{type(failure).__name__} in {claim.kind}"
        raise StageFailure(said, reason, is_away(failure)).with_traceback(failure.__traceback__) from None


def _store(claim: Claim, store: Store) -> list[Claim]:
    """Stores what was found, as soon as the database is there to take it. Gives the claims on what is to be done next
    of the attempt. Raises Fenced.
    """
    try:
        opened = store()
    except SQLAlchemyError as failure:
        if not is_away(failure):
            raise
        _hands.owe(lambda: _store_late(claim, store))
        return []
    return _go_on(claim, opened)


def _go_on(claim: Claim, opened: Sequence[str]) -> list[Claim]:
    """Publishes what may begin, but for the next stage of the attempt, whose claims it gives: they came with it."""
    attempt = f"{claim.incident_id}.{claim.attempt}."
    mine = [each for each in opened if each.startswith(attempt) and kind_of(each) in ("gather", "diagnose")]
    publish([each for each in opened if each not in mine])
    return [work.next_claim(claim, each) for each in mine]


def _store_late(claim: Claim, store: Store) -> None:
    """As `_store`, when nobody goes on with what follows: it is given back. Raises Fenced."""
    for following in _go_on(claim, store()):
        _hands.owe(lambda held=following: _give_back(held))  # type: ignore[misc]
    _admitting.ask()


def _give_back(claim: Claim) -> None:
    work.hand_back(parts().database, claim, timedelta(0), None, counts=False)
    publish([claim.work_id])


def _alone(claim: Claim, seconds: float) -> Store:
    """Does the work in a process of its own, which stores it too. Raises NoRoom, and what that process raises."""
    _log.info("isolated", kind=claim.kind, lapses=claim.lapses)
    try:
        opened = isolation.run(_carry_out, claim, seconds)
    except isolation.Died as death:
        raise StageFailure(str(death), f"{death}, with nothing else in it than this {claim.kind}") from None
    return lambda: opened


def _carry_out(claim: Claim) -> tuple[str, ...]:
    """The whole of it in one go. Raises Fenced, PushFailure or StageFailure."""
    with _failures_told(claim):
        return STAGES[claim.kind](parts(), claim, Course())()


def _push_again(claim: Claim, failure: PushFailure) -> None:
    # A server's answer may quote what it was sent with.
    reason = parts().redactor.text(failure.reason)
    if failure.permanent or claim.tries > len(PUSH_PAUSES):
        _give_up(claim, reason)
    else:
        pause = timedelta(seconds=_pause(claim, failure.retry_after))
        _hands.owe(lambda: publish(pushes.put_off(parts().database, claim, pause, reason)))


def _pause(claim: Claim, asked: float | None) -> float:
    """Seconds to the next try of a push. What the recipient asked for counts, but not for ever."""
    if asked is None:
        return PUSH_PAUSES[claim.tries - 1]
    _doors.close(claim.work_id, asked)
    return asked if claim.tries <= PATIENT_TRIES else max(PUSH_PAUSES[claim.tries - 1], asked)


def _fail(claim: Claim, failure: StageFailure) -> None:
    """Another try, or the end with its reason. A database that is away is not the work's fault: it is told when it is
    back, and then there is nothing to wait for.
    """
    innocent = failure.innocent
    _log.warning("stage_failed", kind=claim.kind, tries=claim.tries, reason=failure.reason)
    if claim.tries >= MAX_TRIES and not innocent:
        _give_up(claim, f"{failure.reason}, {claim.tries} times; the worker's log has the details")
    else:
        pause = timedelta(0) if innocent else AGAIN
        _hands.owe(lambda: work.hand_back(parts().database, claim, pause, failure.reason, counts=not innocent))


def _give_up(claim: Claim, reason: str) -> None:
    _hands.owe(lambda: publish(pipeline.give_up(parts(), claim, reason)))


# weak=False: Celery holds handlers weakly, and one that was collected is silently never called.
@worker_ready.connect(weak=False)
def _start(sender: Any, **_: Any) -> None:
    parts()
    _doors.among(sender.pool.limit)
    _clock.start()


@worker_shutdown.connect(weak=False)
def _stop(**_: Any) -> None:
    _clock.stopped.set()
    if count := _hands.let_go(parts().database):
        _log.info("handed_back", work=count)
