"""Headers of requests: where a page comes from, and which cookie it has."""

import pytest

from thingstead.model.http_headers import comes_from_here, cookie_of, is_own_origin

HERE = (b"host", b"iot.example:8080")
OWN = (b"origin", b"http://iot.example:8080")


@pytest.mark.parametrize(
    ("origin", "host", "secure"),
    [
        ("http://iot.example:8080", "iot.example:8080", False),
        ("HTTP://IOT.example:8080", "iot.EXAMPLE:8080", False),
        ("http://iot.example", "iot.example", False),
        ("http://iot.example", "iot.example:80", False),
        ("https://iot.example", "iot.example:443", True),
        ("https://iot.example", "iot.example", True),
        ("https://iot.example", "iot.example", False),  # TLS ends at a proxy that nobody told us of
        ("http://[2001:db8::1]:8080", "[2001:db8::1]:8080", False),
    ],
)
def test_a_page_of_the_same_host_and_port_is_our_own(origin: str, host: str, secure: bool) -> None:
    assert is_own_origin(origin, host, secure=secure)


@pytest.mark.parametrize(
    ("origin", "host", "secure"),
    [
        ("http://iot.example:8081", "iot.example:8080", False),
        ("http://iot.example", "iot.example:8080", False),
        ("http://iot.example", "iot.example", True),  # a page that anybody on the way may have written
        ("http://iot.example:443", "iot.example", True),
        ("http://other.example:8080", "iot.example:8080", False),
        ("http://x.iot.example:8080", "iot.example:8080", False),
        ("http://iot.example:8080.evil", "iot.example:8080", False),
        ("http://iot.example:8080@evil", "iot.example:8080", False),
        ("null", "iot.example:8080", False),
        ("", "", False),
        ("http://", "", False),
        ("file://iot.example:8080", "iot.example:8080", False),
    ],
)
def test_any_other_page_is_not(origin: str, host: str, secure: bool) -> None:
    assert not is_own_origin(origin, host, secure=secure)


@pytest.mark.parametrize(
    ("headers", "reads", "changes"),
    [
        ([], True, False),
        ([OWN], True, True),
        ([(b"sec-fetch-site", b"same-origin")], True, True),
        ([(b"sec-fetch-site", b"none")], True, False),
        ([OWN, (b"sec-fetch-site", b"same-origin")], True, True),
        ([(b"sec-fetch-site", b"same-site")], False, False),
        ([(b"sec-fetch-site", b"cross-site")], False, False),
        ([OWN, (b"sec-fetch-site", b"cross-site")], False, False),
        ([(b"origin", b"http://iot.example:9000")], False, False),
        ([(b"origin", b"http://iot.example:9000"), (b"sec-fetch-site", b"same-origin")], False, False),
        ([(b"origin", b"null")], False, False),
    ],
)
def test_what_either_header_says_of_another_page_counts_and_changes_need_one_of_them(
    headers: list[tuple[bytes, bytes]], reads: bool, changes: bool
) -> None:
    given = [HERE, *headers]
    assert comes_from_here(given, changes=False, secure=False) is reads
    assert comes_from_here(given, changes=True, secure=False) is changes


@pytest.mark.parametrize(
    ("lines", "value"),
    [
        ([b"a=1; session=secret; b=2"], "secret"),
        ([b"a=1", b"session=secret"], "secret"),
        ([b"session=x=y"], "x=y"),
        ([b"session =secret"], "secret"),
        ([b"session=one; session=two"], ""),
        ([b"session=one", b"session=two"], ""),
        ([b"my_session=one"], ""),
        ([b"session"], ""),
        ([], ""),
    ],
)
def test_a_cookie_is_found_where_it_came_once(lines: list[bytes], value: str) -> None:
    assert cookie_of([(b"cookie", line) for line in lines], "session") == value
