"""Reads figures of a server every second while it is under load."""

import threading
import time
from typing import NamedTuple

from bench.platform import Platform

INTERVAL_S = 1.0


class Sample(NamedTuple):
    at_s: float  # by time.perf_counter
    points: float  # kept since the start
    points_due: float  # that wait to be made into blocks


class Sampler:
    """Samples from the beginning of a ``with`` block to its end."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.samples: list[Sample] = []

    def __enter__(self) -> "Sampler":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(INTERVAL_S):
            points, due = self._platform.metrics("thingstead_points_total", "thingstead_points_due")
            self.samples.append(Sample(time.perf_counter(), points, due))

    def rate(self, warmup_s: float) -> float:
        """Points a second from the end of the warm-up to the last sample."""
        steady = [sample for sample in self.samples if sample.at_s >= self.samples[0].at_s + warmup_s]
        first, last = steady[0], steady[-1]
        return (last.points - first.points) / (last.at_s - first.at_s) if last is not first else 0.0

    def slowest_rate(self, warmup_s: float, span_s: float = 10.0) -> float:
        """The least points a second within spans of so many seconds after the warm-up; the rate of all where they are
        shorter."""
        steady = [sample for sample in self.samples if sample.at_s >= self.samples[0].at_s + warmup_s]
        rates = [
            (later.points - sample.points) / (later.at_s - sample.at_s)
            for sample in steady
            if (later := next((each for each in steady if each.at_s >= sample.at_s + span_s), None)) is not None
        ]
        return min(rates, default=self.rate(warmup_s))
