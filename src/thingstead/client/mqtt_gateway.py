"""A gateway on MQTT: a device, and the sub-devices behind it (wire reference §5). For asyncio."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from thingstead.client.mqtt_device import (
    FILTERS,
    CommandHandler,
    MqttDevice,
    PushHandler,
    ReceivedCommand,
    encode,
    result_of,
)
from thingstead.client.planes import PastReport
from thingstead.errors import Forbidden, InvalidInput

GATEWAY_FILTERS = (
    "gateway/attributes/response",
    "gateway/attributes/series/response",
    "gateway/attributes/get/response",
    "gateway/attributes/push",
    "gateway/event/response",
    "gateway/command/send",
)


class _Push(msgspec.Struct, frozen=True):
    device: str
    attributes: dict[str, Any]


class _Command(msgspec.Struct, frozen=True):
    device: str
    command: ReceivedCommand


_decode_push = msgspec.json.Decoder(_Push).decode
_decode_command = msgspec.json.Decoder(_Command).decode


class SubDevice:
    """A device behind a gateway, identified by its address. Its methods are those of a device."""

    def __init__(
        self, gateway: "MqttGateway", address: str, push: PushHandler | None, command: CommandHandler | None
    ) -> None:
        self._gateway = gateway
        self.address = address
        self.push = push
        self.command = command

    async def connect(self, *, type_key: str | None = None) -> None:
        """Sets the sub-device online; it is set online again after the gateway has reconnected.

        Args:
            type_key: TypeKey of the type with which it is created if the gateway has no such sub-device; the type must
                have auto-create.

        Raises:
            Forbidden: the connected device is not a gateway.
            InvalidInput: the gateway has no such sub-device.
        """
        self._gateway.online.add(self.address)
        body = {"device": self.address} if type_key is None else {"device": self.address, "type_key": type_key}
        try:
            await self._gateway.send("gateway/connect", body, None)
        except (Forbidden, InvalidInput):
            self._gateway.online.discard(self.address)
            raise

    async def disconnect(self) -> None:
        """Sets the sub-device offline."""
        self._gateway.online.discard(self.address)
        await self._gateway.send("gateway/disconnect", {"device": self.address}, None)

    async def report(self, attributes: Mapping[str, Any]) -> list[str]:
        """Reports values. Returns the reasons for refused ones."""
        return await self._gateway.report_all({self.address: attributes})

    async def report_past(self, reports: Sequence[PastReport]) -> list[str]:
        """Reports values with timestamps of their own. Returns the reasons for refused ones."""
        body = {self.address: reports}
        answer = await self._gateway.send("gateway/attributes/series", body, "gateway/attributes/series/response")
        return answer.refused

    async def event(self, method: str, params: Mapping[str, Any] | None = None) -> None:
        """Reports an event."""
        event = {"method": method, "params": params or {}, "id": self._gateway.next_id()}
        body = {"device": self.address, "event": event}
        await self._gateway.send("gateway/event/report", body, "gateway/event/response")

    async def attributes(self, *keys: str) -> dict[str, Any]:
        """Reads current values from the cloud: existing ones of ``keys``, or all."""
        body = {"device": self.address, "get": {"keys": keys} if keys else {}}
        answer = await self._gateway.send(
            "gateway/attributes/get", body, "gateway/attributes/get/response", needed=True
        )
        return answer.attributes

    async def reply(self, command: ReceivedCommand, params: Mapping[str, Any]) -> None:
        """Replies to a command later; a command handler can simply return the reply."""
        reply = {"method": command.method, "params": params, "id": command.id}
        await self._gateway.send("gateway/command/reply", {"device": self.address, "command": reply}, None)


class MqttGateway(MqttDevice):
    """A gateway with an MQTT connection. :meth:`sub_device` returns its sub-devices, which must be registered with
    their addresses. After a reconnect the online ones are set online again."""

    filters = FILTERS + GATEWAY_FILTERS

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._sub_devices: dict[str, SubDevice] = {}
        self.online: set[str] = set()  # addresses of online sub-devices

    def sub_device(
        self, address: str, *, push: PushHandler | None = None, command: CommandHandler | None = None
    ) -> SubDevice:
        """The sub-device with this address; repeated calls return the same object."""
        sub_device = self._sub_devices.get(address)
        if sub_device is None:
            sub_device = self._sub_devices[address] = SubDevice(self, address, push, command)
        sub_device.push = push or sub_device.push
        sub_device.command = command or sub_device.command
        return sub_device

    async def report_all(self, attributes: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """Reports values of many sub-devices, by address, in one message. Returns the reasons for refused ones."""
        return (await self.send("gateway/attributes", attributes, "gateway/attributes/response")).refused

    def _opened(self) -> None:
        for address in self.online:
            self._session.publish("gateway/connect", encode({"device": address}), lambda *_: None)

    async def _handle(self, topic: str, payload: bytes) -> None:
        if topic == "gateway/attributes/push":
            push = _decode_push(payload)
            sub_device = self._sub_devices.get(push.device)
            if sub_device is not None and sub_device.push is not None:
                await result_of(sub_device.push(push.attributes))
        elif topic == "gateway/command/send":
            received = _decode_command(payload)
            sub_device = self._sub_devices.get(received.device)
            if sub_device is not None and sub_device.command is not None:
                params = await result_of(sub_device.command(received.command))
                if params is not None:
                    await sub_device.reply(received.command, params)
        else:
            await super()._handle(topic, payload)
