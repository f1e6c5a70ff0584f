"""Scoped tokens."""

import msgspec


class ScopedTokenInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A scoped token, with what a page needs beside it. It is shown only once."""

    id: str  # as in the audit log
    token: str  # for `Authorization: Bearer …`, and the password of an MQTT connection
    view_key: str  # ProjectViewKey: the user name of an MQTT connection, and the first level of its topics
    expires_at: int  # ms
