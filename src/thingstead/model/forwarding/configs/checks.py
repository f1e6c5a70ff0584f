"""Checks of the configs of targets: what a type cannot say."""

import re

from thingstead.model.addresses import host_and_port
from thingstead.model.forwarding.configs.influxdb import InfluxdbConfig
from thingstead.model.forwarding.configs.kafka import KafkaConfig
from thingstead.model.forwarding.configs.mqtt import MqttConfig
from thingstead.model.forwarding.configs.postgresql import IDENTIFIER_LENGTH, PostgresqlConfig
from thingstead.model.limits import Problems
from thingstead.model.outbound.mqtt import check_mqtt, check_placeholders

_HOST = re.compile(r"[A-Za-z0-9_.:%-]+\Z")
_TOPIC = re.compile(r"[A-Za-z0-9._-]+\Z")
_TOKEN = re.compile(r"[\x21-\x7e]+\Z")  # as the value of a header
_CONTROL = re.compile("[\x00-\x1f\x7f]")


def check_mqtt_config(config: MqttConfig, problems: Problems, field: str) -> None:
    """Adds what is wrong with a broker."""
    check_mqtt(config, field, problems)


def check_influxdb_config(config: InfluxdbConfig, problems: Problems, field: str) -> None:
    """Adds what is wrong with an InfluxDB; its address is checked by whoever calls."""
    first = config.database is not None
    second = config.org is not None or config.bucket is not None or config.token is not None
    if first is second:
        problems.add(f"{field}.database", "influxdb_of_one_version")
    if second:
        for member in ("org", "bucket", "token"):
            if getattr(config, member) is None:
                problems.add(f"{field}.{member}", "required")
        for member in ("retention_policy", "user_name", "password"):
            if getattr(config, member) is not None:
                problems.add(f"{field}.{member}", "cannot_be_combined", other="token")
    elif (config.user_name is None) is not (config.password is None):
        problems.add(f"{field}.password", "goes_with_user_name")
    if config.token is not None and not _TOKEN.match(config.token):
        problems.add(f"{field}.token", "not_printable_ascii")
    _check_plain(config, ("user_name", "password"), problems, field)
    check_placeholders(config.measurement, f"{field}.measurement", problems)


def check_postgresql_config(config: PostgresqlConfig, problems: Problems, field: str) -> None:
    """Adds what is wrong with a database."""
    if not _HOST.match(config.host):
        problems.add(f"{field}.host", "bad_host")
    for member in ("table", "schema"):
        if len(getattr(config, member).encode("utf-8", "replace")) > IDENTIFIER_LENGTH:
            problems.add(f"{field}.{member}", "too_long", maximum=IDENTIFIER_LENGTH)
    if config.ca is not None and config.tls != "verify":
        problems.add(f"{field}.ca", "cannot_be_combined", other=f"tls {config.tls}")
    _check_plain(config, ("database", "user_name", "password", "table", "schema"), problems, field)


def check_kafka_config(config: KafkaConfig, problems: Problems, field: str) -> None:
    """Adds what is wrong with a cluster."""
    for index, server in enumerate(config.servers):
        host, port = host_and_port(server)
        if not port or not _HOST.match(host):
            problems.add(f"{field}.servers[{index}]", "bad_host_and_port")
    if not _TOPIC.match(config.topic) or config.topic in (".", ".."):
        problems.add(f"{field}.topic", "bad_kafka_topic")
    if config.ca is not None and not config.tls:
        problems.add(f"{field}.ca", "goes_with_tls")
    given = [config.sasl is not None, config.user_name is not None, config.password is not None]
    if any(given) and not all(given):
        problems.add(f"{field}.sasl", "sasl_with_user_name")
    _check_plain(config, ("user_name", "password"), problems, field)


def _check_plain(config: object, members: tuple[str, ...], problems: Problems, field: str) -> None:
    for member in members:
        value = getattr(config, member)
        if value is not None and _CONTROL.search(value):
            problems.add(f"{field}.{member}", "has_control_characters")
