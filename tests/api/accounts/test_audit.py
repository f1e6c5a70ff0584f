"""Whoever changes something is recorded with what was changed, in the transaction of the change."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

from tests.api.accounts.audit_story import CHANGES_NOTHING, set_up_automation
from tests.api.accounts.conftest import PASSWORD, Browser, Tenant
from tests.api.registry.house import House
from thingstead.api.project.routes import ENDPOINTS
from thingstead.model.device import DeviceSession
from thingstead.model.messages import BusMessage, CommandIssued, ThingChanged
from thingstead.services.audit.audit import acting
from thingstead.services.registry.new_device import NewDevice, draw_device

RULE = {"name": "hot", "raise": {"attribute": "t", "op": ">", "value": 1}}
# Its row is looked at in another test: the session, the secrets of one's own.
ELSEWHERE = {
    "POST /api/v1/console/session",
    "DELETE /api/v1/console/session",
    "DELETE /api/v1/console/sessions/{session_id}",
    "DELETE /api/v1/console/people/{admin_id}/sessions/{session_id}",
}


class Story:
    """Calls of the administrator, each of which must leave a row."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.called: set[str] = set()
        self._newest = 0

    async def rows(self, **query: Any) -> list[Any]:
        asked = "&".join(f"{name}={value}" for name, value in query.items())
        return list((await self.tenant.info("GET", f"audit_logs?limit=200&{asked}"))["items"])

    async def passes_over(self) -> None:
        self._newest = int((await self.rows())[0]["id"])

    async def does(self, method: str, path: str, body: Any = None, *, row: str) -> Any:
        """A call; ``row`` is the kind and the action that it leaves."""
        filled = re.sub(r"\{\w+:(\w+)\}", r"\1", path)
        answer = await self.tenant.info(method, filled, body)
        self.called.add(f"{method} /api/v1/{re.sub(r':.*?}', '}', path)}")
        new = [each for each in await self.rows() if int(each["id"]) > self._newest]
        assert row in [f"{each['object']['type']} {each['action']}" for each in new], (path, new)
        self._newest = int(new[0]["id"])
        for each in new:
            assert (each["actor"]["kind"], each["actor"]["name"], each["address"]) == ("admin", "admin", "10.0.0.1")
            assert each["result"] == "done"
        return answer


async def set_up_devices(story: Story, house: House) -> str:
    """What changes device types, groups, customers and devices; the id of a device."""
    type_id = (await story.does("POST", "device_type", {"name": "pump"}, row="device_type create"))["id"]
    kind = f"device_type/{{type_id:{type_id}}}"
    await story.does("PUT", f"{kind}/info", {"name": "pumps"}, row="device_type update")
    await story.does("POST", "scoped_token", {"types": [type_id], "topics": ["alarm"]}, row="scoped_token create")
    functions = {"attributes": [{"identifier": "t", "data_type": "number"}]}
    await story.does("PUT", f"{kind}/functions", {"functions": functions}, row="device_type update")
    await story.does("PUT", f"{kind}/modbus", {"streams": [{"identifier": "port"}]}, row="device_type update")
    await story.does("PUT", f"{kind}/tags", {"tags": {"a": "b"}}, row="device_type update")
    await story.does("POST", f"{kind}/tags_remove", {"keys": ["a"]}, row="device_type update")
    device_id = (await story.does("POST", "device", {"name": "p1"}, row="device create"))["id"]
    device = f"device/{{device_id:{device_id}}}"
    await story.does("PUT", f"{device}/info", {"name": "p2"}, row="device update")
    await story.does("PUT", f"{device}/tags", {"tags": {"a": "b"}}, row="device update")
    await story.does("POST", f"{device}/tags_remove", {"keys": ["a"]}, row="device update")
    await story.does("POST", f"{device}/certificate_reset", row="device update")
    gateway = await story.tenant.info("POST", "device_type", {"name": "gateway", "conn_type": "3"})
    gateway = await story.tenant.info("POST", "device", {"name": "gateway", "type": gateway["id"]})
    below = await story.tenant.info("POST", "device_type", {"name": "sub", "conn_type": "2"})
    sub_device = (await story.tenant.info("POST", "device", {"name": "meter"}))["id"]
    sub_device = f"device/{{device_id:{sub_device}}}"
    await story.does("PUT", f"{sub_device}/type", {"type": below["id"]}, row="device update")
    place = {"gateway": gateway["id"], "sub_address": "1"}
    await story.does("PUT", f"{sub_device}/gateway", place, row="device update")
    await house.report(device_id, t=3)
    await story.does("POST", f"{device}/attributes_remove", {"keys": ["t"]}, row="device remove_attributes")
    await story.does("POST", "devices_import", {"devices": [{"name": "p3"}]}, row="device create")
    await set_up_groups(story, device_id)
    await story.does("DELETE", kind, row="device_type remove")
    return str(device_id)


async def set_up_groups(story: Story, device_id: str) -> None:
    group_id = (await story.does("POST", "device_group", {"name": "site"}, row="device_group create"))["id"]
    group = f"device_group/{{group_id:{group_id}}}"
    await story.does("PUT", f"{group}/info", {"name": "sites"}, row="device_group update")
    await story.does("PUT", f"{group}/tags", {"tags": {"a": "b"}}, row="device_group update")
    await story.does("POST", f"{group}/tags_remove", {"keys": ["a"]}, row="device_group update")
    await story.does("POST", f"{group}/devices", {"devices": [device_id]}, row="device_group add_devices")
    await story.does("POST", f"{group}/devices_remove", {"devices": [device_id]}, row="device_group remove_devices")
    await story.does("DELETE", group, row="device_group remove")
    person = {"name": "Ann", "account": "ann", "password": "secret-ann-1"}
    customer_id = (await story.does("POST", "customer", person, row="customer create"))["id"]
    customer = f"customer/{{customer_id:{customer_id}}}"
    await story.does("PUT", f"{customer}/info", {"name": "Anna"}, row="customer update")
    await story.does("PUT", f"{customer}/pwd", {"password": "secret-ann-2"}, row="customer update")
    await story.does("PUT", f"{customer}/tags", {"tags": {"a": "b"}}, row="customer update")
    await story.does("POST", f"{customer}/tags_remove", {"keys": ["a"]}, row="customer update")
    await story.does("POST", f"{customer}/devices", {"devices": [device_id]}, row="customer bind")
    await story.does("POST", f"{customer}/devices_remove", {"devices": [device_id]}, row="customer unbind")
    await story.does("DELETE", customer, row="customer remove")


async def control_it(story: Story, house: House, device_id: str) -> None:
    control = f"control/device/{{device_id:{device_id}}}"
    await story.does("POST", f"{control}/attributes", {"t": 1}, row="device push")
    await story.does("PUT", f"{control}/attributes", {"t": 2}, row="device cloud")

    def take(command: CommandIssued) -> None:
        house.platform.control.command_sent(command.command_row_id, 1)
        device = found
        if command.method == "ask":
            house.platform.control.reply(device, command.command_id, b'{"method":"ask","params":{}}')

    house.bus.subscribe(CommandIssued, take)
    found = await house.platform.devices.get(story.tenant.credentials.project_id, device_id)
    session = DeviceSession(session_id="s", node="node", protocol="mqtt", connected_at=house.clock.now_ms())
    await house.platform.presence.open(found, session)
    await story.does("POST", f"{control}/command", {"method": "turn", "params": {"by": 3}}, row="device command")
    await story.does("POST", f"{control}/command/sync", {"method": "ask", "params": {}}, row="device command")
    data = {"type": "text", "msg": "hello"}
    await story.does("POST", f"{control}/data/{{identifier:notes}}", data, row="device data")


async def watch_it(story: Story, house: House, device_id: str) -> None:
    project_id = story.tenant.credentials.project_id
    group = {"name": "night", "channels": [{"webhook": "https://a.test/hook?token=SECRET-HOOK"}]}
    group_id = (await story.does("POST", "notify_group", group, row="notify_group create"))["id"]
    notify = f"notify_group/{{notify_group_id:{group_id}}}"
    await story.does("PUT", notify, group | {"name": "day"}, row="notify_group update")
    rule = RULE | {"devices": [device_id]}
    rule_id = (await story.does("POST", "alarm_rule", rule, row="alarm_rule create"))["id"]
    path = f"alarm_rule/{{rule_id:{rule_id}}}"
    await story.does("PUT", path, rule | {"name": "hotter"}, row="alarm_rule update")
    switch = f"{path}/device/{{device_id:{device_id}}}"
    await story.does("PUT", switch, {"enabled": False}, row="alarm_rule disable_for_device")
    await story.does("PUT", switch, {"enabled": True}, row="alarm_rule enable_for_device")
    await house.settle()
    house.clock.advance(1000)
    await house.send(project_id, device_id, t=9)
    [found] = (await story.tenant.info("GET", "alarms"))["items"]
    alarm = f"alarm/{{alarm_id:{found['id']}}}"
    await story.does("POST", f"{alarm}/shelve", {"for_ms": 60_000}, row="alarm shelve")
    await story.does("POST", f"{alarm}/unshelve", row="alarm unshelve")
    await story.does("POST", f"{alarm}/comment", {"comment": "seen"}, row="alarm comment")
    await story.does("POST", f"{alarm}/acknowledge", row="alarm acknowledge")
    await story.does("POST", f"{alarm}/clear", row="alarm clear")
    house.clock.advance(1000)
    await house.send(project_id, device_id, t=0)
    house.clock.advance(1000)
    await house.send(project_id, device_id, t=9)
    open_ones: dict[str, Any] = {"filter": {}}
    await story.does("POST", "alarms_acknowledge", open_ones, row="alarm acknowledge")
    await story.does("POST", "alarms_shelve", open_ones | {"for_ms": 60_000}, row="alarm shelve")
    await story.does("POST", "alarms_unshelve", open_ones, row="alarm unshelve")
    await story.does("POST", "alarms_clear", open_ones, row="alarm clear")
    await story.does("DELETE", path, row="alarm_rule remove")
    await story.does("DELETE", notify, row="notify_group remove")


async def change_many(story: Story, house: House) -> None:
    tenant = story.tenant
    device_id = (await tenant.info("POST", "device", {"name": "one of many"}))["id"]
    type_id = (await tenant.info("POST", "device_type", {"name": "of many"}))["id"]
    group_id = (await tenant.info("POST", "device_group", {"name": "of many"}))["id"]
    many = {"devices": [device_id]}
    person = await tenant.info("POST", "customer", {"name": "Cid", "account": "cid", "password": "secret-cid-1"})
    await story.does("POST", "devices_tags", many | {"tags": {"a": "b"}}, row="device update")
    await story.does("POST", "devices_tags_remove", many | {"keys": ["a"]}, row="device update")
    await story.does("POST", "devices_type", many | {"type": type_id}, row="device update")
    await story.does("POST", "devices_groups", many | {"groups": [group_id]}, row="device join_groups")
    await story.does("POST", "devices_groups_remove", many | {"groups": [group_id]}, row="device leave_groups")
    await story.does("POST", "devices_customer", many | {"customer": person["id"]}, row="device update")
    command = many | {"method": "turn", "params": {}, "wait_ms": 1000}
    await story.does("POST", "control/devices/command", command, row="device command")
    push = many | {"attributes": {"t": 1}}
    await story.does("POST", "control/devices/attributes", push, row="device push")
    await story.does("POST", "devices_remove", many, row="device remove")
    project_id = tenant.credentials.project_id
    now = house.clock.now_ms()
    drafts = [draw_device(project_id, NewDevice(name=f"d{number}"), now, f"m{number:07}") for number in range(1001)]
    await house.store.devices.create_many(drafts)
    total = (await tenant.info("GET", "devices"))["total"]
    job = {"filter": {}, "total": total, "tags": {"site": "x"}}
    job = await story.does("POST", "devices_tags", job, row="job create")
    await house.platform.jobs.run()
    await story.passes_over()  # what the job did, which has no address
    of_one = await story.rows(object=drafts[0].id)
    assert [(row["action"], row["actor"]["name"], row["changes"]) for row in of_one] == [
        ("update", "admin", [{"member": "tags.site", "before": None, "after": "x"}])
    ]
    job = await tenant.info("POST", "devices_tags", {"filter": {}, "total": total, "tags": {"site": "y"}})
    await story.does("POST", f"job/{{job_id:{job['job']}}}/cancel", row="job cancel")
    await story.does("POST", "device_views", {"name": "mine", "query": "?a=b"}, row="device_view create")
    [view] = (await tenant.info("GET", "device_views"))["items"]
    path = f"device_view/{{view_id:{view['id']}}}"
    await story.does("PUT", path, {"name": "ours"}, row="device_view update")
    await story.does("DELETE", path, row="device_view remove")


async def manage_people(story: Story) -> None:
    made = await story.does("POST", "application", {"name": "meter"}, row="application create")
    application = f"application/{{app_id:{made['id']}}}"
    await story.does("PUT", f"{application}/info", {"name": "meters"}, row="application update")
    await story.does("PUT", f"{application}/role", {"role": "viewer"}, row="application update")
    await story.does("POST", f"{application}/secret_reset", row="application update")
    await story.does("DELETE", application, row="application remove")
    new = {"account": "bob", "password": "secret-bob-1"}
    admin_id = (await story.does("POST", "admin", new, row="administrator create"))["id"]
    person = f"admin/{{admin_id:{admin_id}}}"
    await story.does("PUT", f"{person}/info", {"name": "Bob"}, row="administrator update")
    await story.does("PUT", f"{person}/pwd", {"password": "secret-bob-2"}, row="administrator update")
    await story.does("PUT", f"{person}/role", {"role": "viewer"}, row="administrator update")
    await story.does("DELETE", person, row="administrator remove")


async def set_up_project(story: Story) -> None:
    await story.does("PUT", "project", {"timezone": "+08:00"}, row="project update")
    await story.does("PUT", "project/info", {"name": "Farm"}, row="project update")
    await story.does("PUT", "project/tags", {"tags": {"a": "b"}}, row="project update")
    await story.does("POST", "project/tags_remove", {"keys": ["a"]}, row="project update")
    await story.does("POST", "project/project_key_rotate", {"grace_days": 1}, row="project update")
    await story.does("POST", "project/view_secret_reset", row="project update")
    await story.does("PUT", "retention", {"rules": [{"days": 0.5}]}, row="retention update")
    await story.does("DELETE", "retention/pending", row="retention take_back")


async def test_every_endpoint_that_changes_something_leaves_its_row_without_a_secret(
    tenant: Tenant, house: House
) -> None:
    story = Story(tenant)
    device_id = await set_up_devices(story, house)
    await control_it(story, house, device_id)
    await watch_it(story, house, device_id)
    await set_up_automation(story, house, device_id)
    await story.does("DELETE", f"device/{{device_id:{device_id}}}", row="device remove")
    await manage_people(story)
    await change_many(story, house)
    await set_up_project(story)
    found = await story.rows()
    own = {"current_password": PASSWORD, "password": "another horse battery"}
    assert (await tenant.admin("PUT", "admin/pwd", own))["result"] is True  # and the token is void
    story.called.add("PUT /api/v1/admin/pwd")
    changing = {f"{each.method} {each.path}" for each in ENDPOINTS if each.method != "GET"}
    assert changing - story.called == CHANGES_NOTHING | ELSEWHERE
    told = str(found)
    project = await house.platform.projects.get(tenant.credentials.project_id)
    for secret in (
        "secret-ann",
        "secret-bob",
        "SECRET-HOOK",
        project.project_key,
        "argon2",
        tenant.credentials.secret_key,
    ):
        assert secret not in told


async def test_a_row_says_who_changed_which_members_from_what_to_what(tenant: Tenant, house: House) -> None:
    made = await tenant.info("POST", "device_type", {"name": "pump", "functions": {}})
    house.clock.advance(1000)
    old = {"attributes": [{"identifier": "t", "data_type": "number", "data_options": {"max": 9}}]}
    new = {"attributes": [{"identifier": "t", "data_type": "number", "data_options": {"max": 10}}]}
    await tenant.info("PUT", f"device_type/{made['id']}/functions", {"functions": old})
    house.clock.advance(1000)
    await tenant.app("PUT", f"device_type/{made['id']}/functions", {"functions": new})
    story = Story(tenant)
    [by_application, by_admin, created] = await story.rows(object=made["id"])
    assert by_application["actor"] == {"kind": "application", "id": tenant.credentials.app_id, "name": "API"}
    assert by_application["object"] == {"type": "device_type", "id": made["id"], "name": "pump"}
    assert by_application["changes"] == [
        {"member": "functions.attributes.t.data_options.max", "before": 9, "after": 10}
    ]
    assert by_application["ts"] == by_admin["ts"] + 1000
    assert {"member": "name", "before": None, "after": "pump"} in created["changes"]
    assert await story.rows(actor="application") == [by_application]
    assert await story.rows(actor=by_admin["actor"]["id"], action="update") == [by_admin]
    assert await story.rows(object_type="customer") == []
    assert await story.rows(start_time=created["ts"] + 1, end_time=by_admin["ts"]) == [by_admin]


async def test_the_log_is_read_in_parts_and_by_administrators_of_its_project_alone(
    tenant: Tenant, neighbor: Tenant
) -> None:
    for number in range(5):
        await tenant.info("POST", "device", {"name": f"d{number}"})
    seen: list[str] = []
    before, parts = "", 0
    while parts == 0 or before:
        part = await tenant.info("GET", f"audit_logs?limit=2&object_type=device&before={before}")
        seen += [item["object"]["name"] for item in part["items"]]
        before, parts = part["next_before"], parts + 1
    assert (seen, parts) == (["d4", "d3", "d2", "d1", "d0"], 3)
    assert (await neighbor.info("GET", "audit_logs?object_type=device"))["items"] == []
    assert (await tenant.app("GET", "audit_logs"))["errcode"] == 403
    for wrong in ("x", "²", "9" * 30):
        assert (await tenant.admin("GET", f"audit_logs?before={wrong}"))["errors"][0]["field"] == "before"


async def test_what_is_refused_leaves_no_row(tenant: Tenant) -> None:
    made = await tenant.info("POST", "device", {"name": "pump"})
    story = Story(tenant)
    before = await story.rows()
    refused = await tenant.admin("PUT", f"device/{made['id']}/info", {"name": "x", "version": 9})
    assert refused["code"] == "version_stale"
    assert (refused["info"]["by"], refused["info"]["version"]) == ("admin", 1)
    assert refused["info"]["ts"] == before[0]["ts"]
    assert (await tenant.admin("POST", "device", {"name": "pump", "type": "nosuch00"}))["result"] is False
    assert await story.rows() == before


async def test_what_applications_send_to_devices_is_in_the_logs_of_the_devices_alone(
    tenant: Tenant, house: House
) -> None:
    made = await tenant.info("POST", "device", {"name": "pump"})
    path = f"control/device/{made['id']}"
    assert (await tenant.app("POST", f"{path}/attributes", {"a": 1}))["result"] is True
    assert (await tenant.app("POST", f"{path}/command", {"method": "turn", "wait_ms": 1000}))["result"] is True
    assert [each["action"] for each in await Story(tenant).rows(object=made["id"])] == ["create"]


async def test_log_in_and_log_out_in_a_browser_leave_rows(tenant: Tenant, browser: Callable[..., Browser]) -> None:
    page = browser()
    await page.log_in()
    await page.ask("DELETE", "console/session")
    rows = await Story(tenant).rows(object_type="session")
    assert [(row["action"], row["actor"]["name"], row["address"]) for row in rows] == [
        ("log_out", "admin", "10.0.0.1"),
        ("log_in", "admin", "10.0.0.1"),
    ]


async def test_an_admin_ends_the_session_of_another_one_and_is_recorded(
    tenant: Tenant, neighbor: Tenant, browser: Callable[..., Browser]
) -> None:
    made = await tenant.info("POST", "admin", {"account": "bob", "password": "secret-bob-1", "role": "viewer"})
    page = browser()
    await page.log_in(account="bob", password="secret-bob-1", project=tenant.credentials.project_id)
    path = f"console/people/{made['id']}/sessions"
    [session] = (await tenant.info("GET", path))["items"]
    assert session["current"] is False
    assert (await page.ask("GET", path)).json()["code"] == "role_required"
    assert (await neighbor.admin("GET", path))["errcode"] == 404
    assert (await neighbor.admin("DELETE", f"{path}/{session['id']}"))["errcode"] == 404
    await tenant.info("DELETE", f"{path}/{session['id']}")
    assert await page.status() == 401
    newest = (await Story(tenant).rows(object_type="session"))[0]
    assert (newest["action"], newest["actor"]["name"]) == ("log_out", "admin")


async def test_a_task_that_outlives_its_call_records_nothing_on_its_behalf(tenant: Tenant, house: House) -> None:
    project_id = tenant.credentials.project_id
    ended = asyncio.Event()

    async def later() -> None:
        await ended.wait()
        await house.platform.projects.update(project_id, {"name": "by a task"})

    with acting(house.platform.audit.author("cli")):
        task = asyncio.create_task(later())
        await house.platform.projects.update(project_id, {"name": "by the command line"})
    ended.set()
    await task
    assert (await tenant.info("GET", "project"))["name"] == "by a task"
    [row] = await Story(tenant).rows(object_type="project")
    assert (row["actor"], row["address"]) == ({"kind": "cli", "id": "", "name": ""}, "")


async def test_a_change_without_a_caller_is_told_but_leaves_no_row(tenant: Tenant, house: House) -> None:
    told: list[BusMessage] = []
    house.bus.subscribe(ThingChanged, told.append)
    project_id = tenant.credentials.project_id
    await house.platform.projects.update(project_id, {"name": "by nobody"})
    await tenant.info("PUT", "project/info", {"name": "by somebody"})
    assert told == [
        ThingChanged(project_id, "project", project_id, 2, "update", ""),
        ThingChanged(project_id, "project", project_id, 3, "update", "admin"),
    ]
    assert len(await Story(tenant).rows(object_type="project")) == 1


async def test_a_change_whose_row_cannot_be_written_is_not_made(tenant: Tenant, house: House) -> None:
    database = house.store.projects._access.database
    await database.write(lambda connection: connection.execute("ALTER TABLE audit_logs RENAME TO gone") and None)
    assert (await tenant.admin("POST", "device", {"name": "pump"}))["errcode"] in (500, 503)
    await database.write(lambda connection: connection.execute("ALTER TABLE gone RENAME TO audit_logs") and None)
    assert (await tenant.info("GET", "devices"))["total"] == 0
