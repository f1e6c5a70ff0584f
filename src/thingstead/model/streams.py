"""Formats of custom data streams (wire reference §9.5). Payloads are validated, never changed."""

import msgspec

from thingstead.modbus.crc import crc16
from thingstead.model.wording import json_problem
from thingstead.refusals import Reason, reason

LEAST_RTU_BYTES = 4  # address, function, CRC
MBAP_BYTES = 7

_decode = msgspec.json.Decoder(msgspec.Raw).decode


def format_problem(stream_format: str, payload: bytes) -> Reason | None:
    """Why a payload does not match the format, or None."""
    if stream_format == "json":
        try:
            payload.decode("utf-8")  # Raw reads the text unchecked, hence decoded here
            _decode(payload)
        except RecursionError:
            return reason("stream_too_deep")
        except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
            why = json_problem(payload, exc)
            return why._replace(message=f"is not JSON: {why.message.removeprefix('invalid JSON: ')}")
    elif stream_format == "text":
        try:
            payload.decode("utf-8")
        except UnicodeDecodeError as exc:
            why = json_problem(payload, exc)
            return why._replace(message=f"is not UTF-8 text: {why.message}")
    elif stream_format == "modbus_rtu":
        if len(payload) < LEAST_RTU_BYTES or crc16(payload):
            return reason("modbus_rtu_wrong")
    elif stream_format == "modbus_tcp" and not _is_modbus_tcp(payload):
        return reason("modbus_tcp_wrong")
    return None


def _is_modbus_tcp(payload: bytes) -> bool:
    protocol = int.from_bytes(payload[2:4], "big")
    length = int.from_bytes(payload[4:6], "big")
    return len(payload) > MBAP_BYTES and protocol == 0 and length == len(payload) - 6
