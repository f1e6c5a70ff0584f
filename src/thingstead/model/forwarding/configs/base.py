"""What the configs of all kinds of targets have in common."""

from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

URL_LENGTH = 2_000
NAME_LENGTH = 256  # of users, databases, topics and the like
SECRET_LENGTH = 4_096  # of a password or a token

Url = Annotated[str, Meta(min_length=1, max_length=URL_LENGTH)]
Name = Annotated[str, Meta(min_length=1, max_length=NAME_LENGTH)]
Password = Annotated[
    str,
    Meta(min_length=1, max_length=SECRET_LENGTH, description="Shown as `***`; `***` leaves it unchanged."),
]
Authorities = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=65_536,
        description="Authorities that may sign its certificate (PEM); default: those of the system.",
    ),
]


class ForwardConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Where a target is, and how it is reached."""

    SECRETS: ClassVar[tuple[str, ...]] = ()  # members that are shown as ``***``; of a dict each value
    PLACE: ClassVar[tuple[str, ...]] = ()  # members that must not change where hidden secrets are kept
