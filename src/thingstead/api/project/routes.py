"""Every endpoint of the Project API, from the files of this package."""

import importlib
import pkgutil

import thingstead.api.project as package
from thingstead.api.endpoint import Endpoint


def _collect() -> tuple[Endpoint, ...]:
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__) if module.name != "routes")
    modules = [importlib.import_module(f"{package.__name__}.{name}") for name in names]
    return tuple(endpoint for module in modules for endpoint in getattr(module, "ENDPOINTS", ()))


ENDPOINTS: tuple[Endpoint, ...] = _collect()
