"""Applies a change to a batch of devices, and publishes it."""

from collections.abc import Sequence
from typing import Any

import msgspec

from thingstead.bus.base import Bus
from thingstead.errors import InvalidInput, ThingsteadError, Unavailable
from thingstead.model import limits
from thingstead.model.command import Command
from thingstead.model.console.bulk import BulkAttributes, BulkChange, BulkCommand, BulkRemoval, JobPart, RegistryChange
from thingstead.model.messages import DeviceChanged, DeviceRemoved, SessionsRevoked
from thingstead.model.roles import ADMIN, OPERATOR, Role
from thingstead.services.audit.audit import note_control
from thingstead.services.commands.control import ControlService
from thingstead.services.ingest.ingest import IngestService
from thingstead.services.ingest.pushes import PreparedPush
from thingstead.services.shared.commits import Commit, settled
from thingstead.services.shared.part_turns import PartTurns
from thingstead.storage.base import Store
from thingstead.wire.bulk import BulkItem

_encode = msgspec.json.Encoder().encode
PAUSE_SHARE = 1.0  # pause after a part of a job, relative to its duration, for other work
PAUSE_SHARE_AT_ONCE = 0.5  # the same for a part of a call that waits for its end
PART_DEVICES = 250  # devices per transaction, which occupies the writer for some milliseconds
PART_DEVICES_SLOW = 50  # the same for changes with a higher cost per device: removals, commands, pushes
PART_VALUES = limits.KEYS_COUNT  # values that a part stores: as many as one report may have
PART_BYTES = 1 << 20  # values or params that a part stores, as JSON


def part_size(change: BulkChange) -> int:
    """Number of devices per part."""
    if isinstance(change, BulkAttributes):
        most = min(PART_VALUES // len(change.attributes), PART_BYTES // len(_encode(change)))
    elif isinstance(change, BulkCommand):
        most = PART_BYTES // len(_encode(change))
    else:
        return PART_DEVICES_SLOW if isinstance(change, BulkRemoval) else PART_DEVICES
    return max(1, min(most, PART_DEVICES_SLOW))


def needed_role(change: BulkChange) -> Role:
    """The role that a caller must have for a change."""
    return ADMIN if isinstance(change, BulkRemoval) else OPERATOR


def refusal(device_id: str, error: ThingsteadError) -> BulkItem:
    """The item of a device whose change was refused."""
    reason = error.errors[0].reason if error.errors else error.reason
    return BulkItem(id=device_id, result="refused", code=reason.code, args=dict(reason.args), message=reason.message)


class BulkChanges:
    """Applies changes to batches of devices. With a part of a job, the progress of the job is in the same commit."""

    def __init__(
        self, store: Store, bus: Bus, ingest: IngestService, control: ControlService, turns: PartTurns
    ) -> None:
        self._store = store
        self._turns = turns
        self._bus = bus
        self._ingest = ingest
        self._control = control

    async def apply(
        self,
        project_id: str,
        change: BulkChange,
        device_ids: Sequence[str],
        part: JobPart | None = None,
        *,
        last: bool = False,
    ) -> list[BulkItem]:
        """Applies a change to devices, in a turn of its own. Waiting for a device takes no turn, so that other
        parts go on meanwhile.

        Args:
            last: no part of the call follows, so that it need not wait for a pause.

        Returns:
            An item for each device, in their order.

        Raises:
            Unavailable: cannot be stored now; no device was changed.
        """
        pause_share = 0.0 if last else PAUSE_SHARE_AT_ONCE if part is None else PAUSE_SHARE
        if isinstance(change, BulkCommand):
            async with self._turns.paused(pause_share):
                return await self._command(project_id, change, device_ids, part)
        if isinstance(change, BulkAttributes):
            ready = [
                (device_id, await self._ready(project_id, device_id, dict(change.attributes)))
                for device_id in dict.fromkeys(device_ids)
            ]
            async with self._turns.turn(project_id, pause_share):
                return await self._push(ready, part)
        async with self._turns.turn(project_id, pause_share):
            return await self._change(project_id, change, device_ids, part)

    async def _change(
        self, project_id: str, change: RegistryChange, device_ids: Sequence[str], part: JobPart | None
    ) -> list[BulkItem]:
        changed = await self._store.jobs.change(project_id, change, device_ids, part)
        done = [item.id for item in changed.items if item.result == "done"]
        for device_id in done:
            self._bus.publish(DeviceChanged(device_id))
        removed = isinstance(change, BulkRemoval)
        if changed.revoked:
            self._bus.publish(SessionsRevoked(changed.revoked, "device removed" if removed else "type changed"))
        for device_id in done if removed else ():
            self._bus.publish(DeviceRemoved(device_id))
        return changed.items

    async def _command(
        self, project_id: str, change: BulkCommand, device_ids: Sequence[str], part: JobPart | None
    ) -> list[BulkItem]:
        drafts: list[Command | BulkItem] = []
        for device_id in dict.fromkeys(device_ids):
            try:
                device = await self._store.devices.get(project_id, device_id)
                drafts.append(
                    await self._control.draft(
                        device, change.method, dict(change.params), change.command_id, change.wait_ms
                    )
                )
            except Unavailable:
                raise
            except ThingsteadError as exc:
                drafts.append(refusal(device_id, exc))
        items = await self._store.jobs.issue(project_id, drafts, wait=bool(change.wait_ms), part=part)
        by_id = {each.id: each for each in drafts if isinstance(each, Command)}
        issued = [by_id[item.command] for item in items if isinstance(item.command, str) and item.command in by_id]
        failed = await self._control.hand_over(issued, wait=bool(change.wait_ms))
        amended = {command.device_id: refusal(command.device_id, error) for command, error in failed}
        if amended and part is not None:
            await self._store.jobs.amend(part.job_id, list(amended.values()))
        return [amended.get(item.id, item) for item in items]

    async def _push(self, ready: Sequence[tuple[str, PreparedPush | BulkItem]], part: JobPart | None) -> list[BulkItem]:
        if part is not None and not await self._is_next(part):
            return []
        # No await between here and progress(): all writes are in one commit.
        commit, items, pushed = self._set(ready)
        if part is not None:
            commit = self._store.jobs.progress(part, items)
        if commit is not None:
            await settled(commit)
        for push in pushed:
            self._control.pushes.send(push)
        return items

    async def _ready(self, project_id: str, device_id: str, attributes: dict[str, Any]) -> PreparedPush | BulkItem:
        """The push to a device that is not congested, or the refusal."""
        try:
            device = await self._store.devices.get(project_id, device_id)
            await self._ingest.await_room(device)
            return await self._control.pushes.prepare(await self._ingest.link(device), attributes)
        except Unavailable:
            raise
        except ThingsteadError as exc:
            return refusal(device_id, exc)

    def _set(
        self, ready: Sequence[tuple[str, PreparedPush | BulkItem]]
    ) -> tuple[Commit | None, list[BulkItem], list[PreparedPush]]:
        """Adds the values to the open commit. Returns the commit, the items, and what is to be sent."""
        items: list[BulkItem] = []
        pushed: list[PreparedPush] = []
        commit: Commit | None = None
        for device_id, push in ready:
            if isinstance(push, BulkItem):
                items.append(push)
                continue
            try:
                outcome = self._control.pushes.store(push)
                if outcome.commit is None:
                    raise InvalidInput.of(outcome.refused)
            except ThingsteadError as exc:
                if isinstance(exc, Unavailable) and not pushed:
                    raise
                items.append(refusal(device_id, exc))
            else:
                commit = outcome.commit
                note_control(self._store, push.link.device, "push", push.attributes)
                pushed.append(push)
                items.append(BulkItem(id=device_id, result="done"))
        return commit, items, pushed

    async def _is_next(self, part: JobPart) -> bool:
        """Whether the part is still to be applied: the job may have been cancelled."""
        found = await self._store.jobs.next_part(part.job_id)
        return found is not None and found.position == part.position
