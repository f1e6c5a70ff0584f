"""Every exception that may cross a module boundary, as one tree.

=====================  =======  ===========================================  =====================
class                  errcode  meaning                                      MQTT 5.0 reason code
=====================  =======  ===========================================  =====================
InvalidInput           400      a field is missing, malformed or impossible  0x99 / 0x83
NotAuthenticated       401      no, wrong or expired credential              0x86
Forbidden              403      known, but not allowed                       0x87
NotFound               404      no such thing in the caller's project        --
DeviceOffline          404      the device has no live session               --
ReplyTimeout           408      the device did not answer in time            --
Conflict               409      a unique value is taken, or a state forbids  --
TooLarge               413      over a documented size limit                 0x95
TooManyRequests        429      throttled; ``retry_after_s`` says how long   0x96
Unavailable            503      cannot be stored now; the peer should retry  0x88
=====================  =======  ===========================================  =====================

Three kinds of failure, three fates. *The peer's fault* (everything here but ``Unavailable`` and
``ConfigError``) is answered as the peer's protocol says. *Ours to retry* (``Unavailable``) is not acknowledged.
*Bugs* (any exception outside this tree) reach the one place per task that logs them with their traceback and
closes just that connection or request.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

from thingstead.refusals import Arg, Reason, because


class FieldError(NamedTuple):
    """An invalid field of an input: its path (``functions.attributes[0].identifier``) and the reason."""

    field: str
    reason: Reason

    @classmethod
    def of(cls, field: str, why: str | Reason, /, **args: Arg) -> "FieldError":
        """From a reason, or from its code and args."""
        return cls(field, because(why, args))

    @property
    def message(self) -> str:
        """The reason in English, for people."""
        return self.reason.message

    def under(self, where: str) -> "FieldError":
        """The same error with ``where`` prepended to the path."""
        return FieldError(where + self.field, self.reason)


class ThingsteadError(Exception):
    """Base class of all errors. ``errcode`` and the code of the reason are stable and documented; the message is for
    people.

    Args:
        why: the reason, or its code with ``args``.
    """

    errcode = 500
    errors: tuple[FieldError, ...] = ()  # every invalid field, if fields are the cause

    def __init__(self, why: str | Reason, /, **args: Arg) -> None:
        self.reason = because(why, args)
        super().__init__(self.reason.message)

    @property
    def message(self) -> str:
        """The reason in English, for people."""
        return self.reason.message

    @property
    def code(self) -> str:
        """Code of the reason."""
        return self.reason.code


class FieldsRefused(ThingsteadError):
    """Base of errors about fields; ``errors`` names each, if fields are the cause."""

    def __init__(self, why: str | Reason, /, errors: Sequence[FieldError] = (), **args: Arg) -> None:
        super().__init__(why, **args)
        self.errors = tuple(errors)

    @classmethod
    def of(cls, errors: Sequence[FieldError], *, counted: bool = False) -> Self:
        """The refusal of at least one field, with the reason of the first; ``counted``: the message says how many more
        there are."""
        first = errors[0]
        more = f" (and {len(errors) - 1} more)" if counted and len(errors) > 1 else ""
        return cls(first.reason._replace(message=f"{first.field}: {first.message}{more}"), errors)

    @classmethod
    def field(cls, field: str, why: str | Reason, /, **args: Arg) -> Self:
        """The refusal of one field."""
        return cls.of([FieldError.of(field, why, **args)])


class InvalidInput(FieldsRefused):
    """The input is invalid; ``errors`` names every invalid field."""

    errcode = 400


class NotAuthenticated(ThingsteadError):
    """The credential is missing, wrong or expired. The message does not say which part is wrong."""

    errcode = 401


class Forbidden(ThingsteadError):
    """The caller is authenticated but not authorized."""

    errcode = 403


class NotFound(ThingsteadError):
    """The object does not exist in the caller's project."""

    errcode = 404


class DeviceOffline(NotFound):
    """The device has no live session that can receive the message."""


class ReplyTimeout(ThingsteadError):
    """The device did not reply in time."""

    errcode = 408


class Conflict(FieldsRefused):
    """A value is not unique, or the present state does not allow the change; ``info`` is for programs."""

    errcode = 409

    def __init__(
        self, why: str | Reason, /, errors: Sequence[FieldError] = (), *, info: Any = None, **args: Arg
    ) -> None:
        super().__init__(why, errors, **args)
        self.info = info


class TooLarge(ThingsteadError):
    """A documented size limit is exceeded."""

    errcode = 413


class TooManyRequests(ThingsteadError):
    """Throttled; retry after ``retry_after_s`` seconds."""

    errcode = 429

    def __init__(self, why: str | Reason, /, *, retry_after_s: int, **args: Arg) -> None:
        super().__init__(why, **args)
        self.retry_after_s = retry_after_s


class Unavailable(ThingsteadError):
    """Cannot be stored or answered now (disk full, store closing). Nothing was acknowledged."""

    errcode = 503


class ConfigError(ThingsteadError):
    """The configuration or the data folder is invalid; the message names the setting or the file."""

    def __init__(self, message: str) -> None:
        super().__init__("configuration_unusable", detail=message)
