"""Slows down whoever presents certificates that are none, and whoever tries DeviceKeys."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from thingstead.clock import Clock
from thingstead.config import ApiSettings
from thingstead.errors import Forbidden, NotAuthenticated, NotFound
from thingstead.model.addresses import throttling_key
from thingstead.model.device import Device
from thingstead.services.platform import Platform
from thingstead.services.throttle import Throttle

T = TypeVar("T")


class Guesses:
    """Counts failures by remote address.

    Many devices may share an address (a router, a proxy), and one of them may have lost its certificate. AccessTokens
    are random enough that no guess succeeds, so a right certificate is always let in, and only wrong ones are
    throttled. A DeviceKey can be guessed: an address that asks for too many unknown ones has to wait before it may
    ask again."""

    def __init__(self, platform: Platform, clock: Clock, settings: ApiSettings) -> None:
        limits = settings.certificate_failures_max, settings.certificate_window_s
        self._platform = platform
        self._certificates = Throttle(clock, *limits)
        self._device_keys = Throttle(clock, *limits)

    async def authenticate(self, access_token: str, project_key: str, remote_address: str) -> Device:
        """The device with this certificate.

        Raises:
            NotAuthenticated: there is none.
            TooManyRequests: there is none, and too many before it were wrong too.
        """
        try:
            return await self._platform.presence.authenticate(access_token, project_key)
        except NotAuthenticated:
            self._certificates.admit(throttling_key(remote_address))
            raise

    async def fetch(self, ask: Callable[[], Awaitable[T]], remote_address: str) -> T:
        """What ``ask`` finds by a DeviceKey; counted if that is nothing.

        Raises:
            TooManyRequests: too many of this address found nothing; this one was not asked.
        """
        address = throttling_key(remote_address)
        self._device_keys.admit(address)
        found_nothing = False
        try:
            return await ask()
        except (NotAuthenticated, NotFound, Forbidden):
            found_nothing = True
            raise
        finally:
            if not found_nothing:
                self._device_keys.take_back(address)
