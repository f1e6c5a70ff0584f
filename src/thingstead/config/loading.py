"""Loads the configuration from all its sources, and shows it."""

import ipaddress
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from thingstead.config.nearest import did_you_mean
from thingstead.config.tree import PREFIX, SETTINGS, Config, check_listeners
from thingstead.errors import ConfigError
from thingstead.wording import member_problem

CONFIG_VARIABLE = "THINGSTEAD_CONFIG"  # path of the TOML file, like the flag --config
_BY_VARIABLE = {setting.variable: setting.name for setting in SETTINGS.values()}


class Given(NamedTuple):
    """A configured value of a setting, with its origin for messages."""

    name: str
    value: Any
    origin: str


def load(
    file: Path | None = None, environ: Mapping[str, str] | None = None, flags: Mapping[str, Any] | None = None
) -> Config:
    """Loads the configuration from a TOML file, environment variables and flags; later ones take precedence.

    Args:
        file: the TOML file; None: no file. A missing file is an error.
        environ: variables; those that begin with ``THINGSTEAD_`` must be known settings.
        flags: values by setting name (``http_port``); None values are ignored.

    Raises:
        ConfigError: names the setting, its origin, and the problem.
    """
    given: list[Given] = []
    if file is not None:
        given += _from_file(file)
    given += _from_environment(environ or {})
    given += [Given(n, v, f"--{n.replace('_', '-')}") for n, v in (flags or {}).items() if v is not None]
    chosen = {item.name: _checked(item) for item in given}
    config: Config = _build(Config, chosen, "")
    check_listeners(config)
    try:
        _ = config.tcp.heartbeat_packets
    except ValueError as exc:
        raise ConfigError(f"tcp.heartbeats: {exc}") from exc
    try:
        for network in config.http.trusted_proxies:
            ipaddress.ip_network(network)
    except ValueError as exc:
        raise ConfigError(f"http.trusted_proxies: {exc}") from exc
    _check_public(config)
    return config


def _check_public(config: Config) -> None:
    """Raises ConfigError if a public address is invalid."""
    for kind in ("http", "mqtt", "mqtts", "tcp"):
        try:
            _ = config.public.http() if kind == "http" else config.public.of(kind)
        except ValueError as exc:
            raise ConfigError(f"public.{kind}_address: {exc}") from exc
    for kind in ("http", "https"):
        try:
            config.ota.base(secure=kind == "https")
        except ValueError as exc:
            raise ConfigError(f"ota.{kind}_address: {exc}") from exc


def dump(config: Config) -> dict[str, Any]:
    """Every setting by its dotted name, for display: secrets that are set appear as ``***``."""
    values: dict[str, Any] = {}
    for setting in SETTINGS.values():
        value: Any = config
        for part in setting.name.split("."):
            value = getattr(value, part)
        if isinstance(value, tuple):
            value = tuple(each if isinstance(each, str) else msgspec.json.encode(each).decode() for each in value)
        values[setting.name] = "***" if setting.secret and value else value
    return values


def _from_file(file: Path) -> Iterator[Given]:
    try:
        with file.open("rb") as stream:
            tree = tomllib.load(stream)
    except OSError as exc:
        raise ConfigError(f"{file}: cannot be read: {exc.strerror}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{file}: is not TOML: {exc}") from exc
    yield from _flattened(tree, "", str(file))


def _flattened(table: Mapping[str, Any], prefix: str, origin: str) -> Iterator[Given]:
    for key, value in table.items():
        name = f"{prefix}{key}"
        if name in SETTINGS:
            yield Given(name, value, origin)
        elif not any(known.startswith(f"{name}.") for known in SETTINGS):
            raise ConfigError(f"{origin}: unknown setting {name}{did_you_mean(name, SETTINGS)}")
        elif isinstance(value, dict):
            yield from _flattened(value, f"{name}.", origin)
        else:
            raise ConfigError(f"{origin}: {name} is a table of settings, written [{name}], not a value")


def _from_environment(environ: Mapping[str, str]) -> Iterator[Given]:
    for variable, text in environ.items():
        if not variable.startswith(PREFIX) or variable == CONFIG_VARIABLE:
            continue
        if variable not in _BY_VARIABLE:
            raise ConfigError(f"unknown environment variable {variable}{did_you_mean(variable, _BY_VARIABLE)}")
        name = _BY_VARIABLE[variable]
        yield Given(name, _from_text(name, text), variable)


def _from_text(name: str, text: str) -> Any:
    """Parses the text of a variable: lists are separated by commas, tables are JSON."""
    kind = get_args(SETTINGS[name].kind)[0]
    if get_origin(kind) is not tuple:
        return text
    if get_args(kind)[0] is str:
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        return msgspec.json.decode(text) if text.strip() else []
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return text  # refused later by its type


def _checked(given: Given) -> Any:
    """Converts the value to its type. Text is parsed as a number or boolean only if it came from a variable or flag."""
    kind = SETTINGS[given.name].kind
    strict = not given.origin.startswith((PREFIX, "--"))
    try:
        return msgspec.convert(given.value, kind, strict=strict)
    except msgspec.ValidationError as exc:
        message, _, where = str(exc).partition(" - at ")
        part = where.strip("`").removeprefix("$")
        shown = "" if SETTINGS[given.name].secret else f", got {given.value!r}"
        problem = _problem(get_args(kind)[0], message, part)
        raise ConfigError(f"{given.name}{part} ({given.origin}): {problem}{shown}") from exc


def _problem(kind: Any, message: str, part: str) -> str:
    """What a setting, or a part of one, must be; ``message`` is the error of msgspec."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is tuple:
        member = part.rpartition(".")[2]
        hints = get_type_hints(parts[0], include_extras=True) if "." in part else {}
        return member_problem(message, hints.get(member)).message
    if "enum value" in message and origin is not Literal:
        number, words = parts
        choice = " or ".join(get_args(words))
        if number is bool:
            return f"must be true, false or {choice}"
        meta: Meta = get_args(number)[1]
        return f"must be a number from {meta.ge} to {meta.le}, or {choice}"
    return member_problem(message, kind).message


def _build(struct: type[Any], chosen: Mapping[str, Any], prefix: str) -> Any:
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(struct):
        name = f"{prefix}{field.name}"
        if name in chosen:
            values[field.name] = chosen[name]
        elif name not in SETTINGS:
            values[field.name] = _build(type(field.default), chosen, f"{name}.")
    return struct(**values)
