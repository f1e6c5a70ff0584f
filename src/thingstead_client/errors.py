"""The errors that calls raise."""

from thingstead.errors import (
    Conflict,
    DeviceOffline,
    FieldError,
    FieldsRefused,
    Forbidden,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    ReplyTimeout,
    ThingsteadError,
    TooLarge,
    TooManyRequests,
    Unavailable,
)

__all__ = [
    "Conflict",
    "DeviceOffline",
    "FieldError",
    "FieldsRefused",
    "Forbidden",
    "InvalidInput",
    "NotAuthenticated",
    "NotFound",
    "ReplyTimeout",
    "ThingsteadError",
    "TooLarge",
    "TooManyRequests",
    "Unavailable",
]
