"""What ``/metrics`` shows. Parts count with plain ints; a collector reads them when somebody asks.

:data:`CATALOG` is every metric of ours by name, and the source of ``docs/metrics.md``. The composition root tells,
for each, where its value is read.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
REQUEST_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
COMMIT_BOUNDS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)


PLANES = {"api": "api", "device": "device", "app": "app"}  # of HTTP, by the first part of a path; others: page


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
        MetricInfo("thingstead_node_active", "gauge", "1 on the active node, 0 on one that stands by."),
        MetricInfo("thingstead_devices", "gauge", "Registered devices of all projects."),
        MetricInfo("thingstead_devices_online", "gauge", "Devices with a live session."),
        MetricInfo("thingstead_mqtt_connections", "gauge", "Open MQTT connections, authenticated or not."),
        MetricInfo("thingstead_mqtt_connections_accepted_total", "counter", "MQTT connections accepted."),
        MetricInfo(
            "thingstead_mqtt_connections_refused_total",
            "counter",
            "MQTT connections refused: over the limit, or not admitted.",
        ),
        MetricInfo("thingstead_mqtt_messages_received_total", "counter", "PUBLISH packets from clients."),
        MetricInfo("thingstead_mqtt_messages_ignored_total", "counter", "PUBLISH packets on unknown topics."),
        MetricInfo("thingstead_mqtt_messages_sent_total", "counter", "PUBLISH packets to clients."),
        MetricInfo(
            "thingstead_mqtt_messages_dropped_total",
            "counter",
            "Messages dropped because a client could not take them.",
        ),
        MetricInfo("thingstead_mqtt_protocol_errors_total", "counter", "MQTT connections closed for a protocol error."),
        MetricInfo("thingstead_tcp_connections", "gauge", "Open raw TCP connections, registered or not."),
        MetricInfo("thingstead_tcp_connections_accepted_total", "counter", "Raw TCP connections accepted."),
        MetricInfo(
            "thingstead_tcp_connections_refused_total",
            "counter",
            "Raw TCP connections refused: wrong registration, or over the limit.",
        ),
        MetricInfo("thingstead_tcp_packets_received_total", "counter", "Data packets received over raw TCP."),
        MetricInfo("thingstead_tcp_packets_sent_total", "counter", "Data packets sent over raw TCP."),
        MetricInfo("thingstead_app_subscribers", "gauge", "Connected subscribing applications."),
        MetricInfo("thingstead_app_subscriptions", "gauge", "Topic filters subscribed to."),
        MetricInfo("thingstead_app_messages_sent_total", "counter", "Messages to applications."),
        MetricInfo(
            "thingstead_app_messages_dropped_total",
            "counter",
            "Messages dropped because an application read too slowly.",
        ),
        MetricInfo(
            "thingstead_app_news_dropped_total", "counter", "Device updates dropped before any subscriber got them."
        ),
        MetricInfo(
            "thingstead_connections_turned_away_total",
            "counter",
            "Connections refused, or closed before authentication.",
            ("reason",),
        ),
        MetricInfo("thingstead_device_sessions", "gauge", "Durable MQTT sessions of devices."),
        MetricInfo(
            "thingstead_device_queue_messages",
            "gauge",
            "Messages queued or unacknowledged in durable sessions of devices.",
        ),
        MetricInfo("thingstead_open_connections", "gauge", "Open connections on the open port."),
        MetricInfo(
            "thingstead_open_messages_received_total", "counter", "PUBLISH packets from clients of the open port."
        ),
        MetricInfo("thingstead_open_messages_sent_total", "counter", "PUBLISH packets to clients of the open port."),
        MetricInfo(
            "thingstead_open_messages_dropped_total",
            "counter",
            "Messages dropped because a client could not take them.",
        ),
        MetricInfo("thingstead_open_sessions", "gauge", "Sessions of the open port, connected or not."),
        MetricInfo("thingstead_open_subscriptions", "gauge", "Topic filters subscribed to."),
        MetricInfo(
            "thingstead_open_queue_messages",
            "gauge",
            "Messages at QoS 1 and 2, queued or in flight.",
        ),
        MetricInfo("thingstead_open_retained_messages", "gauge", "Retained messages."),
        MetricInfo("thingstead_open_retained_bytes", "gauge", "Memory of retained messages, approximately."),
        MetricInfo("thingstead_open_wills_published_total", "counter", "Will messages published."),
        MetricInfo("thingstead_reports_accepted_total", "counter", "Attribute reports stored."),
        MetricInfo(
            "thingstead_attributes_refused_total",
            "counter",
            "Attributes refused because they do not match their definition.",
        ),
        MetricInfo(
            "thingstead_quota_refusals_total", "counter", "Messages refused by the daily quota of their project."
        ),
        MetricInfo("thingstead_events_accepted_total", "counter", "Events stored."),
        MetricInfo("thingstead_points_total", "counter", "Points written to history."),
        MetricInfo("thingstead_points_repeated_total", "counter", "Points reported again and stored once."),
        MetricInfo("thingstead_history_points", "gauge", "Points stored, without those of the last hours."),
        MetricInfo("thingstead_history_bytes", "gauge", "Disk space of these points, approximately."),
        MetricInfo("thingstead_history_oldest_timestamp_seconds", "gauge", "Hour of the oldest stored point; 0: none."),
        MetricInfo("thingstead_history_dropped_points_total", "counter", "Points dropped by retention."),
        MetricInfo("thingstead_history_quarantined_rows", "gauge", "Damaged rows of the history in quarantine."),
        MetricInfo("thingstead_points_pending", "gauge", "Points in the log and in memory that are not packed yet."),
        MetricInfo("thingstead_points_due", "gauge", "Packed points that are due for compaction into blocks."),
        MetricInfo(
            "thingstead_devices_held_back",
            "gauge",
            "Devices under back-pressure: not read because too much of their data waits.",
        ),
        MetricInfo(
            "thingstead_packings_failed_total", "counter", "Failed attempts to pack reports; they are repeated."
        ),
        MetricInfo("thingstead_damaged_pages_met_total", "counter", "Reads and writes that failed at a damaged page."),
        MetricInfo(
            "thingstead_function_calls_total",
            "counter",
            "Calls of cloud functions, by how they ended.",
            ("outcome",),
        ),
        MetricInfo(
            "thingstead_function_call_seconds",
            "histogram",
            "Duration of calls of functions, with their wait for a worker.",
        ),
        MetricInfo("thingstead_function_calls_waiting", "gauge", "Calls of functions that wait for a worker."),
        MetricInfo("thingstead_function_calls_waiting_bytes", "gauge", "Memory of these calls, approximately."),
        MetricInfo("thingstead_functions_off", "gauge", "Functions that are switched off because they failed."),
        MetricInfo("thingstead_function_workers_started_total", "counter", "Worker processes of functions started."),
        MetricInfo(
            "thingstead_function_workers_killed_total",
            "counter",
            "Worker processes killed because a function did not end.",
        ),
        MetricInfo("thingstead_forward_targets", "gauge", "Forwarding targets.", labels=("state",)),
        MetricInfo("thingstead_forward_messages_waiting", "gauge", "Messages that wait for a forwarding target."),
        MetricInfo("thingstead_forward_messages_waiting_bytes", "gauge", "The same in bytes."),
        MetricInfo("thingstead_forward_messages_sent_total", "counter", "Messages that a target accepted."),
        MetricInfo("thingstead_forward_messages_refused_total", "counter", "Messages that became dead letters."),
        MetricInfo(
            "thingstead_forward_messages_dropped_total",
            "counter",
            "Messages that were given up: they waited too long, or too many bytes waited.",
        ),
        MetricInfo(
            "thingstead_task_instants_total",
            "counter",
            "Planned instants of tasks, by outcome.",
            ("outcome",),
        ),
        MetricInfo(
            "thingstead_task_results_total", "counter", "Devices on which tasks acted, by the result.", ("result",)
        ),
        MetricInfo("thingstead_message_rules", "gauge", "Enabled message rules."),
        MetricInfo("thingstead_message_rule_work_done_total", "counter", "Messages on which a message rule acted."),
        MetricInfo(
            "thingstead_message_rule_work_waiting", "gauge", "Messages whose actions wait, also for their time."
        ),
        MetricInfo("thingstead_message_rule_work_waiting_bytes", "gauge", "Memory or disk that they take, about."),
        MetricInfo(
            "thingstead_message_rule_work_broken_total", "counter", "Actions without effect because the server failed."
        ),
        MetricInfo("thingstead_message_rule_outgoing_waiting", "gauge", "Messages that wait for addresses outside."),
        MetricInfo(
            "thingstead_message_rule_outgoing_total",
            "counter",
            "Messages to addresses outside, by outcome; `retrying`: attempts that failed and are repeated.",
            labels=("outcome",),
        ),
        MetricInfo("thingstead_message_rule_reports_held", "gauge", "Reports that wait for functions."),
        MetricInfo("thingstead_message_rule_reports_held_bytes", "gauge", "Bytes of these reports."),
        MetricInfo("thingstead_modbus_frames_total", "counter", "Modbus frames, by their result.", ("outcome",)),
        MetricInfo("thingstead_modbus_devices_polled", "gauge", "Devices that get Modbus requests now."),
        MetricInfo("thingstead_modbus_devices_left_out_total", "counter", "Devices beyond the limit of their project."),
        MetricInfo("thingstead_modbus_polls_put_off_total", "counter", "Polls beyond the rate of their project."),
        MetricInfo("thingstead_ota_downloads", "gauge", "Downloads of firmware under way."),
        MetricInfo("thingstead_ota_downloads_waiting", "gauge", "Downloads of firmware that wait for their turn."),
        MetricInfo("thingstead_ota_download_bytes_total", "counter", "Bytes of firmware served to devices."),
        MetricInfo("thingstead_ota_downloads_total", "counter", "Downloads, by how they ended.", ("outcome",)),
        MetricInfo("thingstead_ota_checks_total", "counter", "Checks for upgrades by devices.", ("outcome",)),
        MetricInfo("thingstead_ota_upgrades_open", "gauge", "Upgrades of devices that are under way."),
        MetricInfo("thingstead_ota_upgrades_ended_total", "counter", "Upgrades that ended.", ("state",)),
        MetricInfo("thingstead_ota_files_damaged", "gauge", "Files of firmware whose content is damaged."),
        MetricInfo("thingstead_alarm_rules", "gauge", "Enabled alarm rules."),
        MetricInfo(
            "thingstead_alarm_rules_failing", "gauge", "Enabled rules that cannot be evaluated on at least one device."
        ),
        MetricInfo("thingstead_alarms_raised_total", "counter", "Alarms raised, or changed in level."),
        MetricInfo("thingstead_alarms_cleared_total", "counter", "Alarms cleared."),
        MetricInfo("thingstead_alarms_dropped_total", "counter", "Alarms and alarm messages dropped for their age."),
        MetricInfo("thingstead_notices_sent_total", "counter", "Notices of alarms accepted by their receivers."),
        MetricInfo("thingstead_notices_failed_total", "counter", "Failed attempts to send a notice."),
        MetricInfo("thingstead_notices_dropped_total", "counter", "Notices dropped because they expired."),
        MetricInfo(
            "thingstead_log_rows_dropped_total",
            "counter",
            "Events, commands, alarms and notices of devices dropped for their age or number.",
            ("kind",),
        ),
        MetricInfo("thingstead_disk_free_bytes", "gauge", "Free disk space at the data folder."),
        MetricInfo("thingstead_clock_set_back_total", "counter", "Times that the server's clock was set back."),
        MetricInfo("thingstead_commits_failed_total", "counter", "Failed transactions."),
        MetricInfo("thingstead_commit_seconds", "histogram", "Duration of a transaction, including its fsync."),
        MetricInfo("thingstead_write_queue_length", "gauge", "Writes waiting for a transaction."),
        MetricInfo("thingstead_http_requests_total", "counter", "HTTP requests.", ("method", "route", "status")),
        MetricInfo(
            "thingstead_http_request_seconds",
            "histogram",
            "Duration of HTTP requests, from the head of the request to the answer.",
            ("plane",),
        ),
        MetricInfo("thingstead_api_refusals_total", "counter", "Refusals of the Project API.", ("code",)),
        MetricInfo(
            "thingstead_messages_refused_total",
            "counter",
            "Messages of devices that were refused, or parts of them, by MQTT, HTTP and TCP.",
            ("code",),
        ),
        MetricInfo(
            "thingstead_buffers_bytes",
            "gauge",
            "Memory of what waits for clients, or has begun and is not complete.",
            ("kind",),
        ),
        MetricInfo(
            "thingstead_certificate_not_after_timestamp_seconds",
            "gauge",
            "When the first certificate of a TLS port expires.",
            ("port",),
        ),
        MetricInfo("thingstead_browser_sessions", "gauge", "Sessions of administrators in browsers."),
        MetricInfo("thingstead_log_ins_failed_total", "counter", "Log-ins with a wrong credential.", ("kind",)),
        MetricInfo(
            "thingstead_previous_project_key_log_ins_total",
            "counter",
            "Log-ins and HTTP requests of devices with the previous ProjectKey.",
        ),
        MetricInfo(
            "thingstead_log_ins_throttled_total", "counter", "Log-ins refused because too many had failed.", ("kind",)
        ),
    )
}


class Histogram:
    """Counts observations by bucket, without locks: one thread observes, any thread reads."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)  # ascending, inclusive
        self.counts = [0] * (len(self.bounds) + 1)  # the last bucket counts observations above all bounds
        self.total = 0.0  # sum of all observations

    def observe(self, value: float) -> None:
        """Adds an observation."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def cumulative(self) -> list[tuple[str, float]]:
        """Pairs of upper bound and cumulative count, ``+Inf`` last, in the form of Prometheus."""
        pairs: list[tuple[str, float]] = []
        running = 0
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            running += count
            pairs.append((bound, running))
        return pairs


class HttpRequests:
    """Counts answered HTTP requests by method, path template and status, their durations by plane, and the refusals of
    the Project API by code."""

    METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE"})  # all others count as one

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, int]] = Counter()
        self.durations = {(plane,): Histogram(REQUEST_BOUNDS_S) for plane in (*PLANES.values(), "page")}
        self.refusals: Counter[str] = Counter()  # by code
        # Is told the path template, the status and the code of each answer, in the task that serves the request.
        self.observer: Callable[[str, int, str], None] | None = None

    @property
    def counts(self) -> Mapping[tuple[str, str, str], int]:
        return {(method, route, str(status)): count for (method, route, status), count in self._counts.items()}

    def count(self, method: str, route: str, status: int, took_s: float, code: str = "") -> None:
        """Counts one answer.

        Args:
            route: the path template.
            took_s: time from the request head to the answer.
            code: of a refusal.
        """
        self._counts[method if method in self.METHODS else "other", route, status] += 1
        plane = PLANES.get(route.split("/", 2)[1], "page") if "/" in route else "page"
        self.durations[plane,].observe(took_s)
        if code:
            self.refusals[code] += 1
        if self.observer is not None:
            self.observer(route, status, code)


# With labels: values by tuple of label values.
Reading = float | Mapping[Any, float] | Histogram | Mapping[Any, Histogram]


class Metrics(Collector):
    """The metrics of one server."""

    def __init__(self) -> None:
        self._readings: dict[str, Callable[[], Reading]] = {}
        self.prepare: Callable[[], Awaitable[None]] = _nothing  # await it before every scrape, for what must be awaited
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def read(self, name: str, reading: Callable[[], Reading]) -> None:
        """Registers the function that returns the value of a metric of the catalog; called at every scrape."""
        if name not in CATALOG:
            raise KeyError(f"{name} is not in the catalog of metrics")
        self._readings[name] = reading

    @property
    def names(self) -> frozenset[str]:
        """Names of the registered metrics."""
        return frozenset(self._readings)

    def collect(self) -> Iterable[Metric]:
        """All metrics, read now; called by the Prometheus client for each scrape."""
        for name, reading in self._readings.items():
            yield _family(CATALOG[name], reading())

    def render(self) -> bytes:
        """The text that Prometheus scrapes (:data:`CONTENT_TYPE`)."""
        return generate_latest(self._registry)


async def _nothing() -> None:
    """Nothing is to be prepared."""


def _family(info: MetricInfo, value: Reading) -> Metric:
    samples: Mapping[Any, Any] = value if isinstance(value, Mapping) else {(): value}
    if info.kind == "histogram":
        buckets = HistogramMetricFamily(info.name, info.description, labels=info.labels)
        for labels, histogram in sorted(samples.items()):
            buckets.add_metric(labels, histogram.cumulative(), histogram.total)
        return buckets
    kind = CounterMetricFamily if info.kind == "counter" else GaugeMetricFamily
    family = kind(info.name, info.description, labels=info.labels)
    for labels, number in sorted(samples.items()):
        family.add_metric(labels, number)
    return family
