"""A device asks for its certificate (wire reference §2.2): 一型一密, for devices that exist and those that create
themselves."""

from typing import Annotated

import msgspec
from msgspec import Meta

from thingstead.api.device.dialect import Done
from thingstead.api.endpoint import Access, ApiCall, Endpoint
from thingstead.errors import Forbidden, NotFound, TooManyRequests
from thingstead.model import limits

NAME_BYTES = 60  # official firmware parses the whole answer into 256 bytes


class CertificateBody(msgspec.Struct, frozen=True, kw_only=True):
    """The DeviceKey, and the credentials to create or claim the device with."""

    device_key: Annotated[
        str, Meta(max_length=limits.DEVICE_KEY_LENGTH, description="The owner's identifier of the hardware.")
    ]
    type_key: (
        Annotated[str, Meta(description="TypeKey of the device type with which to create the device; empty: none.")]
        | None
    ) = None
    customer_id: Annotated[str, Meta(description="The customer who claims the device; empty: none.")] | None = None


class CertifiedDevice(msgspec.Struct, frozen=True, kw_only=True):
    """A device and its AccessToken; the caller has the ProjectKey already."""

    id: str
    name: Annotated[str, Meta(description="Its first 60 bytes.")]
    access_token: str
    conn_type: str  # "3": a gateway


class DeviceCertificate(Done, frozen=True, kw_only=True):
    """The certificate; short, because device firmware has small buffers."""

    device: CertifiedDevice


async def certificate(call: ApiCall) -> DeviceCertificate:
    """Finds the device by its `device_key`. If it does not exist, it is created with the type of `type_key`, if that
    has `auto_create`. `customer_id` binds the device to that customer, unless it is bound to another one. Request it at
    every start and do not store it, because the AccessToken can be reset."""
    body: CertificateBody = call.body
    device, conn_type = await call.platform.registration.certificate(
        call.project_key, body.device_key, call.remote_address, body.type_key or "", body.customer_id or ""
    )
    return DeviceCertificate(
        device=CertifiedDevice(
            id=device.id, name=shortened(device.name), access_token=device.access_token, conn_type=conn_type
        )
    )


def shortened(name: str) -> str:
    """Truncates a name to at most NAME_BYTES of UTF-8, at a character boundary."""
    return name.encode()[:NAME_BYTES].decode(errors="ignore")


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="POST",
        path="/device/v1/certificate",
        summary="Request a device's certificate by its DeviceKey",
        handler=certificate,
        tag="Device plane",
        access=Access.PROJECT_KEY,
        body=CertificateBody,
        info=DeviceCertificate,
        confidential=True,
        refusals=(NotFound, Forbidden, TooManyRequests),
    ),
)
