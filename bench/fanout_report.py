"""What the fan-out cases say of their results."""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

from bench.fanout_load import Result
from bench.report import Table, figure, median, spread

OURS, PEER = "Thingstead", "mosquitto"


class Shape(Protocol):
    """Who publishes and who subscribes."""

    @property
    def subscribers(self) -> int: ...

    @property
    def title(self) -> str: ...


S = TypeVar("S", bound=Shape)


def table(results: Mapping[tuple[S, str], Sequence[Result]]) -> Table:
    """The medians of each shape and server."""
    header = ["publishers × subscribers, server", "messages/s to subscribers", "CPU-s / 1,000", "received / published"]
    rows = []
    for (shape, name), runs in results.items():
        rows.append(
            [
                f"{shape.title}, {name}",
                spread([run.rate for run in runs]),
                figure(median([run.server_cpu_s / run.received * 1000 for run in runs])),
                figure(median([run.received_in_all / (run.acknowledged_in_all * shape.subscribers) for run in runs])),
            ]
        )
    return Table(header, rows)


def ratio(results: Mapping[tuple[S, str], Sequence[Result]], shape: S) -> float | None:
    """The median of the ratios of runs that stood side by side; None where the peer was skipped."""
    ours, theirs = results[shape, OURS], results.get((shape, PEER))
    if not theirs:
        return None
    return median([our.rate / their.rate for our, their in zip(ours, theirs, strict=True)])
