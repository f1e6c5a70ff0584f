"""A person who is logged in at a page of this server."""

import msgspec


class BrowserSession(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of one log-in, until it ends. The cookie holds the secret, and nothing else does."""

    id: str
    secret_hash: bytes  # SHA-256 of the secret, which has 256 random bits
    project_id: str
    admin_id: str
    keep: bool  # for longer, and without an end by idleness
    remote_address: str  # of the request that was noted last
    user_agent: str  # at the log-in
    created_at: int  # ms
    last_seen_at: int  # ms; noted once in a while
    expires_at: int  # ms; moves ahead with last_seen_at
