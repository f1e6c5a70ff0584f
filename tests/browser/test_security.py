"""What other programs on the same host may not do: their pages share the cookies of the console, since ports do not
separate them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.browser.visit import Visit
from tests.project_api import ProjectApi

pytestmark = pytest.mark.external("chromium")

PAGE = b"<!doctype html><title>Neighbour</title><p>Another program on this host"
# A CONNECT of the application plane without a password; resolves with the code of CONNACK, or "closed".
CONNECT = """([url, name]) => new Promise(done => {
  const socket = new WebSocket(url, "mqtt")
  socket.binaryType = "arraybuffer"
  const text = value => [value.length >> 8, value.length & 255, ...new TextEncoder().encode(value)]
  const body = [...text("MQTT"), 4, 0x82, 0, 30, ...text(""), ...text(name)]
  socket.onopen = () => socket.send(new Uint8Array([0x10, body.length, ...body]))
  socket.onmessage = ({data}) => done(new Uint8Array(data)[3])
  socket.onclose = () => done("closed")
})"""


@pytest_asyncio.fixture(loop_scope="session")
async def neighbour() -> AsyncIterator[str]:
    """The address of a page of another program: same host, another port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n" + PAGE)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    server.close()


async def view_key(page: Any) -> str:
    """The ProjectViewKey, as the page of the console reads it."""
    found: str = await page.evaluate(
        """async () => {
          const answer = await fetch("/api/v1/console/session", {headers: {"X-Thingstead": "1"}})
          return (await answer.json()).info.project.view_key
        }"""
    )
    return found


async def test_a_page_of_another_port_changes_and_reads_nothing_with_the_cookie(visit: Visit, neighbour: str) -> None:
    page = await visit.page()
    await visit.log_in(page)
    other = await page.context.new_page()
    await other.goto(neighbour)
    outcomes: list[str] = await other.evaluate(
        """async url => {
          const body = JSON.stringify({name: "forged"})
          const ways = [
            {method: "POST", mode: "no-cors", body},
            {method: "POST", mode: "cors", body, headers: {"X-Thingstead": "1", "Content-Type": "application/json"}},
            {method: "GET", mode: "cors", headers: {"X-Thingstead": "1"}},
          ]
          const tried = ways.map(way => fetch(`${url}/api/v1/device`, {credentials: "include", ...way}))
          return (await Promise.allSettled(tried)).map(one => one.status === "fulfilled" ? one.value.type : "refused")
        }""",
        visit.site.url,
    )
    assert outcomes == ["opaque", "refused", "refused"]
    form = """url => {
      const form = document.createElement("form")
      Object.assign(form, {method: "post", action: `${url}/api/v1/device`, enctype: "text/plain"})
      document.body.append(form)
      form.submit()
    }"""
    async with other.expect_navigation() as navigated:
        await other.evaluate(form, visit.site.url)
    headers = await (await navigated.value).request.all_headers()
    assert "thingstead" in headers.get("cookie", ""), "the cookie did not come along: nothing was tried"
    assert '"errcode":401' in (await other.content()).replace(" ", "")
    with ProjectApi(visit.site.url, visit.site.credentials) as api:
        assert api.call("GET", "/devices", params={"keyword": "forged"})["total"] == 0


async def test_a_page_of_another_port_does_not_listen_with_the_cookie(visit: Visit, neighbour: str) -> None:
    page = await visit.page()
    await visit.log_in(page)
    asked = [visit.site.url.replace("http", "ws") + "/mqtt", await view_key(page)]
    assert await page.evaluate(CONNECT, asked) == 0
    other = await page.context.new_page()
    await other.goto(neighbour)
    assert await other.evaluate(CONNECT, asked) != 0


async def test_logging_out_in_one_tab_closes_the_live_connection_of_the_other(visit: Visit) -> None:
    page = await visit.page()
    async with page.expect_websocket() as opened:
        await visit.log_in(page)
    socket = await opened.value
    await page.wait_for_selector(".indicator.live")
    other = await page.context.new_page()
    await visit.open(other, "/")
    async with socket.expect_event("close"):
        await other.click("header [aria-haspopup=menu]")
        await other.click("text=Log out")
    await page.wait_for_selector("dialog[open] input[name=password]")


async def test_a_log_in_in_one_tab_is_followed_by_the_others(visit: Visit) -> None:
    page = await visit.page()
    await visit.log_in(page, "/devices")
    other = await page.context.new_page()
    await visit.open(other, "/")
    await other.click("header [aria-haspopup=menu]")
    await other.click("text=Log out")
    await page.wait_for_selector("dialog[open] input[name=password]")
    await visit.fill_log_in(other)
    await page.wait_for_selector("dialog[open]", state="detached")
    await page.wait_for_selector(".indicator.live")


async def test_the_cookie_is_of_this_server_for_the_whole_host_and_out_of_reach_of_scripts(visit: Visit) -> None:
    page = await visit.page()
    await visit.log_in(page)
    (cookie,) = await page.context.cookies()
    assert cookie["name"].startswith("thingstead")
    assert len(cookie["name"]) > len("thingstead_"), "two servers on one host would share it"
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/")
    assert cookie["expires"] == -1  # with the browser, unless somebody asked to be kept
    assert await page.evaluate("document.cookie") == ""
