"""Operations on forwarding targets: validation, storage, statistics, dead letters, test messages."""

import secrets
from collections.abc import Sequence

import msgspec

from thingstead.clock import Clock
from thingstead.errors import Conflict
from thingstead.model import ids
from thingstead.model.device import Page
from thingstead.model.forwarding.message import ForwardDevice, message_of
from thingstead.model.forwarding.secret_members import revealed
from thingstead.model.forwarding.target import (
    REPLAY_COUNT,
    TARGETS_COUNT,
    DeadLetter,
    ForwardTarget,
    TargetConfig,
    TargetFilter,
)
from thingstead.model.forwarding.target_form import (
    ForwardTargetForm,
    ForwardTargetPatch,
    config_of,
    form_of,
    patched,
)
from thingstead.model.limits import Problems
from thingstead.services.forwarding.checks import check_target
from thingstead.services.forwarding.forwarder import Forwarder
from thingstead.services.forwarding.runner import error_of
from thingstead.services.forwarding.sending import TargetLink
from thingstead.services.forwarding.target import PermanentFailure, TargetRefusal, TransientFailure
from thingstead.storage.base import Store
from thingstead.wire.automation.forwarding import ForwardLane, ForwardReplayed, ForwardStatistics, ForwardTest

TEST_TIMEOUT_S = 10.0
SECRET_BYTES = 32  # of a secret that the server makes


class ForwardingService:
    """Operations on targets. A change is committed, and in effect, when its coroutine returns."""

    def __init__(self, store: Store, clock: Clock, forwarder: Forwarder) -> None:
        self.forwarder = forwarder
        self._store = store
        self._clock = clock

    async def create(self, project_id: str, form: ForwardTargetForm) -> tuple[ForwardTarget, str | None]:
        """Creates a target. Returns it, and its secret if the server made one.

        Raises:
            InvalidInput: names every part that is invalid or refers to an unknown object.
            Conflict: the project has reached its limit of targets.
        """
        await check_target(self._store, project_id, form)
        config, secret = _with_secret(_revealed(form, None))
        if await self._store.forwarding.count(project_id) >= TARGETS_COUNT:
            raise Conflict("too_many_forward_targets", maximum=TARGETS_COUNT)
        target = self._target_of(project_id, ids.new_id(), form, config)
        await self._store.forwarding.create(target)
        await self.forwarder.put(project_id, target.id)
        return target, secret

    async def get(self, project_id: str, target_id: str) -> ForwardTarget:
        """Raises NotFound for an unknown target."""
        return await self._store.forwarding.get(project_id, target_id)

    async def list_page(
        self, project_id: str, target_filter: TargetFilter, page: Page
    ) -> tuple[list[ForwardTarget], int]:
        """One page of targets, oldest first, and the number of matches."""
        return await self._store.forwarding.list_page(project_id, target_filter, page)

    async def update(
        self, project_id: str, target_id: str, patch: ForwardTargetPatch
    ) -> tuple[ForwardTarget, str | None]:
        """Changes the given members; what waits is sent as the target is afterwards. Returns it, and its secret if the
        server made a new one.

        Raises:
            NotFound, InvalidInput, Conflict: as :meth:`create`; or another version.
        """
        before = await self.get(project_id, target_id)
        form = patched(form_of(before), patch)
        await check_target(self._store, project_id, form)
        config, secret = _with_secret(_revealed(form, before.config), before.config)
        target = self._target_of(project_id, target_id, form, config, before)
        await self._store.forwarding.replace(target, patch.version or None)
        stored = await self.get(project_id, target_id)
        await self.forwarder.put(project_id, target_id)
        return stored, secret

    async def delete(self, project_id: str, target_id: str) -> None:
        """Removes a target. What waits for it is not sent."""
        target = await self.get(project_id, target_id)
        await self._store.forwarding.delete(project_id, target_id)
        await self.forwarder.drop(target)

    async def retry(self, project_id: str, target_id: str) -> None:
        """Ends the waiting time of a target after failures."""
        await self.get(project_id, target_id)
        runner = self.forwarder.runners.get(target_id)
        if runner is not None:
            runner.retry_now()

    async def statistics(self, project_id: str, target_id: str) -> ForwardStatistics:
        """What waits for a target, and the outcome of its messages."""
        target = await self.get(project_id, target_id)
        dead = await self._store.forwarding.count_dead(target_id)
        runner = self.forwarder.runners.get(target_id)
        if runner is None:
            return ForwardStatistics(state="running" if target.enabled else "off", dead_letters=dead)
        waiting_since: int | None = None
        if runner.items:
            begin = runner.needed_from(self.forwarder.tap.horizon)
            headers = await self._store.forwarding.list_headers(project_id, target_id, begin - 1, 1)
            waiting_since = headers[0].created_at if headers else None
        failing = [lane.next_try_at for lane in runner.lanes if lane.next_try_at is not None]
        progress = runner.progress
        return ForwardStatistics(
            state=runner.state,
            waiting_items=runner.items,
            waiting_bytes=runner.size_bytes,
            waiting_since=waiting_since,
            sent=progress.sent,
            sent_bytes=progress.sent_bytes,
            refused=progress.refused,
            dropped=progress.dropped,
            dead_letters=dead,
            last_sent_at=progress.last_sent_at,
            last_error=progress.last_error,
            next_try_at=min(failing, default=None),
            lanes=[
                ForwardLane(
                    failures=lane.failures,
                    next_try_at=lane.next_try_at,
                    waiting_items=lane.items,
                    waiting_bytes=lane.size_bytes,
                )
                for lane in runner.lanes
            ],
        )

    # Dead letters

    async def list_dead(self, project_id: str, target_id: str, page: Page) -> tuple[list[DeadLetter], int]:
        """One page of dead letters, oldest first, and their number."""
        return await self._store.forwarding.list_dead(project_id, target_id, page)

    async def replay(self, project_id: str, target_id: str, chosen: Sequence[str] | None) -> ForwardReplayed:
        """Puts dead letters back, oldest first; ``chosen``: their ids, None: all."""
        target = await self.get(project_id, target_id)
        tap = self.forwarder.tap
        seq = tap.new_seq()
        try:
            replay = await self._store.forwarding.replay(target, chosen, seq, self._clock.now_ms(), REPLAY_COUNT)
        except BaseException:
            tap.ended(seq)
            raise
        self.forwarder.appended(replay.segment)
        return ForwardReplayed(replayed=len(replay.segment), remaining=replay.remaining)

    async def delete_dead(self, project_id: str, target_id: str, chosen: Sequence[str] | None) -> int:
        """Removes dead letters; ``chosen``: their ids, None: all. Returns their number."""
        target = await self.get(project_id, target_id)
        return await self._store.forwarding.delete_dead(target, chosen)

    # Test messages

    async def test(self, project_id: str, target: str | ForwardTargetForm) -> ForwardTest:
        """Sends one test message, to a stored target or to one in a form. Nothing is stored."""
        if isinstance(target, str):
            tested = await self.get(project_id, target)
        else:
            await check_target(self._store, project_id, target)
            config, _ = _with_secret(_revealed(target, None))
            tested = self._target_of(project_id, ids.new_id(), target, config)
        now, begun_s = self._clock.now_ms(), self._clock.monotonic_s()
        await self.forwarder.look()
        link = TargetLink(tested, self.forwarder.context(tested), TEST_TIMEOUT_S)
        message = message_of(
            ids.new_id() + ids.new_id(),
            tested.kinds[0],
            ForwardDevice("test", "Test", "test"),
            now,
            {"test": True},
        )
        refusal: TargetRefusal | None = None
        try:
            refusals = await link.send([message])
            refusal = refusals[0] if refusals else None
        except (TransientFailure, PermanentFailure) as exc:
            refusal = exc.refusal
        finally:
            await link.close()
        took_ms = round((self._clock.monotonic_s() - begun_s) * 1000)
        if refusal is None:
            return ForwardTest(delivered=True, took_ms=took_ms)
        error = error_of(refusal, now)
        return ForwardTest(
            delivered=False,
            took_ms=took_ms,
            reason=error.reason,
            code=error.code,
            args=error.args,
            status=error.status,
            answer=error.answer,
        )

    def _target_of(
        self,
        project_id: str,
        target_id: str,
        form: ForwardTargetForm,
        config: TargetConfig,
        before: ForwardTarget | None = None,
    ) -> ForwardTarget:
        now = self._clock.now_ms()
        return ForwardTarget(
            id=target_id,
            project_id=project_id,
            name=form.name,
            descr=form.descr,
            enabled=form.enabled,
            kinds=tuple(dict.fromkeys(form.kinds)),
            type_ids=tuple(dict.fromkeys(form.types)),
            device_ids=tuple(dict.fromkeys(form.devices)),
            tags=form.tags,
            batch=form.batch,
            config=config,
            create_time=now if before is None else before.create_time,
            update_time=now,
        )


def _revealed(form: ForwardTargetForm, before: TargetConfig | None) -> TargetConfig:
    """Where a checked form sends to, with stored secrets in the place of hidden ones."""
    config = config_of(form)
    problems = Problems()
    known = None if before is None or before.kind != config.kind else before.chosen
    chosen = revealed(config.chosen, known, problems, config.kind)
    problems.refuse()
    return TargetConfig(**{config.kind: chosen})


def _with_secret(config: TargetConfig, before: TargetConfig | None = None) -> tuple[TargetConfig, str | None]:
    """A config, whose address has a secret to sign with; and the secret, if it is a new one. An address keeps the one
    that it had."""
    if config.url is None or config.url.secret is not None:
        return config, None
    known = None if before is None else before.url
    if known is not None and known.url == config.url.url:
        return TargetConfig(url=msgspec.structs.replace(config.url, secret=known.secret)), None
    secret = secrets.token_urlsafe(SECRET_BYTES)
    return TargetConfig(url=msgspec.structs.replace(config.url, secret=secret)), secret
