"""Issues certificates to devices over the wire (wire reference §2): 一型一密, with or without auto-create."""

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.config import ApiSettings
from thingstead.errors import (
    Conflict,
    FieldError,
    Forbidden,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    TooManyRequests,
)
from thingstead.model import limits
from thingstead.model.device import Device
from thingstead.model.messages import DeviceChanged
from thingstead.model.project import Project
from thingstead.model.values.unicode_text import trimmed_key
from thingstead.services.accounts.log_ins import LogIns
from thingstead.services.registry.devices import DeviceService
from thingstead.services.registry.new_device import DIRECT, SUB_DEVICE, NewDevice
from thingstead.services.shared.rate_limit import TokenBuckets
from thingstead.storage.base import Store


class RegistrationService:
    """Finds or auto-creates the device with a DeviceKey."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        clock: Clock,
        devices: DeviceService,
        settings: ApiSettings | None = None,
        log_ins: LogIns | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings = settings or ApiSettings()
        self._log_ins = log_ins or LogIns(clock)
        per_minute = settings.auto_create_per_minute_max
        self._creations = TokenBuckets(clock, per_minute, 60 / per_minute)
        self._bus = bus
        self._devices = devices

    async def certificate(
        self, project_key: str, device_key: str, remote_host: str, type_key: str = "", customer_id: str = ""
    ) -> tuple[Device, str]:
        """The device with this DeviceKey, and its ``conn_type`` (``"3"`` is a gateway).

        An unknown device is created if ``type_key`` belongs to a type with ``auto_create``. If ``customer_id`` is
        given, the device is bound to this customer, unless it is bound to another (wire reference §15.38).

        Raises:
            NotAuthenticated: no such project.
            InvalidInput: the DeviceKey is missing or invalid.
            NotFound: no such device, and no type to create it with.
            Forbidden: auto-create is off for the type, or the project has reached its limit; or the device exists, and
                its certificate is given out only once.
            TooManyRequests: too many wrong ProjectKeys or unknown DeviceKeys from this address, too many unknown
                DeviceKeys in this project, or too many auto-created devices.
        """
        project = await self._store.projects.find_by_project_key(project_key)
        if project is None or not project.accepts_key(project_key, self._clock.now_ms()):
            self._log_ins.devices.failed(remote_host)
            raise NotAuthenticated("project_key_invalid")
        problem = limits.text_problem(device_key, limits.DEVICE_KEY_LENGTH, min_length=1)
        if problem:
            raise InvalidInput(
                problem._replace(message=f"device_key {problem.message}"), [FieldError("device_key", problem)]
            )
        attempt = self._log_ins.device_keys.begin(project.id, remote_host)
        try:
            device = await self._find(project, device_key, type_key)
        except (NotFound, Forbidden):
            attempt.failed(project.id)
            raise
        except BaseException:
            attempt.take_back()
            raise
        attempt.succeeded()
        if customer_id and device.customer_id is None:
            await self._bind(project, device, customer_id)
        return device, await self._conn_type(device)

    async def _find(self, project: Project, device_key: str, type_key: str) -> Device:
        """Finds the device by the key as given, as earlier releases stored it, then by its normal form."""
        device = await self._store.devices.find_by_device_key(project.id, device_key)
        device_key = trimmed_key(device_key)
        device = device or await self._store.devices.find_by_device_key(project.id, device_key)
        if device is None:
            return await self._create(project, device_key, type_key)
        if self._settings.certificates_once:
            view = await self._store.devices.get_view(project.id, device.id)
            if view.online or view.active:
                raise Forbidden("certificate_given_out")
        return device

    async def _create(self, project: Project, device_key: str, type_key: str) -> Device:
        if not type_key:
            raise NotFound("no_device_with_key")
        device_type = await self._store.device_types.find_by_type_key(project.id, type_key)
        if device_type is None:
            raise NotFound("no_device_with_key_or_type")
        if not device_type.auto_create or device_type.conn_type == SUB_DEVICE:
            raise Forbidden("auto_create_off")
        if self._creations.take(project.id) is None:
            raise TooManyRequests("auto_create_too_fast", retry_after_s=60)
        if await self._store.device_types.count_self_created(project.id) >= self._settings.auto_create_devices_max:
            raise Forbidden("auto_create_limit")
        new = NewDevice(name=device_key[: limits.NAME_LENGTH], type_id=device_type.id, device_key=device_key)
        try:
            return await self._devices.create(project.id, new)
        except Conflict:  # the same device requested it twice concurrently
            device = await self._store.devices.find_by_device_key(project.id, device_key)
            if device is None:
                raise
            return device

    async def _bind(self, project: Project, device: Device, customer_id: str) -> None:
        try:
            if limits.is_id(customer_id):
                await self._store.devices.bind_customer(project.id, customer_id, [device.id], bind=True)
                self._bus.publish(DeviceChanged(device.id))
        except (NotFound, InvalidInput):
            return  # an unknown customer does not prevent the certificate

    async def _conn_type(self, device: Device) -> str:
        if device.type_id is None:
            return DIRECT
        try:
            return (await self._store.device_types.get(device.project_id, device.type_id)).conn_type
        except NotFound:
            return DIRECT
