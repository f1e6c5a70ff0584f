"""Checks of forwarding targets that people create or change."""

from collections.abc import Callable
from typing import Any

from thingstead.errors import NotFound
from thingstead.model import limits
from thingstead.model.forwarding.configs.checks import (
    check_influxdb_config,
    check_kafka_config,
    check_mqtt_config,
    check_postgresql_config,
)
from thingstead.model.forwarding.configs.influxdb import InfluxdbConfig
from thingstead.model.forwarding.target import CONFIG_KINDS, TargetKind, UrlConfig, config_kinds
from thingstead.model.forwarding.target_form import ForwardTargetForm
from thingstead.model.limits import Problems
from thingstead.services.forwarding.targets.extras import missing_extra
from thingstead.services.outbound.request_checks import check_headers, is_url
from thingstead.services.registry.rule_source import find_device
from thingstead.storage.base import Store


async def check_target(store: Store, project_id: str, form: ForwardTargetForm) -> None:
    """Raises InvalidInput with every part that is invalid or refers to an unknown object."""
    problems = Problems()
    problems.name(form.name)
    problems.descr(form.descr)
    problems.tags(form.tags)
    for index, type_id in enumerate(form.types):
        try:
            await store.device_types.get(project_id, type_id)
        except NotFound:
            problems.add(f"types[{index}]", "not_in_project")
    for index, device_id in enumerate(form.devices):
        if await find_device(store, project_id, device_id) is None:
            problems.add(f"devices[{index}]", "not_in_project")
    kinds = config_kinds(form)
    if len(kinds) == 1:
        extra = missing_extra(kinds[0])
        if extra is not None:
            problems.add(kinds[0], "extra_missing", extra=extra)
        CHECKS[kinds[0]](getattr(form, kinds[0]), problems, kinds[0])
    else:
        problems.add(CONFIG_KINDS[0], "channel_kinds", allowed=", ".join(CONFIG_KINDS))
    problems.refuse()


def _check_url(config: UrlConfig, problems: Problems, field: str) -> None:
    if not is_url(config.url):
        problems.add(f"{field}.url", "bad_url")
    if config.secret is not None:
        problems.text(f"{field}.secret", config.secret, limits.DESCR_LENGTH, min_length=1)
    check_headers(config.headers or {}, problems, f"{field}.headers")


def _check_influxdb(config: InfluxdbConfig, problems: Problems, field: str) -> None:
    if not is_url(config.url) or "?" in config.url:
        problems.add(f"{field}.url", "bad_url")
    check_influxdb_config(config, problems, field)


# What is wrong with a config of a kind; the last argument is its member.
CHECKS: dict[TargetKind, Callable[[Any, Problems, str], None]] = {
    "url": _check_url,
    "mqtt": check_mqtt_config,
    "influxdb": _check_influxdb,
    "postgresql": check_postgresql_config,
    "kafka": check_kafka_config,
}
