"""Methods, paths, and browsers of other origins."""

import httpx

from tests.api.framework.endpoints import APP, Connect, app
from thingstead.config import ApiSettings

PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,authorization"}


async def test_head_answers_as_get_without_a_body(client: httpx.AsyncClient) -> None:
    response = await client.head("/nothing", headers=APP)
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-length"] == str(len('{"result":true,"info":{}}'))


async def test_options_names_the_methods_of_a_path(client: httpx.AsyncClient) -> None:
    response = await client.options("/nothing")
    assert (response.status_code, response.headers["allow"]) == (200, "GET, HEAD, OPTIONS")
    assert (await client.options("/unknown")).status_code == 404


async def test_browsers_of_configured_origins_may_call(connect: Connect) -> None:
    client = connect(app(ApiSettings(cors_origins=("https://panel.example",))))
    response = await client.options("/open", headers={"Origin": "https://panel.example", **PREFLIGHT})
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == "https://panel.example"
    response = await client.post("/open", json={"name": "a"}, headers={"Origin": "https://panel.example"})
    assert response.headers["access-control-allow-origin"] == "https://panel.example"
    assert response.headers["access-control-expose-headers"] == "Retry-After"


async def test_browsers_may_ask_for_a_head_with_a_credential(connect: Connect) -> None:
    client = connect(app(ApiSettings(cors_origins=("https://panel.example",))))
    asked = {"Access-Control-Request-Method": "HEAD", "Access-Control-Request-Headers": "authorization"}
    response = await client.options("/nothing", headers={"Origin": "https://panel.example", **asked})
    assert response.status_code == 200
    assert "HEAD" in response.headers["access-control-allow-methods"]


async def test_other_origins_are_not_let_in(connect: Connect) -> None:
    client = connect(app(ApiSettings(cors_origins=("https://panel.example",))))
    response = await client.options("/open", headers={"Origin": "https://evil.example", **PREFLIGHT})
    assert "access-control-allow-origin" not in response.headers
    response = await client.post("/open", json={"name": "a"}, headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in response.headers


async def test_no_origin_is_let_in_by_default(client: httpx.AsyncClient) -> None:
    response = await client.options("/open", headers={"Origin": "https://panel.example", **PREFLIGHT})
    assert "access-control-allow-origin" not in response.headers


async def test_a_star_lets_every_origin_in(connect: Connect) -> None:
    client = connect(app(ApiSettings(cors_origins=("*",))))
    response = await client.options("/open", headers={"Origin": "https://any.example", **PREFLIGHT})
    assert response.headers["access-control-allow-origin"] == "*"


async def test_a_slash_at_the_end_of_a_path_means_nothing(client: httpx.AsyncClient) -> None:
    assert (await client.get("/nothing/", headers=APP)).json()["result"] is True
    answer = await client.get("/device/d1/attribute/temp/", headers=APP)
    assert answer.json()["info"]["path"] == {"device_id": "d1", "identifier": "temp"}


async def test_a_wrong_method_learns_which_are_right(client: httpx.AsyncClient) -> None:
    response = await client.put("/things", headers=APP)
    assert (response.status_code, response.headers["allow"]) == (404, "OPTIONS, POST")
    assert response.json() == {"message": "Request invalid", "hint": "this path takes POST", "code": "unknown_path"}
