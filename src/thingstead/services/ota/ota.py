"""Everything about upgrades of firmware, put together."""

from collections.abc import Sequence

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.config import Config
from thingstead.services.commands.control import ControlService
from thingstead.services.ota.checks import OtaChecks
from thingstead.services.ota.downloads import OtaDownloads
from thingstead.services.ota.files import OtaFiles
from thingstead.services.ota.links import Links
from thingstead.services.ota.offers import OtaOffers
from thingstead.services.ota.rollouts import OtaRolloutService
from thingstead.services.ota.runner import RolloutRunner
from thingstead.services.ota.versions import OtaVersionService
from thingstead.services.ota.watching import OtaWatch
from thingstead.services.registry.devices import DeviceService
from thingstead.services.shared.installation import OpenListener
from thingstead.services.triggers.index import TriggerIndex
from thingstead.storage.base import Store


class OtaService:
    """The parts, which are one attribute each. Not active until :meth:`start`."""

    def __init__(
        self, store: Store, bus: Bus, clock: Clock, config: Config, devices: DeviceService, control: ControlService,
        rules: TriggerIndex, listeners: Sequence[OpenListener],
    ) -> None:  # fmt: skip
        settings = config.ota
        self.watch = OtaWatch(store, bus, clock)
        self.files = OtaFiles(store, clock, settings)
        self.downloads = OtaDownloads(store, clock, settings, self.files, self.watch)
        links = Links(settings, config.public, listeners)
        self.offers = OtaOffers(store, clock, settings, control, links, self.files, self.watch)
        self.checks = OtaChecks(store, bus, clock, self.offers, rules)
        self.runner = RolloutRunner(store, clock, settings, self.offers, self.downloads, self.watch)
        self.versions = OtaVersionService(store, clock, self.files, self.downloads, self.offers)
        self.rollouts = OtaRolloutService(store, clock, devices, self.runner)
        self.watch.on_end = self.runner.want

    def start(self) -> None:
        """Starts the work in the background."""
        self.files.start()
        self.downloads.start()
        self.checks.start()
        self.runner.start()

    async def close(self) -> None:
        """Ends it."""
        await self.runner.close()
        await self.checks.close()
        self.watch.close()
        await self.downloads.close()
        await self.files.close()
