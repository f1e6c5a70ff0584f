"""The source of each metric's value."""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress

from thingstead import __version__
from thingstead.broker.broker import MqttBroker
from thingstead.broker.connection.queue_bounds import QueueBounds
from thingstead.errors import Unavailable
from thingstead.metrics import Metrics
from thingstead.mqtt.budget import Budget
from thingstead.services.forwarding.forwarder import Forwarder
from thingstead.services.functions.pool import FunctionPool
from thingstead.services.modbus.polling import ModbusPolls
from thingstead.services.ota.ota import OtaService
from thingstead.services.platform import Platform
from thingstead.storage.base import Store


def read_metric_sources(
    metrics: Metrics,
    store: Store,
    platform: Platform,
    gateway: MqttBroker,
    buffers: Budget,
    certificate_expiries: Callable[[], Mapping[str, int]],
) -> None:
    """Connects the metrics of the catalog with the parts that count them."""
    rows = RowCounts(store)
    metrics.prepare = rows.look
    _read_devices(metrics, rows, platform)
    _read_buffers(metrics, gateway.bounds, buffers)
    metrics.read(
        "thingstead_certificate_not_after_timestamp_seconds",
        lambda: {(setting,): until_s for setting, until_s in certificate_expiries().items()},
    )
    _read_functions(metrics, platform.functions)
    _read_forwarding(metrics, platform.forwarding.forwarder)
    _read_tasks(metrics, platform)
    _read_message_rules(metrics, platform)
    _read_modbus(metrics, platform.modbus_polls)
    _read_ota(metrics, platform.ota)
    ingest, mqtt, tcp = platform.ingest, gateway.counters, gateway.tcp_counters
    metrics.read("thingstead_build_info", lambda: {(__version__,): 1})
    metrics.read("thingstead_node_active", lambda: 1)
    metrics.read("thingstead_mqtt_connections", lambda: mqtt.connections)
    metrics.read("thingstead_mqtt_connections_accepted_total", lambda: mqtt.connections_accepted)
    metrics.read(
        "thingstead_mqtt_connections_refused_total", lambda: mqtt.connections_refused + gateway.entrance.refused
    )
    metrics.read("thingstead_mqtt_messages_received_total", lambda: mqtt.messages_received)
    metrics.read("thingstead_mqtt_messages_ignored_total", lambda: mqtt.messages_ignored)
    metrics.read("thingstead_mqtt_messages_sent_total", lambda: mqtt.messages_sent)
    metrics.read("thingstead_mqtt_messages_dropped_total", lambda: mqtt.messages_dropped)
    metrics.read("thingstead_mqtt_protocol_errors_total", lambda: mqtt.protocol_errors)
    metrics.read("thingstead_tcp_connections", lambda: tcp.connections)
    metrics.read("thingstead_tcp_connections_accepted_total", lambda: tcp.connections_accepted)
    metrics.read(
        "thingstead_tcp_connections_refused_total", lambda: tcp.connections_refused + gateway.tcp_entrance.refused
    )
    metrics.read("thingstead_tcp_packets_received_total", lambda: tcp.messages_received)
    metrics.read("thingstead_tcp_packets_sent_total", lambda: tcp.messages_sent)
    app = gateway.app_counters
    metrics.read("thingstead_app_subscribers", lambda: app.subscribers)
    metrics.read("thingstead_app_subscriptions", lambda: app.subscriptions)
    metrics.read("thingstead_app_messages_sent_total", lambda: app.messages_sent)
    metrics.read("thingstead_app_messages_dropped_total", lambda: app.messages_dropped)
    metrics.read("thingstead_app_news_dropped_total", lambda: app.news_dropped)
    metrics.read("thingstead_reports_accepted_total", lambda: ingest.reports_accepted)
    metrics.read("thingstead_attributes_refused_total", lambda: ingest.attributes_refused)
    metrics.read("thingstead_quota_refusals_total", lambda: ingest.quota.refused if ingest.quota else 0)
    metrics.read("thingstead_events_accepted_total", lambda: ingest.events_accepted)
    metrics.read("thingstead_points_total", lambda: store.figures().points)
    metrics.read("thingstead_points_repeated_total", lambda: store.figures().points_repeated)
    retention = platform.retention
    metrics.read("thingstead_history_points", lambda: retention.extent.points)
    metrics.read("thingstead_history_bytes", lambda: retention.extent.size_bytes)
    metrics.read("thingstead_history_oldest_timestamp_seconds", lambda: (retention.extent.oldest_ts or 0) / 1000)
    metrics.read("thingstead_history_dropped_points_total", lambda: retention.points_dropped)
    metrics.read("thingstead_history_quarantined_rows", lambda: store.figures().rows_quarantined)
    metrics.read("thingstead_damaged_pages_met_total", lambda: store.figures().damage_met)
    failures = platform.log_ins.failures
    metrics.read("thingstead_browser_sessions", lambda: rows.browser_sessions)
    metrics.read("thingstead_log_ins_failed_total", lambda: {(kind,): n for kind, n in failures.failed.items()})
    metrics.read("thingstead_log_ins_throttled_total", lambda: {(kind,): n for kind, n in failures.throttled.items()})
    metrics.read("thingstead_previous_project_key_log_ins_total", lambda: platform.presence.previous_key_log_ins)
    metrics.read("thingstead_points_pending", lambda: store.figures().points_pending)
    metrics.read("thingstead_points_due", lambda: store.figures().points_due)
    metrics.read("thingstead_devices_held_back", lambda: store.figures().devices_held_back)
    metrics.read("thingstead_packings_failed_total", lambda: store.figures().packings_failed)
    _read_alarms(metrics, platform)
    _read_mqtt_server(metrics, gateway)
    metrics.read("thingstead_disk_free_bytes", lambda: _disk(store))
    metrics.read("thingstead_clock_set_back_total", lambda: platform.clock_watch.steps_back)
    metrics.read("thingstead_commits_failed_total", lambda: store.figures().commits_failed)
    metrics.read("thingstead_commit_seconds", lambda: store.figures().commit_seconds)
    metrics.read("thingstead_write_queue_length", lambda: store.figures().writes_waiting)


def _disk(store: Store) -> dict[tuple[str, ...], float]:
    free_bytes = store.figures().disk_free_bytes
    return {} if free_bytes is None else {(): free_bytes}


class RowCounts:
    """Numbers of rows as of the last look; those of an earlier one while the store is unavailable."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.devices = self.online = self.browser_sessions = 0

    async def look(self) -> None:
        """Counts the rows."""
        with suppress(Unavailable):
            self.devices = await self._store.devices.count_all()
            self.online = await self._store.presence.count_all()
            self.browser_sessions = await self._store.browser_sessions.count()


def _read_functions(metrics: Metrics, functions: FunctionPool) -> None:
    metrics.read("thingstead_function_calls_total", lambda: {(key,): n for key, n in functions.outcomes.items()})
    metrics.read("thingstead_function_call_seconds", lambda: functions.durations)
    metrics.read("thingstead_function_calls_waiting", lambda: functions.waiting)
    metrics.read("thingstead_function_calls_waiting_bytes", lambda: functions.waiting_bytes)
    metrics.read("thingstead_functions_off", lambda: functions.off)
    metrics.read("thingstead_function_workers_started_total", lambda: functions.starts)
    metrics.read("thingstead_function_workers_killed_total", lambda: functions.kills)


def _read_forwarding(metrics: Metrics, forwarder: Forwarder) -> None:
    runners, totals = forwarder.runners, forwarder.totals
    metrics.read(
        "thingstead_forward_targets",
        lambda: {(state,): n for state, n in Counter(runner.state for runner in runners.values()).items()},
    )
    metrics.read("thingstead_forward_messages_waiting", lambda: sum(runner.items for runner in runners.values()))
    metrics.read(
        "thingstead_forward_messages_waiting_bytes", lambda: sum(runner.size_bytes for runner in runners.values())
    )
    metrics.read("thingstead_forward_messages_sent_total", lambda: totals.sent)
    metrics.read("thingstead_forward_messages_refused_total", lambda: totals.refused)
    metrics.read("thingstead_forward_messages_dropped_total", lambda: totals.dropped)


def _read_tasks(metrics: Metrics, platform: Platform) -> None:
    scheduler = platform.tasks.scheduler
    metrics.read("thingstead_task_instants_total", lambda: {(key,): n for key, n in scheduler.instants.items()})
    results = scheduler.runner.results
    metrics.read("thingstead_task_results_total", lambda: {(key,): n for key, n in results.items()})


def _read_message_rules(metrics: Metrics, platform: Platform) -> None:
    runner, ingest = platform.message_rules.runner, platform.ingest
    room, held = ingest.triggers.room, ingest.held
    metrics.read("thingstead_message_rules", lambda: len(ingest.triggers.index.rules))
    metrics.read("thingstead_message_rule_work_done_total", lambda: runner.done)
    metrics.read("thingstead_message_rule_work_waiting", lambda: room.count)
    metrics.read("thingstead_message_rule_work_waiting_bytes", lambda: room.size_bytes)
    metrics.read("thingstead_message_rule_work_broken_total", lambda: runner.broken)
    outbox = platform.message_rules.outbox
    metrics.read("thingstead_message_rule_outgoing_waiting", lambda: outbox.waiting)
    metrics.read(
        "thingstead_message_rule_outgoing_total",
        lambda: {(outcome,): count for outcome, count in outbox.outcomes.items()},
    )
    metrics.read("thingstead_message_rule_reports_held", lambda: held.count)
    metrics.read("thingstead_message_rule_reports_held_bytes", lambda: held.size_bytes)


def _read_modbus(metrics: Metrics, polls: ModbusPolls) -> None:
    frames = polls.streams.frames
    metrics.read("thingstead_modbus_frames_total", lambda: {(outcome,): n for outcome, n in frames.items()})
    metrics.read("thingstead_modbus_devices_polled", lambda: len(polls.devices))
    metrics.read("thingstead_modbus_devices_left_out_total", lambda: polls.devices.over)
    metrics.read("thingstead_modbus_polls_put_off_total", lambda: polls.left_out)


def _read_ota(metrics: Metrics, ota: OtaService) -> None:
    downloads, watch = ota.downloads, ota.watch
    metrics.read("thingstead_ota_downloads", lambda: downloads.active)
    metrics.read("thingstead_ota_downloads_waiting", lambda: downloads.waiting)
    metrics.read("thingstead_ota_download_bytes_total", lambda: downloads.served_bytes)
    metrics.read("thingstead_ota_downloads_total", lambda: {(key,): n for key, n in downloads.outcomes.items()})
    metrics.read("thingstead_ota_checks_total", lambda: {(key,): n for key, n in ota.checks.outcomes.items()})
    metrics.read("thingstead_ota_upgrades_open", lambda: watch.count)
    metrics.read("thingstead_ota_upgrades_ended_total", lambda: {(key,): n for key, n in watch.ended.items()})
    metrics.read("thingstead_ota_files_damaged", lambda: len(ota.files.damaged))


def _read_devices(metrics: Metrics, rows: "RowCounts", platform: Platform) -> None:
    metrics.read("thingstead_devices", lambda: rows.devices)
    metrics.read("thingstead_devices_online", lambda: rows.online)
    refused = platform.device_logs.codes
    metrics.read("thingstead_messages_refused_total", lambda: {(code,): n for code, n in refused.items()})


def _read_buffers(metrics: Metrics, bounds: QueueBounds, buffers: Budget) -> None:
    kinds = {"queued": bounds.queued, "incomplete": bounds.incomplete, "unread": bounds.unread, "all": buffers}
    metrics.read("thingstead_buffers_bytes", lambda: {(kind,): kept.used_bytes for kind, kept in kinds.items()})


def _read_alarms(metrics: Metrics, platform: Platform) -> None:
    retention = platform.retention
    evaluations, dispatcher = platform.alarms.engine.evaluations, platform.notify.dispatcher
    metrics.read("thingstead_alarm_rules", lambda: len(evaluations.rule_index.records))
    metrics.read(
        "thingstead_alarm_rules_failing", lambda: sum(bool(r.failing) for r in evaluations.rule_index.records.values())
    )
    metrics.read("thingstead_alarms_raised_total", lambda: evaluations.raised)
    metrics.read("thingstead_alarms_cleared_total", lambda: evaluations.cleared)
    metrics.read("thingstead_alarms_dropped_total", lambda: retention.alarms_dropped)
    metrics.read("thingstead_notices_sent_total", lambda: dispatcher.sent)
    metrics.read("thingstead_notices_failed_total", lambda: dispatcher.failed)
    metrics.read("thingstead_notices_dropped_total", lambda: retention.notices_dropped)
    metrics.read(
        "thingstead_log_rows_dropped_total",
        lambda: {(kind,): rows for kind, rows in retention.logs.dropped.items()},
    )


def _read_mqtt_server(metrics: Metrics, gateway: MqttBroker) -> None:
    devices, port = gateway.device_sessions, gateway.open_port
    metrics.read(
        "thingstead_connections_turned_away_total",
        lambda: {(reason,): count for reason, count in gateway.refused_connections.counts.items()},
    )
    metrics.read("thingstead_device_sessions", lambda: len(devices))
    metrics.read("thingstead_device_queue_messages", lambda: devices.queued)
    metrics.read("thingstead_open_connections", lambda: port.counters.connections)
    metrics.read("thingstead_open_messages_received_total", lambda: port.counters.messages_received)
    metrics.read("thingstead_open_messages_sent_total", lambda: port.counters.messages_sent)
    metrics.read("thingstead_open_messages_dropped_total", lambda: port.counters.messages_dropped)
    metrics.read("thingstead_open_sessions", lambda: len(port.sessions))
    metrics.read("thingstead_open_subscriptions", lambda: len(port.router.routes))
    metrics.read("thingstead_open_queue_messages", lambda: port.sessions.queued)
    metrics.read("thingstead_open_retained_messages", lambda: len(port.router.retained.messages))
    metrics.read("thingstead_open_retained_bytes", lambda: port.router.retained.messages.size_bytes)
    metrics.read("thingstead_open_wills_published_total", lambda: port.sessions.wills_published)
