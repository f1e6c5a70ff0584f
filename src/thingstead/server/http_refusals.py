"""Answers of the HTTP port to requests that never reach the application."""

from typing import Any


def refusal(status: bytes, hint: bytes) -> bytes:
    """The whole response to an invalid request; the connection is closed after it."""
    body = b'{"message":"Request invalid","hint":"%s"}' % hint
    head = b"HTTP/1.1 %s\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % (status, len(body)) + body


async def too_many_connections(scope: Any, receive: Any, send: Any) -> None:
    """Answers 429 to a request through a proxy whose client has used up its share of connections."""
    body = b'{"message":"Too many connections of your address are waiting"}'
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), (b"retry-after", b"1")]
    await send({"type": "http.response.start", "status": 429, "headers": [*headers, (b"connection", b"close")]})
    await send({"type": "http.response.body", "body": body})
