"""Scoped tokens."""

from typing import Annotated

import msgspec
from msgspec import Meta


class ScopedTokenInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A scoped token, with what a page needs beside it. It is shown only once."""

    id: Annotated[str, Meta(description="As in the audit log.")]
    token: Annotated[str, Meta(description="For `Authorization: Bearer …`, and the password of an MQTT connection.")]
    view_key: Annotated[
        str, Meta(description="ProjectViewKey: the user name of an MQTT connection, and the first level of its topics.")
    ]
    expires_at: Annotated[int, Meta(description="When the token ends, in ms.")]
