"""The configuration tree: what wins, what is refused, and how the refusal reads."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingstead.config import SETTINGS, Config, Listener, dump, load
from thingstead.errors import ConfigError


def toml(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "thingstead.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_defaults_are_those_of_the_documentation() -> None:
    config = load()
    assert (config.data_dir, config.host, config.http_port, config.mqtt_port) == (
        "./thingstead-data",
        "0.0.0.0",  # noqa: S104 - what is compared is the documented default
        8080,
        1883,
    )
    assert config == Config()


def test_flags_win_over_variables_and_variables_over_the_file(tmp_path: Path) -> None:
    file = toml(tmp_path, 'http_port = 1\nmqtt_port = 2\nhost = "127.0.0.1"\n')
    environ = {"THINGSTEAD_MQTT_PORT": "3", "THINGSTEAD_HTTP_PORT": "4", "PATH": "/bin"}
    config = load(file, environ, {"http_port": 5, "mqtt_port": None})
    assert (config.http_port, config.mqtt_port, config.host) == (5, 3, "127.0.0.1")


def test_nested_settings_are_tables_in_the_file_and_joined_names_in_variables(tmp_path: Path) -> None:
    file = toml(tmp_path, "[mqtt]\nkeep_alive_max_s = 600\n[http]\ncors_origins = ['https://a']\n")
    config = load(file, {"THINGSTEAD_MQTT_CONNECT_TIMEOUT_S": "7"})
    assert (config.mqtt.keep_alive_max_s, config.mqtt.connect_timeout_s) == (600, 7)
    assert config.http.cors_origins == ("https://a",)
    assert load(None, {"THINGSTEAD_HTTP_CORS_ORIGINS": "https://a, https://b"}).http.cors_origins == (
        "https://a",
        "https://b",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("http_prt = 1", "unknown setting http_prt; did you mean http_port?"),
        ("[mqtt]\nkeep_alive_max = 1", "unknown setting mqtt.keep_alive_max; did you mean mqtt.keep_alive_max_s?"),
        ("[mqtt]\nzzz = 1", "unknown setting mqtt.zzz"),
        ("[nonsense]\nx = 1", "unknown setting nonsense"),
        ("mqtt = 1", "mqtt is a table of settings"),
        ("http_port = '8080'", "http_port ({file}): must be an integer, got '8080'"),
        ("http_port = true", "http_port ({file}): must be an integer, got True"),
        ("http_port = 65536", "http_port ({file}): must be at most 65535, got 65536"),
        ("log_level = 'loud'", "log_level ({file}): must be one of debug, info, warning, error, got 'loud'"),
        ("data_dir = ''", "data_dir ({file}): must not be empty, got ''"),
        ("host = ", "is not TOML"),
        ("http_port = 99\nmqtt_port = 99", "http_port and mqtt_port are both 99"),
        ("tcp_port = 'on'", "tcp_port ({file}): must be a number from 0 to 65535, or auto or off, got 'on'"),
        ("mqtts_port = 8883", "mqtts_port: TLS needs a certificate and its key"),
        ("[[listeners]]\nkind = 'mqtt'", "listeners[0] ({file}): lacks port, which must be given"),
        ("[[listeners]]\nkind = 'mqtt'\nprt = 1", "listeners[0] ({file}): has prt, which is not known"),
        ("[[listeners]]\nkind = 'tcp'\nport = 8080", "http_port and listeners[0] are both 8080"),
        ("[[listeners]]\nkind = 'mqtts'\nport = 1", "listeners[0]: TLS needs a certificate and its key"),
        ("[[listeners]]\nkind = 'tcp'\nport = 1\nkey = 'x'", "listeners[0]: key requires TLS"),
        (
            "[[listeners]]\nkind = 'mqttx'\nport = 1",
            "listeners[0].kind ({file}): must be one of mqtt, mqtts, http, https, tcp, tcps, open, got",
        ),
        ("[tcp]\nheartbeats = ['hex:0']", "tcp.heartbeats: "),
        ("[http]\ntrusted_proxies = ['10.0.0.0/8', 'proxy']", "http.trusted_proxies: 'proxy' does not appear to be"),
        ("[public]\nhttp_address = 'iot.example'", "public.http_address: "),
        ("[public]\nmqtt_address = 'mqtt://iot.example'", "public.mqtt_address: "),
        ("[public]\ntcp_address = 'iot.example:99999'", "public.tcp_address: "),
        ("[http]\ntrusted_proxies = ['10.0.0.1/8']", "http.trusted_proxies: 10.0.0.1/8 has host bits set"),
    ],
)
def test_a_bad_file_is_refused_naming_the_setting(tmp_path: Path, text: str, message: str) -> None:
    file = toml(tmp_path, text)
    with pytest.raises(ConfigError) as refusal:
        load(file)
    assert message.format(file=file) in refusal.value.message


def test_listeners_are_tables_of_the_file_or_json_in_the_variable(tmp_path: Path) -> None:
    file = toml(
        tmp_path,
        "[[listeners]]\nkind = 'mqtt'\nport = 1\nproxy_protocol = true\n[[listeners]]\nkind = 'tcp'\nport = 0\n",
    )
    expected = (Listener(kind="mqtt", port=1, proxy_protocol=True), Listener(kind="tcp", port=0))
    assert load(file).listeners == expected
    variable = msgspec.json.encode(expected).decode()
    config = load(None, {"THINGSTEAD_LISTENERS": variable})
    assert config.listeners == expected
    assert [msgspec.json.decode(text, type=Listener) for text in dump(config)["listeners"]] == list(expected)


def test_a_listener_has_the_host_and_the_certificate_of_the_plain_settings_where_it_names_none() -> None:
    plain: dict[str, Any] = {
        "host": "::1",
        "tls_certificate": "c",
        "tls_key": "k",
        "tls_client_ca": "a",
        "mqtts_port": 1,
        "https_port": 2,
    }
    own = Listener(kind="mqtts", port=3, host="::", certificate="c3", key="k3")
    config = Config(**plain, tcp_port="off", listeners=(own, Listener(kind="mqtt", port=4)))
    listeners = {spec.listener.port: spec.listener for spec in config.listener_specs}
    assert listeners[1] == Listener(kind="mqtts", port=1, host="::1", certificate="c", key="k", client_ca="a")
    assert listeners[2] == Listener(kind="https", port=2, host="::1", certificate="c", key="k")
    assert listeners[3] == Listener(kind="mqtts", port=3, host="::", certificate="c3", key="k3", client_ca="a")
    assert listeners[4] == Listener(kind="mqtt", port=4, host="::1")


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        (
            "THINGSTEAD_HTTP_PRT",
            "1",
            "unknown environment variable THINGSTEAD_HTTP_PRT; did you mean THINGSTEAD_HTTP_P",
        ),
        (
            "THINGSTEAD_HTTP_PORT",
            "tcp://10.0.0.1",
            "http_port (THINGSTEAD_HTTP_PORT): must be an integer, got 'tcp://10.0.0.1'",
        ),
        ("THINGSTEAD_MQTT_KEEP_ALIVE_MAX_S", "0", "(THINGSTEAD_MQTT_KEEP_ALIVE_MAX_S): must be at least 5, got '0'"),
    ],
)
def test_a_bad_variable_is_refused_naming_it(variable: str, value: str, message: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        load(None, {variable: value})
    assert message in refusal.value.message


def test_a_file_that_cannot_be_read_is_refused_naming_it(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.toml", tmp_path):
        with pytest.raises(ConfigError, match="cannot be read"):
            load(path)


def test_a_secret_is_neither_dumped_nor_quoted_in_a_refusal(tmp_path: Path) -> None:
    config = load(None, {"THINGSTEAD_HTTP_METRICS_TOKEN": "hunter2"})
    assert config.http.metrics_token == "hunter2"
    assert dump(config)["http.metrics_token"] == "***"
    with pytest.raises(ConfigError) as refusal:
        load(toml(tmp_path, "[http]\nmetrics_token = 74656\n"))
    assert "74656" not in refusal.value.message


def test_every_setting_has_its_own_variable_and_a_description() -> None:
    assert len({setting.variable for setting in SETTINGS.values()}) == len(SETTINGS)
    for setting in SETTINGS.values():
        assert setting.description.endswith("."), setting.name
        suffix = setting.name.rpartition("_")[2]
        assert setting.unit or suffix not in {"s", "ms", "bytes", "kib"}, f"{setting.name} states no unit"


def test_every_default_lies_in_its_own_range() -> None:
    assert msgspec.convert(msgspec.to_builtins(Config()), Config) == Config()


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(tables=st.lists(st.fixed_dictionaries({"kind": json_like, "port": json_like}, optional={"host": json_like})))
def test_any_table_of_a_listener_is_taken_or_refused_by_name(tables: list[dict[str, Any]]) -> None:
    try:
        load(None, {}, {"listeners": tables})
    except ConfigError as exc:
        message = exc.message
    else:
        message = "listeners"
    assert "listeners" in message


@given(name=st.sampled_from(sorted(SETTINGS)), value=json_like)
def test_any_value_of_any_setting_is_taken_or_refused_by_name(name: str, value: Any) -> None:
    if value is None:  # a flag that was not given
        return
    try:
        load(None, {}, {name: value})
    except ConfigError as exc:
        message = exc.message
    else:
        message = name
    assert name in message
