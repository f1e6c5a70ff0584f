"""A service that was closed hears nothing more."""

from tests.services.conftest import Workshop
from thingstead.model import messages


async def test_after_the_end_of_the_services_nothing_of_theirs_listens(workshop: Workshop) -> None:
    kinds = [kind for kind in vars(messages).values() if isinstance(kind, type) and kind is not messages.BusMessage]
    heard = [kind for kind in kinds if issubclass(kind, messages.BusMessage) and workshop.bus.listens(kind)]
    assert {messages.AlarmRuleChanged, messages.CommandChanged, messages.DeviceChanged} <= set(heard)
    await workshop.alarm_engine.start(run=False)
    for service in (workshop.sub_devices, workshop.control, workshop.ingest, workshop.alarm_engine):
        await service.close()
    assert [kind for kind in heard if workshop.bus.listens(kind)] == []
