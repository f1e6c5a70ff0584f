"""Changes many devices in one call: up to 1,000 at once, more by a job in the background."""

from collections.abc import Sequence

import msgspec
import structlog

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.errors import Conflict, InvalidInput, ThingsteadError
from thingstead.model import ids, limits
from thingstead.model.audit.log import Author
from thingstead.model.console.bulk import (
    Actor,
    BulkAttributes,
    BulkChange,
    BulkCommand,
    BulkCustomer,
    BulkGroups,
    BulkGroupsRemoval,
    BulkTags,
    BulkTagsRemoval,
    BulkType,
    Job,
    JobState,
)
from thingstead.model.device import DeviceFilter
from thingstead.model.limits import Problems
from thingstead.model.roles import allows
from thingstead.model.tenant import TENANT
from thingstead.model.values.unicode_text import normal
from thingstead.repeating import Repeating
from thingstead.services.audit.audit import acting
from thingstead.services.commands.control import ControlService
from thingstead.services.commands.states import params_size_bytes
from thingstead.services.ingest.ingest import IngestService
from thingstead.services.jobs.changes import BulkChanges, needed_role, part_size
from thingstead.services.registry.devices import DeviceService
from thingstead.services.registry.new_device import normal_tags
from thingstead.services.shared.part_turns import PartTurns
from thingstead.services.shared.project_workers import ProjectWorkers
from thingstead.storage.base import Store
from thingstead.wire.bulk import BulkItem

log = structlog.get_logger("thingstead.jobs")

LOOK_INTERVAL_S = 60.0  # interval of checks for open and old jobs
DAY_MS = 24 * 3600 * 1000


class DeviceChoice(msgspec.Struct, frozen=True, kw_only=True):
    """The devices of a change: ids, or a filter with the expected number of matches."""

    device_ids: tuple[str, ...] = ()
    device_filter: DeviceFilter | None = None
    total: int | None = None


class JobService:
    """Changes of many devices. :meth:`start` continues the jobs of an earlier run.

    Jobs of one project are done in order, those of several side by side. Calls and jobs apply one part at a time,
    projects in turns, with a pause after each, so that other work is not held up.
    """

    def __init__(
        self,
        store: Store,
        bus: Bus,
        clock: Clock,
        devices: DeviceService,
        ingest: IngestService,
        control: ControlService,
        turns: PartTurns,
    ) -> None:
        self._store = store
        self._clock = clock
        self._devices = devices
        self._changes = BulkChanges(store, bus, ingest, control, turns)
        self._workers = ProjectWorkers("jobs of a project", self._open_projects, self._work)
        self._task = Repeating("jobs over many devices", self.run, LOOK_INTERVAL_S, at_start=True)

    def start(self) -> None:
        """Starts the task that runs jobs, including those of earlier runs."""
        self._task.start()

    async def close(self) -> None:
        await self._task.close()

    async def begin(
        self, project_id: str, actor: Actor, change: BulkChange, selection: DeviceChoice
    ) -> list[BulkItem] | Job:
        """Applies a change to few devices at once, or creates a job for many.

        Returns:
            An item for each device, or the job.

        Raises:
            InvalidInput: the change refers to an unknown object, or cannot be applied to any device.
            Conflict: the filter now matches another number of devices, or too many jobs are open.
        """
        change = await self._checked(project_id, change)
        device_ids = await self._select(project_id, selection)
        size = part_size(change)
        if len(device_ids) > limits.DEVICES_PER_REQUEST:
            return await self._create(project_id, actor, change, device_ids)
        items: list[BulkItem] = []
        for first in range(0, len(device_ids), size):
            last = first + size >= len(device_ids)
            items += await self._changes.apply(project_id, change, device_ids[first : first + size], last=last)
        return items

    async def _select(self, project_id: str, selection: DeviceChoice) -> list[str]:
        if selection.device_filter is None:
            named = dict.fromkeys(selection.device_ids)
            # In the order in which they can be changed; unknown ids get a refusal each.
            found = await self._store.jobs.list_ids(project_id, DeviceFilter(ids=tuple(named)), len(named))
            for device_id in found:
                del named[device_id]
            return [*found, *named]
        device_filter = self._devices.dated(selection.device_filter)
        device_ids = await self._store.jobs.list_ids(project_id, device_filter, limits.JOB_DEVICES_COUNT + 1)
        if len(device_ids) > limits.JOB_DEVICES_COUNT:
            raise InvalidInput.field("filter", "too_many_devices", maximum=limits.JOB_DEVICES_COUNT)
        if len(device_ids) != selection.total:
            raise Conflict("selection_changed", total=len(device_ids), info={"total": len(device_ids)})
        return device_ids

    async def _create(self, project_id: str, actor: Actor, change: BulkChange, device_ids: Sequence[str]) -> Job:
        job = Job(
            id=ids.new_id() + ids.new_id(),
            project_id=project_id,
            change=change,
            actor=actor,
            total=len(device_ids),
            create_time=self._clock.now_ms(),
        )
        size = part_size(change)
        parts = [device_ids[first : first + size] for first in range(0, len(device_ids), size)]
        await self._store.jobs.create(job, parts, limits.JOBS_OPEN_COUNT)
        self._workers.tell()
        self._task.want()
        return job

    async def _checked(self, project_id: str, change: BulkChange) -> BulkChange:
        """The change in normal form. Unknown references are refused once here, not for each device."""
        problems = Problems()
        match change:
            case BulkTags():
                problems.tags(change.tags)
                change = BulkTags(normal_tags(change.tags))
            case BulkTagsRemoval():
                limits.check_keys(change.keys)
                change = BulkTagsRemoval(tuple(normal(key) for key in change.keys))
            case BulkType(type_id=str(type_id)):
                if not limits.is_id(type_id) or not await self._store.device_types.conn_types(project_id, {type_id}):
                    problems.add("type", "no_such_device_type")
            case BulkGroups() | BulkGroupsRemoval():
                named = [group_id for group_id in change.group_ids if limits.is_id(group_id)]
                known = await self._store.device_groups.known(project_id, named)
                for index, group_id in enumerate(change.group_ids):
                    if group_id not in known:
                        problems.add(f"groups[{index}]", "no_such_device_group")
            case BulkCustomer(customer_id=str(customer_id)):
                await self._store.customers.get(project_id, customer_id)
            case BulkAttributes():
                problems.count("attributes", tuple(change.attributes), limits.KEYS_COUNT, least=1)
            case BulkCommand():
                params_size_bytes(dict(change.params), problems.errors)
            case _:
                pass
        problems.refuse()
        return change

    # Jobs

    async def list_newest(self, project_id: str) -> list[Job]:
        return await self._store.jobs.list_newest(project_id, limits.JOBS_KEPT_COUNT)

    async def get(self, project_id: str, job_id: str) -> tuple[Job, list[BulkItem]]:
        """A job, and its first refused devices."""
        job = await self._store.jobs.get(project_id, job_id)
        return job, await self._store.jobs.refusals(job.id)

    async def cancel(self, project_id: str, job_id: str) -> Job:
        """Cancels a job; devices that were changed stay changed. Raises Conflict if it has ended."""
        if not await self._store.jobs.end(project_id, job_id, "cancelled", self._clock.now_ms()):
            raise Conflict("job_ended")
        return await self._store.jobs.get(project_id, job_id)

    async def run(self) -> None:
        """Applies the parts of all open jobs; then removes old jobs."""
        await self._workers.run()
        before = self._clock.now_ms() - limits.JOBS_KEPT_DAYS * DAY_MS
        await self._store.jobs.prune(before, limits.JOBS_KEPT_COUNT)

    async def _open_projects(self) -> list[str]:
        return [job.project_id for job in await self._store.jobs.list_open()]

    async def _work(self, project_id: str) -> None:
        """Applies the parts of a project's jobs, oldest job first, until none is open."""
        while job := next((job for job in await self._store.jobs.list_open() if job.project_id == project_id), None):
            await self._do_part(await self._store.jobs.get(project_id, job.id))

    async def _do_part(self, job: Job) -> None:
        part = await self._store.jobs.next_part(job.id)
        if part is None:
            await self._end(job, "done")
            return
        if not await self._may_go_on(job):
            log.info(
                "a job was cancelled: who began it was removed or has another role", job=job.id, actor=job.actor.id
            )
            await self._end(job, "cancelled")
            return
        token = TENANT.set(job.project_id)
        at, actor = self._clock.now_ms(), job.actor
        try:
            with acting(Author(kind=actor.kind, project_id=job.project_id, id=actor.id, at=at)):
                await self._changes.apply(job.project_id, job.change, part.device_ids, part)
        except ThingsteadError:
            raise  # cannot be stored now: retried
        except Exception:  # a bug: only this job fails
            log.exception("a job failed", job=job.id, project=job.project_id)
            await self._end(job, "failed")
        finally:
            TENANT.reset(token)

    async def _may_go_on(self, job: Job) -> bool:
        """Whether who began a job may still do what it does."""
        accounts, actor = self._store.accounts, job.actor
        if actor.kind == "cli":
            return True
        find = accounts.find_administrator if actor.kind == "admin" else accounts.find_application
        found = await find(actor.id)
        return found is not None and allows(found.role, needed_role(job.change))

    async def _end(self, job: Job, state: JobState) -> None:
        await self._store.jobs.end(job.project_id, job.id, state, self._clock.now_ms())
