"""What ``/metrics`` shows. Parts count with plain ints; a collector reads them when somebody asks.

:data:`CATALOG` is every metric of ours by name, and the source of ``docs/metrics.md``. The composition root tells,
for each, where its value is read.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
COMMIT_BOUNDS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)


class MetricInfo(NamedTuple):
    """One metric, as the documentation shows it."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    description: str
    labels: tuple[str, ...] = ()


CATALOG: dict[str, MetricInfo] = {
    metric.name: metric
    for metric in (
        MetricInfo("thingstead_build_info", "gauge", "1; the version is in the label.", ("version",)),
        MetricInfo("thingstead_mqtt_connections", "gauge", "Open MQTT connections, logged in or not yet."),
        MetricInfo("thingstead_mqtt_connections_accepted_total", "counter", "MQTT connections that were opened."),
        MetricInfo("thingstead_mqtt_connections_refused_total", "counter", "Connections that were not admitted."),
        MetricInfo("thingstead_mqtt_messages_received_total", "counter", "PUBLISH packets from clients."),
        MetricInfo("thingstead_mqtt_messages_ignored_total", "counter", "Of these, those on unknown topics."),
        MetricInfo("thingstead_mqtt_messages_sent_total", "counter", "PUBLISH packets to clients."),
        MetricInfo(
            "thingstead_mqtt_messages_dropped_total",
            "counter",
            "Messages dropped because a client could not take them.",
        ),
        MetricInfo("thingstead_mqtt_protocol_errors_total", "counter", "Connections that ended for a protocol error."),
        MetricInfo("thingstead_tcp_connections", "gauge", "Open connections on raw TCP, registered or not yet."),
        MetricInfo("thingstead_tcp_connections_accepted_total", "counter", "Connections on raw TCP that were opened."),
        MetricInfo(
            "thingstead_tcp_connections_refused_total", "counter", "Of these, and over the limit, not admitted."
        ),
        MetricInfo("thingstead_tcp_packets_received_total", "counter", "Packets of data from devices on raw TCP."),
        MetricInfo("thingstead_tcp_packets_sent_total", "counter", "Packets of data to devices on raw TCP."),
        MetricInfo("thingstead_app_subscribers", "gauge", "Applications that are connected to subscribe."),
        MetricInfo("thingstead_app_subscriptions", "gauge", "Topic filters that they subscribe to."),
        MetricInfo("thingstead_app_messages_sent_total", "counter", "Messages to applications."),
        MetricInfo("thingstead_app_messages_dropped_total", "counter", "Messages that one read too slowly for."),
        MetricInfo(
            "thingstead_app_news_dropped_total", "counter", "Device updates dropped before any subscriber got them."
        ),
        MetricInfo(
            "thingstead_connections_turned_away_total",
            "counter",
            "Connections that were not let in, or did not get as far as to log in.",
            ("reason",),
        ),
        MetricInfo("thingstead_device_sessions", "gauge", "Sessions of devices that outlive their connections."),
        MetricInfo(
            "thingstead_device_queue_messages", "gauge", "Messages that wait in them, or were not acknowledged."
        ),
        MetricInfo("thingstead_open_connections", "gauge", "Open connections on the open port."),
        MetricInfo("thingstead_open_messages_received_total", "counter", "PUBLISH packets from its clients."),
        MetricInfo("thingstead_open_messages_sent_total", "counter", "PUBLISH packets to its clients."),
        MetricInfo(
            "thingstead_open_messages_dropped_total",
            "counter",
            "Messages dropped because a client could not take them.",
        ),
        MetricInfo("thingstead_open_sessions", "gauge", "Sessions, with a connection or without."),
        MetricInfo("thingstead_open_subscriptions", "gauge", "Topic filters that they subscribe to."),
        MetricInfo(
            "thingstead_open_queue_messages",
            "gauge",
            "Messages at QoS 1 and 2 that wait for clients, or are in flight.",
        ),
        MetricInfo("thingstead_open_retained_messages", "gauge", "Retained messages."),
        MetricInfo("thingstead_open_retained_bytes", "gauge", "About the memory that they take."),
        MetricInfo("thingstead_open_wills_published_total", "counter", "Will messages that were published."),
        MetricInfo("thingstead_reports_accepted_total", "counter", "Attribute reports that were taken in."),
        MetricInfo("thingstead_attributes_refused_total", "counter", "Attributes that broke their definition."),
        MetricInfo("thingstead_quota_refusals_total", "counter", "Messages beyond the daily quota of their project."),
        MetricInfo("thingstead_events_accepted_total", "counter", "Events that were taken in."),
        MetricInfo("thingstead_points_total", "counter", "Points written to history."),
        MetricInfo("thingstead_points_repeated_total", "counter", "Of these, reported again and kept once."),
        MetricInfo("thingstead_history_points", "gauge", "Points kept, without those of the last hours."),
        MetricInfo("thingstead_history_bytes", "gauge", "About what they take on disk."),
        MetricInfo("thingstead_history_oldest_timestamp_seconds", "gauge", "Hour of the oldest of them; 0: none."),
        MetricInfo("thingstead_history_dropped_points_total", "counter", "Points dropped since their time was over."),
        MetricInfo("thingstead_history_quarantined_rows", "gauge", "Damaged rows of the history, set aside."),
        MetricInfo("thingstead_points_pending", "gauge", "Points in the log and in memory, not packed yet."),
        MetricInfo("thingstead_points_due", "gauge", "Packed points that wait to be made into blocks, being enough."),
        MetricInfo("thingstead_devices_held_back", "gauge", "Devices of which so much waits that they are not read."),
        MetricInfo(
            "thingstead_packings_failed_total", "counter", "Attempts to pack reports that failed, and are made again."
        ),
        MetricInfo("thingstead_damaged_pages_met_total", "counter", "Reads and writes that failed at a damaged page."),
        MetricInfo("thingstead_alarm_rules", "gauge", "Alarm rules that are enabled."),
        MetricInfo(
            "thingstead_alarm_rules_failing", "gauge", "Enabled rules that cannot be evaluated on at least one device."
        ),
        MetricInfo("thingstead_alarms_raised_total", "counter", "Alarms that were raised, or changed their level."),
        MetricInfo("thingstead_alarms_cleared_total", "counter", "Alarms that cleared."),
        MetricInfo(
            "thingstead_alarms_dropped_total", "counter", "Alarms, and messages, dropped since their time was over."
        ),
        MetricInfo("thingstead_notices_sent_total", "counter", "Notices of alarms that were taken."),
        MetricInfo("thingstead_notices_failed_total", "counter", "Attempts to send one that failed."),
        MetricInfo("thingstead_notices_dropped_total", "counter", "Notices dropped since their time was over."),
        MetricInfo(
            "thingstead_log_rows_dropped_total",
            "counter",
            "Events, commands, alarms and notices of devices dropped for their age or number.",
            ("kind",),
        ),
        MetricInfo("thingstead_disk_free_bytes", "gauge", "Room on the disk of the data folder."),
        MetricInfo("thingstead_clock_set_back_total", "counter", "How often the server's clock was set back."),
        MetricInfo("thingstead_commits_failed_total", "counter", "Transactions that failed."),
        MetricInfo("thingstead_commit_seconds", "histogram", "Duration of a transaction, its fsync included."),
        MetricInfo("thingstead_write_queue_length", "gauge", "Writes that wait for a transaction."),
        MetricInfo("thingstead_http_requests_total", "counter", "HTTP requests.", ("method", "route", "status")),
        MetricInfo("thingstead_log_ins_failed_total", "counter", "Log-ins whose credential was wrong.", ("kind",)),
        MetricInfo(
            "thingstead_previous_project_key_log_ins_total",
            "counter",
            "Log-ins, and HTTP requests, of devices with the ProjectKey before its last rotation.",
        ),
        MetricInfo(
            "thingstead_log_ins_throttled_total", "counter", "Log-ins refused since too many had failed.", ("kind",)
        ),
    )
}


class Histogram:
    """Counts observations by bucket, without locks: one thread observes, any thread reads."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)  # ascending; a bucket holds what is no greater than its bound
        self.counts = [0] * (len(self.bounds) + 1)  # the last is for what is over every bound
        self.total = 0.0  # sum of all observations

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def cumulative(self) -> list[tuple[str, float]]:
        """Pairs of bound and count of observations up to it, ``+Inf`` last, as Prometheus wants them."""
        pairs: list[tuple[str, float]] = []
        running = 0
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            running += count
            pairs.append((bound, running))
        return pairs


Reading = float | Mapping[Any, float] | Histogram  # with labels: a value by the tuple of the labels' values


class Metrics(Collector):
    """The metrics of one server."""

    def __init__(self) -> None:
        self._readings: dict[str, Callable[[], Reading]] = {}
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def read(self, name: str, reading: Callable[[], Reading]) -> None:
        """Tells where the value of a metric of the catalog is read, at every scrape."""
        if name not in CATALOG:
            raise KeyError(f"{name} is not in the catalog of metrics")
        self._readings[name] = reading

    @property
    def names(self) -> frozenset[str]:
        """The metrics whose value is read somewhere."""
        return frozenset(self._readings)

    def collect(self) -> Iterable[Metric]:
        for name, reading in self._readings.items():
            yield _family(CATALOG[name], reading())

    def render(self) -> bytes:
        """The text that Prometheus scrapes (:data:`CONTENT_TYPE`)."""
        return generate_latest(self._registry)


def _family(info: MetricInfo, value: Reading) -> Metric:
    if isinstance(value, Histogram):
        return HistogramMetricFamily(info.name, info.description, value.cumulative(), value.total)
    kind = CounterMetricFamily if info.kind == "counter" else GaugeMetricFamily
    family = kind(info.name, info.description, labels=info.labels)
    if isinstance(value, Mapping):
        for labels, number in sorted(value.items()):
            family.add_metric(labels, number)
    else:
        family.add_metric((), value)
    return family
