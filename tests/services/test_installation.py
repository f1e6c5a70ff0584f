"""Where the server is reached, as whoever asks would name it."""

import pytest

from thingstead.config import PublicSettings
from thingstead.services.shared.installation import Installation, OpenListener
from thingstead.wire.projects import PortAddress

EVERY = "0.0.0.0"  # noqa: S104 - shown, not bound
PLAIN = (OpenListener("http", EVERY, 8080), OpenListener("mqtt", EVERY, 1883), OpenListener("tcp", EVERY, 28801))
SECURE = (OpenListener("mqtts", EVERY, 8883), OpenListener("https", EVERY, 8443))


def shown(addresses: list[PortAddress]) -> list[str]:
    return [f"{each.kind}://{each.host}:{each.port}" for each in addresses]


def test_the_ports_are_shown_under_the_name_by_which_the_server_was_asked() -> None:
    installation = Installation((*PLAIN, *SECURE))
    assert shown(installation.addresses("iot.example:8080", secure=False)) == [
        "mqtt://iot.example:1883",
        "mqtts://iot.example:8883",
        "http://iot.example:8080",
        "https://iot.example:8443",
        "ws://iot.example:8080",
        "wss://iot.example:8443",
        "tcp://iot.example:28801",
    ]


@pytest.mark.parametrize(
    ("host", "secure", "http", "mqtt"),
    [
        ("10.0.0.7:8080", False, "http://10.0.0.7:8080", "mqtt://10.0.0.7:1883"),
        ("[2001:db8::1]:8080", False, "http://2001:db8::1:8080", "mqtt://2001:db8::1:1883"),
        ("[2001:db8::1]", False, "http://2001:db8::1:80", "mqtt://2001:db8::1:1883"),
        ("iot.example", True, "https://iot.example:443", "mqtt://iot.example:1883"),  # TLS ends in front of us
        ("iot.example", False, "http://iot.example:80", "mqtt://iot.example:1883"),
        ("iot.example:99999999999999999999", False, "http://iot.example:80", "mqtt://iot.example:1883"),
        ("iot.example:x", False, "http://iot.example:80", "mqtt://iot.example:1883"),
        ("", False, "http://localhost:8080", "mqtt://localhost:1883"),
    ],
)
def test_the_address_that_worked_for_the_request_is_the_first_of_http(
    host: str, secure: bool, http: str, mqtt: str
) -> None:
    found = shown(Installation(PLAIN).addresses(host, secure=secure))
    assert found[0] == mqtt
    assert http in found
    assert len(found) == len(set(found))


def test_a_port_of_one_address_is_shown_under_that() -> None:
    installation = Installation((OpenListener("mqtt", "10.0.0.5", 11883), *PLAIN))
    found = shown(installation.addresses("iot.example:8080", secure=False))
    assert found[:2] == ["mqtt://10.0.0.5:11883", "mqtt://iot.example:1883"]


def test_what_the_operator_says_counts() -> None:
    public = PublicSettings(
        http_address="https://iot.example.com",
        mqtt_address="mqtt.example.com",
        mqtts_address="mqtt.example.com:18883",
        tcp_address="10.9.9.9:7000",
    )
    installation = Installation((*PLAIN, *SECURE, OpenListener("mqtt", "10.0.0.5", 1884)), public)
    assert shown(installation.addresses("localhost:8080", secure=False)) == [
        "mqtt://mqtt.example.com:1883",
        "mqtt://mqtt.example.com:1884",
        "mqtts://mqtt.example.com:18883",
        "https://iot.example.com:443",
        "wss://iot.example.com:443",
        "tcp://10.9.9.9:7000",
    ]


@pytest.mark.parametrize(
    ("text", "host", "port"), [("a", "a", None), ("a:1", "a", 1), ("[2001:db8::1]:1883", "2001:db8::1", 1883)]
)
def test_an_address_is_a_host_and_perhaps_a_port(text: str, host: str, port: int | None) -> None:
    found = PublicSettings(mqtt_address=text).of("mqtt")
    assert found is not None
    assert (found.host, found.port) == (host, port)
    assert PublicSettings(mqtt_address=text).of("tcp") is None


@pytest.mark.parametrize("text", ["mqtt://a", "a:b", "a:99999", "a/b", "u@a", "a b", ":1883", "a?b"])
def test_anything_else_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        PublicSettings(mqtt_address=text).of("mqtt")


@pytest.mark.parametrize("text", ["iot.example.com", "ftp://a", "https://a/path", "https://", "https://u:p@a"])
def test_the_address_of_http_has_a_scheme_and_no_path(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be|must begin"):
        PublicSettings(http_address=text).http()
