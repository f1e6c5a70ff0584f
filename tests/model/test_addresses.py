"""Who sent a request, and by what it is throttled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingstead.model.addresses import HOPS_LIMIT, TrustedProxies, host_of, is_loopback, is_own_host, throttling_key

PROXIES = TrustedProxies(["10.0.0.0/8", "127.0.0.1", "2001:db8:ffff::/48"])
PROXY = ("10.0.0.1", 4711)
Header = tuple[bytes, bytes]


def xff(value: str) -> Header:
    return b"x-forwarded-for", value.encode()


def forwarded(value: str) -> Header:
    return b"forwarded", value.encode()


def host(*headers: Header, peer: tuple[str, int] = PROXY, proxies: TrustedProxies = PROXIES) -> str:
    return proxies.client(peer, [(b"host", b"a"), *headers]).host


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::FFFF:c000:201", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", ""),
        ("unix:", "unix:"),
    ],
)
def test_ipv4_counts_whole_and_ipv6_by_its_64(address: str, key: str) -> None:
    assert throttling_key(address) == key


@given(st.ip_addresses(v=6), st.integers(0, 2**64 - 1))
def test_addresses_of_one_64_count_as_one(address: object, other: int) -> None:
    beside = type(address)((int(address) >> 64 << 64) + other)  # type: ignore[call-overload, call-arg]
    if not (is_mapped(address) or is_mapped(beside)):
        assert throttling_key(str(address)) == throttling_key(str(beside))


def is_mapped(address: object) -> bool:
    return getattr(address, "ipv4_mapped", None) is not None


@pytest.mark.parametrize(
    ("remote_address", "expected"),
    [
        ("192.0.2.1:49152", "192.0.2.1"),
        ("192.0.2.1", "192.0.2.1"),
        ("[2001:db8::1]:49152", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("", ""),
    ],
)
def test_the_host_of_an_address_is_found(remote_address: str, expected: str) -> None:
    assert host_of(remote_address) == expected


def test_loopback_is_told_in_every_form() -> None:
    assert all(map(is_loopback, ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"]))
    assert not any(map(is_loopback, ["10.0.0.1", "::ffff:10.0.0.1", "localhost", ""]))


@pytest.mark.parametrize("own", ["localhost", "LOCALHOST.:8080", "127.0.0.1", "192.0.2.1:8080", "[::1]", "[::1]:8080"])
def test_localhost_and_addresses_name_this_machine(own: str) -> None:
    assert is_own_host(own)


@pytest.mark.parametrize("foreign", ["", "evil.example", "localhost.evil.example:80", "127.0.0.1.evil.example"])
def test_other_names_may_be_anybodys(foreign: str) -> None:
    assert not is_own_host(foreign)


def test_headers_of_a_peer_that_is_no_trusted_proxy_are_ignored() -> None:
    spoofed = (xff("203.0.113.9"), forwarded("for=203.0.113.9"), (b"x-forwarded-proto", b"https"))
    client = PROXIES.client(("198.51.100.7", 9), spoofed)
    assert client == ("198.51.100.7", 9, None)
    assert host(*spoofed, proxies=TrustedProxies()) == PROXY[0]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([xff("203.0.113.9")], "203.0.113.9"),
        ([xff("198.51.100.1, 203.0.113.9")], "203.0.113.9"),  # what the client itself sent stands to the left
        ([xff("198.51.100.1, 203.0.113.9, 10.2.2.2")], "203.0.113.9"),  # two proxies of ours
        ([xff("198.51.100.1"), xff("203.0.113.9,10.2.2.2")], "203.0.113.9"),  # several lines are one list
        ([xff("10.3.3.3, 10.2.2.2")], "10.3.3.3"),  # a client inside the trusted network
        ([xff("198.51.100.1, unknown")], "10.0.0.1"),
        ([xff("198.51.100.1, unknown, 10.2.2.2")], "10.2.2.2"),
        ([xff("")], "10.0.0.1"),
        ([xff("203.0.113.9:4711")], "203.0.113.9"),
        ([xff("[2001:db8::7]:4711")], "2001:db8::7"),
        ([xff("2001:db8::7")], "2001:db8::7"),
        ([xff("::ffff:203.0.113.9")], "203.0.113.9"),
        ([forwarded("for=203.0.113.9;proto=https")], "203.0.113.9"),
        ([forwarded("for=1.1.1.1, For=203.0.113.9 ; by=10.0.0.1")], "203.0.113.9"),
        ([forwarded('for="[2001:db8::7]:4711"')], "2001:db8::7"),
        ([forwarded("for=203.0.113.9, for=10.2.2.2")], "203.0.113.9"),
        ([forwarded("for=_hidden")], "10.0.0.1"),
        ([forwarded("proto=https")], "10.0.0.1"),
        ([xff("203.0.113.9"), forwarded('for="203.0.113.9:1"')], "203.0.113.9"),
        ([xff("203.0.113.9"), forwarded("for=198.51.100.1")], "10.0.0.1"),
        ([], "10.0.0.1"),
    ],
)
def test_the_client_is_the_right_most_hop_that_is_no_proxy(headers: list[Header], expected: str) -> None:
    assert host(*headers) == expected
    assert host(*headers, peer=("::ffff:10.0.0.1", 1)) in (expected, "::ffff:10.0.0.1")


@pytest.mark.parametrize(
    ("headers", "secure"),
    [
        ([xff("203.0.113.9"), (b"x-forwarded-proto", b"https")], True),
        ([(b"x-forwarded-proto", b"HTTP")], False),
        ([(b"x-forwarded-proto", b"http, wss")], True),
        ([forwarded("for=203.0.113.9;proto=https")], True),
        ([xff("203.0.113.9")], None),
        ([(b"x-forwarded-proto", b"gopher")], None),
    ],
)
def test_the_scheme_is_what_the_proxy_says(headers: list[Header], secure: bool | None) -> None:
    assert PROXIES.client(PROXY, headers).secure is secure


def test_the_port_is_known_where_the_proxy_names_it() -> None:
    assert PROXIES.client(PROXY, [xff("203.0.113.9:4711")]).port == 4711
    assert PROXIES.client(PROXY, [xff("203.0.113.9")]).port == 0
    assert PROXIES.client(PROXY, [xff("203.0.113.9:99999")]).port == 0


def test_no_more_hops_are_followed_than_the_limit() -> None:
    assert host(xff("203.0.113.9," + ",".join(["10.2.2.2"] * (HOPS_LIMIT - 1)))) == "203.0.113.9"
    assert host(xff("203.0.113.9," + ",".join(["10.2.2.2"] * HOPS_LIMIT))) == "10.2.2.2"


@given(st.lists(st.text(max_size=20)), st.booleans())
def test_whatever_a_proxy_passes_on_gives_an_address(parts: list[str], standard: bool) -> None:
    value = ",".join(parts).encode("utf-8", "surrogatepass")
    client = PROXIES.client(PROXY, [(b"forwarded" if standard else b"x-forwarded-for", value)])
    assert throttling_key(client.host)
    assert 0 <= client.port <= 65_535
