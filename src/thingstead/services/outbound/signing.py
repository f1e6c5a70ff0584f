"""Headers that sign a body for a receiver who shares a secret."""

import hashlib
import hmac


def signed_headers(secret: str | None, body: bytes, now_ms: int) -> dict[str, str]:
    """The timestamp, and with a secret the signature: HMAC-SHA256 of timestamp, full stop and body."""
    headers = {"X-Thingstead-Timestamp": str(now_ms)}
    if secret:
        digest = hmac.new(secret.encode(), b"%d.%s" % (now_ms, body), hashlib.sha256).hexdigest()
        headers["X-Thingstead-Signature"] = f"sha256={digest}"
    return headers
