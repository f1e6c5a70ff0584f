"""Every endpoint that is served, in the order in which they are documented."""

from thingstead.api.app_device import control as app_control
from thingstead.api.device import certificate, uplinks
from thingstead.api.endpoint import Endpoint
from thingstead.api.project.routes import ENDPOINTS as PROJECT_ENDPOINTS

ENDPOINTS: tuple[Endpoint, ...] = (
    *PROJECT_ENDPOINTS,
    *certificate.ENDPOINTS,
    *uplinks.ENDPOINTS,
    *app_control.ENDPOINTS,
)
