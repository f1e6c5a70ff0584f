"""Tokens for pages and partners that may see some devices for some time."""

from collections.abc import Sequence

from thingstead.client.call import Call, members
from thingstead.model.token_scope import ScopedRead, ScopedTopic
from thingstead.wire.scoped_tokens import ScopedTokenInfo


def create(
    *,
    devices: Sequence[str] | None = None,
    types: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    topics: Sequence[ScopedTopic] | None = None,
    reads: Sequence[ScopedRead] | None = None,
    expires_in_s: int | None = None,
) -> Call[ScopedTokenInfo]:
    """Creates a token; only this answer contains it. It opens messages and reads of the devices that are named, are of
    a named type, or are in a named group. A :class:`~thingstead.client.subscriber.Subscriber` takes ``view_key`` and
    ``token`` as its :class:`~thingstead.client.subscriber.ViewKeys`."""
    body = members(devices=devices, types=types, groups=groups, topics=topics, reads=reads, expires_in_s=expires_in_s)
    return Call("POST", "/scoped_token", ScopedTokenInfo, body)
