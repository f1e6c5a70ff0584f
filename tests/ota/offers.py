"""Offers of firmware over an open store, for tests of what stands on them."""

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.config import OtaSettings
from thingstead.services.commands.control import ControlService
from thingstead.services.ota.files import OtaFiles
from thingstead.services.ota.links import Links
from thingstead.services.ota.offers import OtaOffers
from thingstead.services.ota.watching import OtaWatch
from thingstead.storage.base import Store


def offers_of(store: Store, bus: Bus, clock: Clock, control: ControlService) -> OtaOffers:
    """Offers with the default settings."""
    settings = OtaSettings(http_address="http://192.0.2.1:8080")
    files = OtaFiles(store, clock, settings)
    return OtaOffers(store, clock, settings, control, Links(settings), files, OtaWatch(store, bus, clock))
