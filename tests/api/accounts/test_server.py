"""What administrators see of the server."""

from tests.api.accounts.conftest import Tenant
from tests.api.registry.house import House
from thingstead import __version__
from thingstead.model.health import HealthWarning
from thingstead.wire.server import ServerPort


async def test_administrators_see_the_state_of_the_server(tenant: Tenant, house: House) -> None:
    status = house.platform.server_status
    status.ports = lambda: [ServerPort(setting="http_port", kind="http", host="::1", port=8080, tls=False)]
    status.warnings = lambda: [HealthWarning("clock", "the clock is wrong")]
    house.clock.advance(90_000)
    found = await tenant.info("GET", "server")
    assert (found["version"], found["uptime_s"], found["trouble"]) == (__version__, 90, "")
    assert found["warnings"] == [{"code": "clock", "message": "the clock is wrong"}]
    assert found["ports"] == [
        {
            "setting": "http_port",
            "kind": "http",
            "host": "::1",
            "port": 8080,
            "tls": False,
            "certificate_until": None,
        }
    ]
    assert (found["history_points"], found["history_oldest_ts"]) == (0, None)
    assert all(each["license"] and each["version"] for each in found["licenses"])
    named = {each["name"] for each in found["licenses"]}
    assert {"thingstead", "msgspec", "structlog", "uvicorn", "h11"} <= named  # also where it runs from its sources
    assert not {"pytest", "mypy", "ruff"} & named


async def test_nobody_else_does(tenant: Tenant) -> None:
    assert (await tenant.app("GET", "server"))["errcode"] == 403
    made = {"account": "vera", "password": "secret-vera-1", "role": "operator"}
    await tenant.info("POST", "admin", made)
    login = {"app_id": tenant.credentials.app_id, "account": "vera", "password": "secret-vera-1"}
    token = await tenant.token("admin_login", login)
    for path in ("server", "audit_logs"):
        assert (await tenant.ask(token, "GET", path)).json()["code"] == "role_required"
