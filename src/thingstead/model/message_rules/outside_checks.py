"""Actions that leave the platform: checks, and their secrets, which are shown as ``***``."""

from collections.abc import Sequence

import msgspec

from thingstead.model.limits import Problems
from thingstead.model.message_rules.action import Action
from thingstead.model.outbound.mqtt import HIDDEN, MQTT_SECRETS, MqttEndpoint, check_mqtt

SECRET_LENGTH = 1_024
_PLACE = ("url", "server_name", "ca")  # where a hidden secret of a broker may be kept


def check_outside(action: Action, where: str, problems: Problems) -> None:
    """Adds what is wrong with an action; its http address is checked by whoever calls."""
    if action.mqtt is not None:
        check_mqtt(action.mqtt, f"{where}.mqtt", problems)
    if action.secret is not None:
        problems.text(f"{where}.secret", action.secret, SECRET_LENGTH, min_length=1)
    if action.device is not None and (action.url is not None or action.mqtt is not None):
        problems.add(f"{where}.device", "cannot_be_combined", other="url" if action.url is not None else "mqtt")


def hide_secrets(actions: Sequence[Action]) -> list[Action]:
    """Actions for display."""
    return [_hidden(action) for action in actions]


def keep_secrets(actions: Sequence[Action], before: Sequence[Action], problems: Problems) -> tuple[Action, ...]:
    """Actions with the stored secrets in the place of ``***``, where an action before led to the same address, so that
    nobody can send a secret that they may not read to an address of their own; otherwise each is a problem."""
    return tuple(_kept(action, before, f"actions[{index}]", problems) for index, action in enumerate(actions))


def _hidden(action: Action) -> Action:
    secret = None if action.secret is None else HIDDEN
    mqtt = action.mqtt
    if mqtt is not None:
        hidden = {name: HIDDEN for name in MQTT_SECRETS if getattr(mqtt, name) is not None}
        mqtt = msgspec.structs.replace(mqtt, **hidden)
    if secret is None and mqtt is None:
        return action
    return msgspec.structs.replace(action, secret=secret, mqtt=mqtt)


def _kept(action: Action, before: Sequence[Action], where: str, problems: Problems) -> Action:
    if action.secret == HIDDEN:
        secret = next((each.secret for each in before if each.url == action.url and each.secret), None)
        if secret is None:
            problems.add(f"{where}.secret", "hidden_secret_new", hidden=HIDDEN)
        return msgspec.structs.replace(action, secret=secret)
    if action.mqtt is None:
        return action
    changes: dict[str, str | None] = {}
    for name in MQTT_SECRETS:
        if getattr(action.mqtt, name) == HIDDEN:
            changes[name] = _stored(action.mqtt, before, name)
            if changes[name] is None:
                problems.add(f"{where}.mqtt.{name}", "hidden_secret_new", hidden=HIDDEN)
    return msgspec.structs.replace(action, mqtt=msgspec.structs.replace(action.mqtt, **changes))


def _stored(endpoint: MqttEndpoint, before: Sequence[Action], name: str) -> str | None:
    for each in before:
        mqtt = each.mqtt
        if mqtt is not None and all(getattr(mqtt, place) == getattr(endpoint, place) for place in _PLACE):
            found: str | None = getattr(mqtt, name)
            if found is not None:
                return found
    return None
