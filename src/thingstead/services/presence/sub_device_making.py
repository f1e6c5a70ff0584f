"""Auto-creates sub-devices that a gateway announces, if their type permits it."""

from contextlib import suppress

from thingstead.clock import Clock
from thingstead.config import ApiSettings
from thingstead.errors import (
    Conflict,
    FieldError,
    Forbidden,
    InvalidInput,
    ThingsteadError,
    TooManyRequests,
    Unavailable,
)
from thingstead.model import limits
from thingstead.model.device import Device
from thingstead.model.values.unicode_text import trimmed_key
from thingstead.refusals import reason
from thingstead.services.presence.sub_presence import GatewayLink
from thingstead.services.registry.devices import DeviceService
from thingstead.services.registry.new_device import NewDevice
from thingstead.services.shared.device_logs import DeviceLogService
from thingstead.services.shared.rate_limit import TokenBuckets
from thingstead.storage.base import Store

SUB_DEVICES_MADE_LIMIT = 1_000  # auto-created by one gateway
MADE_BURST, MADE_INTERVAL_S = 100, 1.0  # rate of auto-creation by one gateway: a burst, then one per interval


class SubDeviceMaker:
    """Creates sub-devices that gateways announce; limits number and rate per gateway, and number per project."""

    def __init__(
        self, store: Store, clock: Clock, devices: DeviceService, logs: DeviceLogService, settings: ApiSettings
    ) -> None:
        self._store = store
        self._most = settings.auto_create_devices_max
        self._devices = devices
        self._logs = logs
        self._made = TokenBuckets(clock, MADE_BURST, MADE_INTERVAL_S)

    async def make(self, link: GatewayLink, address: str, type_key: str) -> Device:
        """Creates the sub-device with this address, of the type with this TypeKey.

        Raises:
            ThingsteadError: it is refused; the reason is also in the rejected messages of the gateway's log.
            Unavailable: cannot be stored now.
        """
        try:
            return await self._make(link, address, type_key)
        except Unavailable:
            raise
        except ThingsteadError as exc:
            why = reason("sub_device_not_made", address=address[: limits.SUB_ADDRESS_LENGTH])
            errors = exc.errors or (FieldError("device", exc.reason),)
            shown = why._replace(message=f"{why.message}: {exc.message}")
            self._logs.rejected(link.device, "gateway/connect", shown, errors, b"")
            raise

    async def _make(self, link: GatewayLink, address: str, type_key: str) -> Device:
        gateway = link.device
        if address != trimmed_key(address):
            raise InvalidInput.field("device", "not_trimmed")
        device_type = await self._store.device_types.find_by_type_key(gateway.project_id, type_key)
        if device_type is None or not device_type.auto_create:
            raise Forbidden("no_type_for_sub_device")
        if len(link.sub_devices) >= SUB_DEVICES_MADE_LIMIT:
            raise Conflict("gateway_full", maximum=SUB_DEVICES_MADE_LIMIT)
        if await self._store.device_types.count_self_created(gateway.project_id) >= self._most:
            raise Forbidden("auto_create_limit")
        if self._made.take(gateway.number) is None:
            raise TooManyRequests("sub_devices_too_fast", retry_after_s=int(MADE_INTERVAL_S))
        new = NewDevice(name=address, type_id=device_type.id, gateway_id=gateway.id, sub_address=address)
        with suppress(Conflict):  # announced twice concurrently
            await self._devices.create(gateway.project_id, new)
        made = await self._store.devices.find_by_sub_address(gateway.id, address)
        if made is None:
            raise Conflict("sub_device_removed")
        return made
