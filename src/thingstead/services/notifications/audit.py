"""Lists webhooks, robots and forwarding targets whose address is refused at present; logged at the start and with a new
project."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from urllib.parse import urlsplit

import msgspec
import structlog

from thingstead.config import NotifySettings
from thingstead.errors import ThingsteadError
from thingstead.model.forwarding.target import TargetConfig
from thingstead.services.notifications.channels import target_of
from thingstead.services.outbound.addresses import may_be_reached, private_allowed
from thingstead.services.outbound.network import Resolver, Unresolved
from thingstead.storage.base import Store

CHANNELS_PER_READ = 500
NAMES_LIMIT = 500
LOOK_UP_TIMEOUT_S = 5.0  # for all DNS look-ups together
AT_ONCE = 16
LOGGED = 50  # channels in one log

log = structlog.get_logger("thingstead.notify")


class StoppedChannel(msgspec.Struct, frozen=True, kw_only=True):
    """A channel, or a forwarding target, with a refused address."""

    project_id: str
    owner: str  # kind and name of the alarm rule, notification group or forwarding target
    kind: str
    target: str  # scheme and host, or the host alone


async def stopped_channels(store: Store, settings: NotifySettings) -> list[StoppedChannel]:
    """The channels and targets that are stopped by the present number of projects. Names that cannot be resolved now
    are not included; resolving is limited to some seconds."""
    private = private_allowed(settings.private_addresses, await store.projects.count())
    found: list[tuple[str, StoppedChannel]] = []
    after = ""
    while page := await store.notify.list_channels(after, CHANNELS_PER_READ):
        for listed in page:
            url = getattr(listed.channel.channel, listed.channel.kind, None)
            if isinstance(url, str):
                stopped = StoppedChannel(
                    project_id=listed.project_id,
                    owner=listed.owner,
                    kind=listed.channel.kind,
                    target=target_of(listed.channel),
                )
                found.append((urlsplit(url).hostname or "", stopped))
        after = page[-1].channel.id
    found += [(host, stopped) async for host, stopped in _forwarding_hosts(store)]
    bad = await _bad_names({name for name, _ in found}, private=private)
    return [stopped for name, stopped in found if name in bad]


async def _forwarding_hosts(store: Store) -> AsyncIterator[tuple[str, StoppedChannel]]:
    """The hosts of all enabled forwarding targets."""
    after = ""
    while page := await store.forwarding.list_all(after, CHANNELS_PER_READ):
        for target in page:
            for host in _hosts(target.config) if target.enabled else ():
                owner = f"forwarding target {target.name!r}"
                kind = target.config.kind
                yield host, StoppedChannel(project_id=target.project_id, owner=owner, kind=kind, target=host)
        after = page[-1].id


def _hosts(config: TargetConfig) -> list[str]:
    """The hosts that a forwarding target names."""
    if config.postgresql is not None:
        return [config.postgresql.host]
    if config.kafka is not None:
        return [urlsplit(f"//{server}").hostname or "" for server in config.kafka.servers]
    return [urlsplit(config.chosen.url).hostname or ""]


async def log_stopped(store: Store, settings: NotifySettings) -> None:
    """Logs the channels and targets that are stopped."""
    try:
        stopped = await stopped_channels(store, settings)
    except ThingsteadError as exc:
        log.warning("the addresses of notification channels cannot be checked now", error=exc.message)
        return
    except Exception:
        log.exception("checking the addresses of notification channels failed")
        return
    for each in stopped[:LOGGED]:
        log.warning(
            "the address of a channel or target is refused (notify.private_addresses)",
            project=each.project_id,
            owner=each.owner,
            kind=each.kind,
            target=each.target,
        )
    if len(stopped) > LOGGED:
        log.warning("the addresses of further channels or targets are refused", count=len(stopped) - LOGGED)


async def _bad_names(names: Iterable[str], *, private: bool) -> set[str]:
    """The names with an address that is refused."""
    resolver, bad = Resolver(), set[str]()
    turns = asyncio.Semaphore(AT_ONCE)

    async def look(name: str) -> None:
        async with turns:
            try:
                addresses = await resolver.addresses(name, 80)
            except Unresolved:
                return
        if not any(may_be_reached(address, private=private) for address in addresses):
            bad.add(name)

    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_UP_TIMEOUT_S), asyncio.TaskGroup() as looks:
                for name in sorted(names)[:NAMES_LIMIT]:
                    looks.create_task(look(name))
    finally:
        resolver.close()
    return bad
