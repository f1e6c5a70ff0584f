"""The checklist of a device (诊断)."""

from thingstead.api.endpoint import ApiCall, Endpoint
from thingstead.errors import NotFound
from thingstead.model.roles import VIEWER
from thingstead.services.diagnosis.texts import english
from thingstead.wire.diagnosis import CheckResult, Diagnosis


async def diagnosis(call: ApiCall) -> Diagnosis:
    """Checks certificate, connection, reports, clock, subscriptions, gateway and commands of a device; each check says
    what was found and what to do about it."""
    found = await call.platform.diagnosis.check(call.caller.project_id, call.path["device_id"])
    checks = []
    for check, state, code, args in found:
        message, advice = english(code, args)
        checks.append(CheckResult(check=check, state=state, code=code, args=dict(args), message=message, advice=advice))
    return Diagnosis(checks=checks)


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/api/v1/device/{device_id}/diagnosis",
        summary="Check why a device does not work",
        handler=diagnosis,
        info=Diagnosis,
        role=VIEWER,
        tag="Device logs",
        refusals=(NotFound,),
        extension=True,
    ),
)
