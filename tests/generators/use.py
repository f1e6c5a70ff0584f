"""Uses a Python client that was generated from the OpenAPI document: ``use.py URL CREDENTIALS``, both as in the test.
Prints what the server answered, as JSON."""

import io
import json
import sys
from typing import Any

from generated import AuthenticatedClient, Client
from generated.api.access_token import get_access_token
from generated.api.device_control import push_attributes
from generated.api.device_data import read_attributes, read_series
from generated.api.device_plane import report_attributes, report_data
from generated.api.devices import create_device, delete_device, list_devices, read_certificate, read_device
from generated.models import (
    AccessTokenAnswer,
    AccessTokenBody,
    CreatedAnswer,
    DeviceBody,
    DeviceBodyTags,
    DeviceCredentialAnswer,
    DeviceDetailAnswer,
    Done,
    EmptyAnswer,
    Failure,
    Kept,
    ListedDevicesAnswer,
    PushAttributesBody,
    ReadAttributesAnswer,
    ReadSeriesAnswer,
    ReportAttributesBody,
)
from generated.types import File


def body_of(kind: Any, values: dict[str, Any]) -> Any:
    """A free object of attributes."""
    body = kind()
    body.additional_properties = values
    return body


url, credentials = sys.argv[1], json.loads(sys.argv[2])
keys = AccessTokenBody(credentials["app_id"], credentials["access_key"], credentials["secret_key"])
token = get_access_token.sync(client=Client(url), body=keys)
assert isinstance(token, AccessTokenAnswer), token
api = AuthenticatedClient(url, token.info.access_token)

tags = DeviceBodyTags()
tags["site"] = "north"
made = create_device.sync(client=api, body=DeviceBody(name="from Python", tags=tags))
assert isinstance(made, CreatedAnswer), made
device_id = made.info.id
certificate = read_certificate.sync(device_id, client=api)
assert isinstance(certificate, DeviceCredentialAnswer), certificate

device = Client(url, headers={"Project-Key": certificate.info.project_key})
values = body_of(ReportAttributesBody, {"temperature": 21.5})
reported = report_attributes.sync(certificate.info.access_token, client=device, body=values)
assert isinstance(reported, Kept), reported
frames = File(io.BytesIO(b"\x01\x03"))
sent = report_data.sync(certificate.info.access_token, "frames", client=device, body=frames)
assert isinstance(sent, Done), sent
pushed = push_attributes.sync(device_id, client=api, body=body_of(PushAttributesBody, {"relay": True}))
current = read_attributes.sync(device_id, client=api)
assert isinstance(current, ReadAttributesAnswer), current
series = read_series.sync(device_id, "temperature", client=api)
assert isinstance(series, ReadSeriesAnswer), series
listed = list_devices.sync(client=api, keyword="from Python", attributes="temperature")
assert isinstance(listed, ListedDevicesAnswer), listed
detail = read_device.sync(device_id, client=api)
assert isinstance(detail, DeviceDetailAnswer), detail
unknown = read_device.sync("nowhere", client=api)
assert isinstance(unknown, Failure), unknown
deleted = delete_device.sync(device_id, client=api)
sys.stdout.write(
    json.dumps(
        {
            "device": detail.info.name,
            "tags": detail.info.tags.to_dict(),
            "listed": [item.values.to_dict()["temperature"]["value"] for item in listed.info.items],
            "values": {item.identifier: item.value for item in current.info},
            "series": [item.value for item in series.info],
            "pushed": pushed is not None and pushed.result,
            "unknown": unknown.errcode,
            "deleted": isinstance(deleted, EmptyAnswer),
        }
    )
)
