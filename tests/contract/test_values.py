"""What goes into a store comes out of it, for every JSON value and every valid text."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.nouns import command, device, ended
from thingstead.model.device import DeviceFilter, Page
from thingstead.model.report import EventRecord
from thingstead.model.values.unicode_text import normal
from thingstead.storage.base import Store

# The store of a test is used for all its examples: they add to it and look only at what they added.
FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4))


@FEW
@given(name=TEXTS, tags=st.dictionaries(TEXTS, TEXTS, max_size=5))
async def test_names_and_tags_come_back(store: Store, name: str, tags: dict[str, str]) -> None:
    created = await store.devices.create(device(name=name, tags=tags))

    assert (created.name, created.tags) == (name, tags)
    assert (await store.devices.get("ours", created.id)) == created


@FEW
@given(key=TEXTS, value=TEXTS, others=st.dictionaries(TEXTS, TEXTS, max_size=3))
async def test_every_tag_is_found_by_its_key_and_value(
    store: Store, key: str, value: str, others: dict[str, str]
) -> None:
    key, value = normal(key), normal(value)  # as the Project API stores them
    created = await store.devices.create(device(tags={**others, key: value}))

    for tag in ((key, None), (key, value)):
        _, total = await store.devices.list_views("ours", DeviceFilter(tags=((tag,),)), Page())
        views, _ = await store.devices.list_views("ours", DeviceFilter(tags=((tag,),)), Page(records=total))
        assert created.id in [view.device.id for view in views]
        assert all(key in view.device.tags for view in views)


@FEW
@given(before=TEXTS, keyword=TEXTS, after=TEXTS)
async def test_every_part_of_a_name_finds_it_in_whatever_case(
    store: Store, before: str, keyword: str, after: str
) -> None:
    created = await store.devices.create(device(name=before + keyword + after))

    for written in (keyword, keyword.casefold()):
        _, total = await store.devices.list_views("ours", DeviceFilter(keyword=written), Page())
        views, _ = await store.devices.list_views("ours", DeviceFilter(keyword=written), Page(records=total))
        assert created.id in [view.device.id for view in views]


@FEW
@given(params=VALUES, reply=VALUES)
async def test_params_and_replies_of_commands_come_back(store: Store, params: Any, reply: Any) -> None:
    created = await store.devices.create(device())
    row_id = f"command-{created.id}"
    await store.commands.create(command(row_id, created.id, params=params, state="sent"))

    await store.commands.advance(row_id, "replied", 1, reply=reply)

    kept = await store.commands.get(created.id, row_id)
    assert same(kept.params, params)
    assert same(kept.reply, reply)


@FEW
@given(params=st.dictionaries(TEXTS, VALUES, max_size=4))
async def test_params_of_events_come_back(store: Store, params: dict[str, Any]) -> None:
    created = await store.devices.create(device())
    event = EventRecord(id="e", device_id=created.id, method="m", params=params, ts=1)

    assert await ended(store.events.append(event, created.number)) is None

    (kept,), _ = await store.events.list_page(created.id, Page())
    assert same(kept.params, params)


def same(left: Any, right: Any) -> bool:
    """Equal, with no number taken for a boolean nor an integer for a float."""
    return repr(left) == repr(right)
