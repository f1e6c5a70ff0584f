"""Lists by cursor and in other orders; what belongs to a customer, and to whom and where a device belongs."""

from tests.api.registry.house import Api, House


async def walk(api: Api, path: str, **query: str) -> list[str]:
    """The names of everything on a list, by cursor."""
    found = []
    cursor = "start"
    while cursor:
        page = await api.get(path, cursor=cursor, page_records="2", **query)
        found += [item["name"] for item in page["items"]]
        cursor = page["next_cursor"]
    return found


async def test_every_page_names_the_next_until_there_is_none(api: Api) -> None:
    names = ["c", "a", "b", "d", "e"]
    for name in names:
        await api.new_device(name=name)
    assert sorted(await walk(api, "devices")) == sorted(names)
    assert await walk(api, "devices", sort="name") == sorted(names)
    assert await walk(api, "devices", sort="-name") == sorted(names, reverse=True)
    assert "next_cursor" not in await api.get("devices")


async def test_a_cursor_that_is_none_is_refused_by_name(api: Api) -> None:
    assert (await api.refusal("GET", "devices", cursor="nonsense")).fields == {"cursor"}
    assert (await api.refusal("GET", "devices", cursor="start", page="2")).fields == {"page"}
    assert (await api.refusal("GET", "devices", sort="size")).fields == {"sort"}


async def test_a_cursor_of_one_project_shows_nothing_of_it_to_another(api: Api, stranger: Api) -> None:
    for number in range(3):
        await api.new_device(name=f"ours {number}")
        await stranger.new_device(name=f"theirs {number}")
    page = await api.get("devices", cursor="start", page_records="1")
    seen = await stranger.get("devices", cursor=page["next_cursor"])
    assert all(item["name"].startswith("theirs") for item in seen["items"])


async def test_devices_of_a_customer_and_the_customer_and_the_groups_of_a_device(
    api: Api, stranger: Api, house: House
) -> None:
    new = {"name": "Ann", "account": "ann", "password": "correct horse battery"}
    customer_id = (await api.call("POST", "customer", new))["id"]
    bound, free = await api.new_device(name="bound"), await api.new_device(name="free")
    await api.call("POST", f"customer/{customer_id}/devices", {"devices": [bound]})
    groups = []
    for name in ("hall", "roof"):
        groups.append(await api.new_group(name=name))
        house.clock.advance(1)
    for group_id in groups:
        await api.call("POST", f"device_group/{group_id}/devices", {"devices": [bound]})
    assert (
        await walk(api, f"customer/{customer_id}/devices")
        == await walk(api, "devices", customer=customer_id)
        == ["bound"]
    )
    shown = await api.get(f"device/{bound}")
    assert shown["customer"] == {"id": customer_id, "account": "ann", "name": "Ann"}
    assert shown["groups"] == [{"id": groups[0], "name": "hall"}, {"id": groups[1], "name": "roof"}]
    shown = await api.get(f"device/{free}")
    assert "customer" not in shown
    assert shown["groups"] == []
    assert await walk(stranger, "devices", customer=customer_id) == []
    assert (await stranger.refusal("GET", f"customer/{customer_id}/devices")).errcode == 404


async def test_a_keyword_is_looked_for_in_the_description_too(api: Api) -> None:
    device_id = await api.new_device(name="pump", descr="Behind the Boiler, 2nd floor")
    await api.new_device(name="other", descr="outside")
    assert await walk(api, "devices", keyword="boiler") == ["pump"]
    await api.call("PUT", f"device/{device_id}/info", {"descr": "In the yard"})
    assert await walk(api, "devices", keyword="boiler") == []
    assert await walk(api, "devices", keyword="YARD") == ["pump"]
