"""The client of Thingstead: callers of the Project API, and devices over HTTP and MQTT.

It is :mod:`thingstead.client` under the name that it has in its own distribution, ``thingstead-client``, which contains
no server."""

from thingstead import __version__
from thingstead.client import *  # noqa: F403  # the names are those of thingstead.client.__all__
from thingstead.client import __all__ as _names

__all__ = [*_names, "__version__"]
