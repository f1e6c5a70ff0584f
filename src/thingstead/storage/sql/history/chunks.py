"""Splits devices into groups of at most one transaction's size."""

from collections.abc import Callable, Iterator

from thingstead.storage.sql.history.heads import Head

HEAD_WEIGHT = 0.001  # fixed cost of a head


def chunks(heads: list[Head], weight: Callable[[Head], float]) -> Iterator[list[Head]]:
    """Groups heads by a total weight of about 1. The weights are read when a group is made, because heads still
    grow."""
    chunk: list[Head] = []
    total = 0.0
    for head in heads:
        chunk.append(head)
        total += weight(head) + HEAD_WEIGHT
        if total >= 1:
            yield chunk
            chunk, total = [], 0.0
    if chunk:
        yield chunk
