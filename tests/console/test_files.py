"""The files of the console: what is served under which path, how it is cached, and what it says of itself."""

import asyncio
import gzip
from pathlib import Path

import httpx
import pytest

from tests.console.conftest import PAGE, SCRIPT, STYLE_HASH
from tests.server.test_http import answer as read_answer
from thingstead.broker.net.listening import Port
from thingstead.config import ApiSettings
from thingstead.console.files import StaticFiles
from thingstead.console.pages import ConsolePages
from thingstead.metrics import HttpRequests
from thingstead.server.http import HttpListener
from thingstead.server.sockets import bind

HASHED = "/console/assets/index-Bx3kd91f.js"
PLAIN = {"Accept-Encoding": "identity"}


@pytest.mark.parametrize("path", ["/", "/console"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_the_root_leads_to_the_console(browser: httpx.AsyncClient, method: str, path: str) -> None:
    response = await browser.request(method, path)
    assert (response.status_code, response.headers["location"], response.content) == (302, "/console/", b"")


@pytest.mark.parametrize("path", ["", "index.html", "login", "devices", "devices/k3v9x2ab/attributes", "devices/a/"])
async def test_every_route_of_the_page_is_the_page(browser: httpx.AsyncClient, path: str) -> None:
    response = await browser.get(f"/console/{path}?tab=1")
    assert (response.status_code, response.text) == (200, PAGE)
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["assets/nosuch-00000000.js", "assets/nosuch", "favicon.ico", "style-hashes.txt"])
async def test_a_file_that_is_not_there_is_not_the_page(browser: httpx.AsyncClient, path: str) -> None:
    response = await browser.get(f"/console/{path}")
    assert (response.status_code, response.json()["message"]) == (404, "Request invalid")


async def test_a_name_with_a_hash_never_changes_and_others_are_asked_for_again(browser: httpx.AsyncClient) -> None:
    assert (await browser.get(HASHED)).headers["cache-control"] == "public, max-age=31536000, immutable"
    words = await browser.get("/console/words/core.zh.json")
    assert (words.json(), words.headers["cache-control"]) == ({"a.b": "设备"}, "no-cache")


async def test_text_comes_with_gzip_where_that_is_taken_and_pictures_as_they_are(browser: httpx.AsyncClient) -> None:
    response = await browser.get(HASHED, headers={"Accept-Encoding": "br, gzip;q=0.5"})
    assert (response.headers["content-encoding"], response.text) == ("gzip", SCRIPT)
    assert int(response.headers["content-length"]) < len(SCRIPT) / 5
    assert response.headers["vary"] == "accept-encoding"
    plain = await browser.get(HASHED, headers=PLAIN)
    assert "content-encoding" not in plain.headers
    assert (plain.text, plain.headers["vary"]) == (SCRIPT, "accept-encoding")
    picture = await browser.get("/console/icon.png")
    assert picture.headers["content-type"] == "image/png"
    assert {"content-encoding", "vary"} & set(picture.headers) == set()


async def test_what_a_browser_has_is_not_sent_again(browser: httpx.AsyncClient) -> None:
    for headers in (PLAIN, {"Accept-Encoding": "gzip"}):
        tag = (await browser.get("/console/", headers=headers)).headers["etag"]
        for tags in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            response = await browser.get("/console/devices", headers={**headers, "If-None-Match": tags})
            assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", tag)
            assert "content-security-policy" in response.headers
        assert (await browser.get("/console/", headers={**headers, "If-None-Match": '"other"'})).status_code == 200


async def test_a_page_with_gzip_and_one_without_have_tags_of_their_own(browser: httpx.AsyncClient) -> None:
    tags = {(await browser.get(HASHED, headers=h)).headers["etag"] for h in (PLAIN, {"Accept-Encoding": "gzip"})}
    assert len(tags) == 2


async def test_head_says_what_get_says_without_the_body(browser: httpx.AsyncClient) -> None:
    for path in (HASHED, "/console/", "/console/nosuch.js"):
        got, asked = await browser.get(path), await browser.head(path)
        assert (asked.status_code, asked.headers, asked.content) == (got.status_code, got.headers, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"])
async def test_files_are_only_read(browser: httpx.AsyncClient, method: str) -> None:
    response = await browser.request(method, "/console/")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")


async def test_every_answer_says_what_the_page_may_do(browser: httpx.AsyncClient) -> None:
    for method, path in (
        *(("GET", path) for path in ("/", "/console/", HASHED, "/console/nosuch.js", "/console/%2e%2e/x")),
        ("POST", "/console/"),
    ):
        headers = (await browser.request(method, path)).headers
        policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
        assert policy == {
            "default-src": "'none'",
            "script-src": "'self'",
            "style-src": f"'self' '{STYLE_HASH}'",
            "img-src": "'self' data: blob:",
            "font-src": "'self'",
            "connect-src": "'self'",
            "manifest-src": "'self'",
            "worker-src": "'self'",
            "base-uri": "'none'",
            "form-action": "'self'",
            "frame-ancestors": "'none'",
            "require-trusted-types-for": "'script'",
            "trusted-types": "vue",
        }
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["permissions-policy"] == "camera=(self), geolocation=(), microphone=()"
        assert "strict-transport-security" not in headers


async def test_browsers_are_told_to_stay_with_tls_only_over_tls_and_if_it_is_set(
    pages: ConsolePages, folder: Path
) -> None:
    for served, expected in ((pages, "max-age=3600"), (ConsolePages(StaticFiles(folder), HttpRequests()), None)):
        transport = httpx.ASGITransport(app=served)
        async with httpx.AsyncClient(transport=transport, base_url="https://thingstead") as client:
            assert (await client.get("/console/")).headers.get("strict-transport-security") == expected


async def test_requests_are_counted_without_what_was_asked_for(
    browser: httpx.AsyncClient, requests: HttpRequests
) -> None:
    for method, path in (("GET", "/"), ("GET", "/console/devices/a"), ("HEAD", HASHED), ("BREW", "/console/x")):
        await browser.request(method, path)
    assert requests.counts == {
        ("GET", "/", "302"): 1,
        ("GET", "/console/{path}", "200"): 1,
        ("HEAD", "/console/{path}", "200"): 1,
        ("other", "/console/{path}", "405"): 1,
    }


@pytest.mark.parametrize(
    "path",
    [
        "/console/../secret.txt",
        "/console/%2e%2e/secret.txt",
        "/console/%2e%2e%2fsecret.txt",
        "/console/..%2fsecret.txt",
        "/console/..%5csecret.txt",
        "/console/..\\secret.txt",
        "/console/assets/../../secret.txt",
        "/console//secret.txt",
        "/console/./index.html",
        "/console/%69ndex.html",
        "/console/index.html%00.js",
        "/%63onsole/index.html",
        "/console/.hidden",
        "/console/%64evices",
        "/console/devices%2fx",
        "/%63onsole/devices",
        "/console//devices",
        "/console/assets//index-Bx3kd91f.js",
        "/console/" + "a/" * 20_000 + "b",
    ],
)
async def test_no_spelling_of_a_path_leads_out_of_the_folder(pages: ConsolePages, path: str) -> None:
    async def site(scope: object, receive: object, send: object) -> None:
        assert pages.serves(scope)  # type: ignore[arg-type]
        await pages(scope, receive, send)  # type: ignore[arg-type]

    listener = HttpListener(site, [Port(bind("http_port", "127.0.0.1", 0))], ApiSettings())
    await listener.start()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(b"GET %s HTTP/1.1\r\nhost: a\r\n\r\n" % path.encode())
        status, body = await read_answer(reader)
        writer.close()
    finally:
        await listener.stop()
    assert (status, b"secret" in body) == ((200, False) if path.endswith("/b") else (404, False))


@pytest.mark.parametrize("path", ["/consoles", "/console.txt", "/api/v1/project", "/CONSOLE/"])
def test_other_paths_are_not_the_console_s(path: str) -> None:
    assert not ConsolePages.serves({"path": path, "method": "GET"})


def test_what_is_posted_to_the_root_is_not_the_console_s() -> None:
    assert not ConsolePages.serves({"path": "/", "method": "POST"})


async def test_a_package_without_a_build_has_no_console(tmp_path: Path) -> None:
    pages = ConsolePages(StaticFiles(tmp_path / "nothing"), HttpRequests())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=pages), base_url="http://a") as client:
        assert (await client.get("/console/")).status_code == 404


async def test_gzip_is_made_once(folder: Path) -> None:
    file = StaticFiles(folder).find("index.html")
    assert file is not None
    assert gzip.decompress(await file.gzip_body()) == PAGE.encode()
    assert await file.gzip_body() is await file.gzip_body()
