"""Jobs: changes of many devices that go on by themselves."""

from typing import Any

import msgspec

from thingstead.api.endpoint import ApiCall, Endpoint
from thingstead.api.fields import ShortListQuery
from thingstead.api.project.console.bulk_changes import TAG
from thingstead.errors import Conflict, NotFound
from thingstead.model.console.bulk import BulkChange, Job
from thingstead.model.roles import OPERATOR, VIEWER
from thingstead.wire.bulk import JobDetail, JobInfo
from thingstead.wire.common import Listed

# Names of the members of a change in the request.
_SHOWN = {"type_id": "type", "group_ids": "groups", "customer_id": "customer", "command_id": "id"}


async def jobs(call: ApiCall) -> Listed[JobInfo]:
    """Newest job first: all that have not ended, and up to 100 in all until 14 days after their end."""
    query: ShortListQuery = call.query
    return query.listed(
        [JobInfo(**_members(job)) for job in await call.platform.jobs.list_newest(call.caller.project_id)]
    )


async def job(call: ApiCall) -> JobDetail:
    """`done` + `unchanged` + `refused` of `total` devices are processed; a job continues after a restart of the
    server."""
    found, items = await call.platform.jobs.get(call.caller.project_id, call.path["job_id"])
    return JobDetail(**_members(found), items=items)


async def cancel_job(call: ApiCall) -> JobInfo:
    """Ends a job; devices that were processed stay changed. A job also ends so if its caller is removed, or loses the
    role that the change requires."""
    return JobInfo(**_members(await call.platform.jobs.cancel(call.caller.project_id, call.path["job_id"])))


def _members(job: Job) -> dict[str, Any]:
    action, what = _what(job.change)
    same = ("id", "state", "total", "done", "unchanged", "refused", "create_time", "end_time")
    return {"action": action, "what": what, "by": job.actor, **{name: getattr(job, name) for name in same}}


def _what(change: BulkChange) -> tuple[str, dict[str, Any]]:
    members = msgspec.to_builtins(change)
    return members.pop("type"), {_SHOWN.get(name, name): value for name, value in members.items()}


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/api/v1/jobs",
        summary="List jobs",
        handler=jobs,
        role=VIEWER,
        tag=TAG,
        query=ShortListQuery,
        info=Listed[JobInfo],
        extension=True,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/job/{job_id}",
        summary="Read a job",
        handler=job,
        role=VIEWER,
        tag=TAG,
        info=JobDetail,
        refusals=(NotFound,),
        extension=True,
    ),
    Endpoint(
        method="POST",
        path="/api/v1/job/{job_id}/cancel",
        summary="Cancel a job",
        handler=cancel_job,
        role=OPERATOR,
        tag=TAG,
        info=JobInfo,
        refusals=(NotFound, Conflict),
        extension=True,
    ),
)
