"""The session of an administrator in a browser."""

import msgspec


class BrowserSession(msgspec.Struct, frozen=True, kw_only=True):
    """The stored part of a log-in in a browser. Only the cookie contains the secret."""

    id: str
    secret_hash: bytes  # SHA-256 of the secret, which has 256 random bits
    project_id: str
    admin_id: str
    keep: bool  # longer lifetime, no idle time-out
    remote_address: str  # of the newest request that was recorded
    user_agent: str  # at the log-in
    created_at: int  # ms
    last_seen_at: int  # ms; updated once in a while
    expires_at: int  # ms; extended whenever last_seen_at is updated
