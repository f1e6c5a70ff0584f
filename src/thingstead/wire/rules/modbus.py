"""Modbus registers of device types, and the outcome of frames."""

from typing import Any, Literal

import msgspec

from thingstead.model.modbus.tables import StreamTable


class ModbusInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The tables of a device type."""

    streams: list[StreamTable]
    version: int  # of the device type; send it with a change to detect conflicts


class TestedFrame(msgspec.Struct, frozen=True, kw_only=True):
    """A frame in the bytes."""

    offset: int  # of its first byte
    hex: str
    unit_id: int
    function: int
    kind: Literal["answer", "exception", "confirmed", "request"]
    group: int  # index of the group that it belongs to; -1: to none
    attributes: dict[str, Any]
    reason: str  # why it is not used; "" if it is, or is no answer
    code: str
    args: dict[str, Any]
    refused: list["TestedPart"]  # attributes that it has no value for


class TestedPart(msgspec.Struct, frozen=True, kw_only=True):
    """What was not used, and why."""

    field: str  # the attribute; of bytes their offset
    hex: str
    reason: str
    code: str
    args: dict[str, Any]


class ModbusTest(msgspec.Struct, frozen=True, kw_only=True):
    """What bytes come to with a table."""

    attributes: dict[str, Any]
    frames: list[TestedFrame]
    unused: list[TestedPart]  # bytes that belong to no frame
    rest: str  # hex: they may be the beginning of a frame


class PolledGroup(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the requests of a group since the device connected."""

    index: int
    name: str
    unit_id: int
    function: int
    address: int
    count: int
    interval_ms: int  # 0: it is not polled
    asked: int
    answered: int
    timed_out: int
    exceptions: int
    last_ask_at: int  # ms; 0: never
    last_answer_at: int  # ms; 0: never
    reason: str  # what was wrong the last time; "": nothing
    code: str
    args: dict[str, Any]


class PolledStream(msgspec.Struct, frozen=True, kw_only=True):
    """A stream with a table."""

    identifier: str
    polling: bool  # whether the server sends requests to the device now
    waiting_writes: int  # attributes that are to be written
    groups: list[PolledGroup]


class TracedFrame(msgspec.Struct, frozen=True, kw_only=True):
    """A frame from or to the device."""

    ts: int  # ms
    identifier: str
    direction: Literal["up", "down"]
    hex: str
    outcome: str  # used, unused, exception, request, confirmed, asked, writing, no_answer, dropped
    reason: str
    code: str
    args: dict[str, Any]


class DeviceModbus(msgspec.Struct, frozen=True, kw_only=True):
    """The frames of a device, with their outcome, since the server started."""

    streams: list[PolledStream]
    trace: list[TracedFrame]  # the last 50, newest first
