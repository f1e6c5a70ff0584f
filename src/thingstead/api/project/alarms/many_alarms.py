"""What people do about many alarms at once."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta

from thingstead.api.endpoint import ApiCall, Endpoint
from thingstead.api.project.alarms.alarms import (
    COMMON,
    AlarmSelection,
    By,
    Comment,
    Instant,
    filter_of,
    person,
)
from thingstead.errors import InvalidInput
from thingstead.model.alarms.alarm import AlarmOutcome, AlarmVerb
from thingstead.model.roles import OPERATOR
from thingstead.services.alarms.alarms import ALARMS_PER_CALL
from thingstead.wire.alarms import AlarmResultItem, AlarmResults


class AlarmsActionBody(msgspec.Struct, frozen=True, kw_only=True):
    """The alarms, by id or by a filter; the person, and a comment."""

    ids: (
        Annotated[
            list[str],
            Meta(min_length=1, max_length=ALARMS_PER_CALL, description="Alarms, or messages of them (ids)."),
        ]
        | None
    ) = None
    filter: Annotated[AlarmSelection, Meta(description="In place of `ids`; `{}`: all.")] | None = None
    by: By = ""
    comment: Comment = ""


class AlarmsShelveBody(AlarmsActionBody, frozen=True, kw_only=True):
    """The alarms, and the end of the shelving: one of `until` and `for_ms`."""

    until: Annotated[Instant, Meta(description="The end of the shelving, in ms; at most a year ahead.")] | None = None
    for_ms: Annotated[int, Meta(ge=1, description="How long to shelve, from now on.")] | None = None


def _item(outcome: AlarmOutcome) -> AlarmResultItem:
    if outcome.refusal is not None:
        code, message, args = outcome.refusal
        return AlarmResultItem(id=outcome.id, result="refused", code=code, args=dict(args), message=message)
    return AlarmResultItem(id=outcome.id, result="done" if outcome.changed else "unchanged")


async def _act(call: ApiCall, verb: AlarmVerb) -> AlarmResults:
    body: AlarmsActionBody = call.body
    if (body.ids is None) is (body.filter is None):
        raise InvalidInput.field("ids", "ids_or_filter")
    when = {"until": body.until, "for_ms": body.for_ms} if isinstance(body, AlarmsShelveBody) else {}
    alarms, project_id = call.platform.alarms, call.caller.project_id
    action = alarms.action(verb, await person(call), body.comment, **when)
    if body.filter is None:
        many = await alarms.act_on_ids(project_id, body.ids or (), action)
    else:
        many = await alarms.act_on_filter(project_id, filter_of(body.filter), action)
    items = [_item(outcome) for outcome in many.outcomes]
    return AlarmResults(
        done=sum(item.result == "done" for item in items),
        unchanged=many.unchanged,
        refused=sum(item.result == "refused" for item in items),
        remaining=many.remaining,
        until=UNSET if action.until is None else action.until,
        items=items,
    )


async def acknowledge_many(call: ApiCall) -> AlarmResults:
    """Acknowledges up to 1,000 alarms: those in `ids`, or the newest unacknowledged ones that match `filter`;
    `remaining` is the number left for further calls. Each alarm is changed independently: alarms that are acknowledged
    already count as `unchanged`, and a refused alarm does not affect the others."""
    return await _act(call, "acknowledge")


async def shelve_many(call: ApiCall) -> AlarmResults:
    """Shelves up to 1,000 alarms, selected as for acknowledging; alarms that are shelved for longer count as
    `unchanged`. Further calls with the same filter must use the `until` of the answer."""
    return await _act(call, "shelve")


async def unshelve_many(call: ApiCall) -> AlarmResults:
    """Ends the shelving of up to 1,000 alarms, selected as for acknowledging."""
    return await _act(call, "unshelve")


async def clear_many(call: ApiCall) -> AlarmResults:
    """Clears up to 1,000 alarms by hand, selected as for acknowledging."""
    return await _act(call, "clear")


def _endpoint(verb: str, summary: str, handler: object, body: type[AlarmsActionBody] = AlarmsActionBody) -> Endpoint:
    return Endpoint(
        method="POST",
        path=f"/api/v1/alarms_{verb}",
        summary=summary,
        handler=handler,  # type: ignore[arg-type]
        role=OPERATOR,
        body=body,
        info=AlarmResults,
        **COMMON,
    )


ENDPOINTS = (
    _endpoint("acknowledge", "Acknowledge many alarms", acknowledge_many),
    _endpoint("shelve", "Shelve many alarms", shelve_many, AlarmsShelveBody),
    _endpoint("unshelve", "Unshelve many alarms", unshelve_many),
    _endpoint("clear", "Clear many alarms by hand", clear_many),
)
