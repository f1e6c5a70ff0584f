"""An endpoint of the device's planes at work: the certificate, the body, the handler, the answer."""

from typing import Any

from thingstead.api.body import Bodies, HeldBody, Receive, Scope
from thingstead.api.device.dialect import failure, success
from thingstead.api.dialect import NO_STORE, HttpAnswer, with_warnings
from thingstead.api.encodings import read_decoded
from thingstead.api.endpoint import Access, ApiCall, Endpoint
from thingstead.api.unknown_names import unknown_of_body, unknown_of_query
from thingstead.api.validation import body_decoder, invalid, query_decoder
from thingstead.config import ApiSettings
from thingstead.errors import FieldError, NotAuthenticated, ThingsteadError, Unavailable
from thingstead.model.tenant import TENANT
from thingstead.services.platform import Platform
from thingstead.services.shared.message_trace import Traced

ACCESS_TOKEN = "access_token"  # noqa: S105 - the name of a path parameter
KEY_LENGTH_LIMIT = 256
READING = "attributes/get"  # MQTT's topic for a read


class DeviceOperation:
    """An endpoint of a device plane, with its decoders."""

    def __init__(self, endpoint: Endpoint, platform: Platform, settings: ApiSettings, bodies: Bodies) -> None:
        self.endpoint = endpoint
        self._bodies = bodies
        self._platform = platform
        self._settings = settings
        decodes = endpoint.body is not None and not endpoint.raw
        self._decode_body = body_decoder(endpoint.body, wide_integers=endpoint.wide_integers) if decodes else None
        checks = endpoint.warns and endpoint.body not in (None, bytes)
        self._unknown_of_body = unknown_of_body(endpoint.body) if checks else None
        self._unknown_of_query = unknown_of_query(endpoint.query)
        self._decode_query = None if endpoint.query is None else query_decoder(endpoint.query)
        self._body_limit_bytes = endpoint.body_limit(settings.body_limit_bytes)

    async def __call__(self, scope: Scope, receive: Receive, path: dict[str, str]) -> HttpAnswer:
        """Answers one request. Authenticates before it reads the body.

        Raises the errors of :func:`~thingstead.api.body.read_body` except TooLarge.
        """
        peer = scope.get("client")
        address = peer[0] if peer else ""
        call = ApiCall(self._platform, path, remote_address=address)
        try:
            call.project_key = project_key(scope)
            if self.endpoint.access is Access.PROJECT_KEY:
                with self._bodies.held(address) as held:
                    await self._prepare(call, scope, receive, held)
                    answer = success(await self.endpoint.handler(call))
                return answer._replace(headers=(NO_STORE,)) if self.endpoint.confidential else answer
            presence = self._platform.presence
            call.device = await presence.authenticate(path[ACCESS_TOKEN], call.project_key, address, "http")
            TENANT.set(call.device.project_id)
            turns = self._bodies.turns
            if turns.is_heavy(call.device.project_id, scope["path"]):
                await turns.begin(call.device.project_id)
        except ThingsteadError as exc:
            return failure(exc)
        try:
            with self._bodies.held(call.device.id) as held:
                warnings = await self._prepare(call, scope, receive, held)
                answer = success(await self.endpoint.handler(call))
            turns.answered(call.device.project_id, scope["path"], len(answer.body))
            self._trace(call, answer, None)
            return answer._replace(body=with_warnings(answer.body, warnings)) if warnings else answer
        except ThingsteadError as exc:
            if self.endpoint.topic and not isinstance(exc, Unavailable):
                self._note(call, exc)
            answer = failure(exc)
            self._trace(call, answer, exc)
            return answer

    async def _prepare(self, call: ApiCall, scope: Scope, receive: Receive, held: HeldBody) -> list[FieldError]:
        """Decodes query and body into the call. Returns the unknown names in them."""
        unknown: list[FieldError] = []
        if scope["query_string"] and self.endpoint.warns:
            unknown += self._unknown_of_query(scope["query_string"])
        if self._decode_query is not None:
            call.query = self._decode_query(scope["query_string"])
        if self.endpoint.body is not None:
            limit_bytes, timeout_s = self._body_limit_bytes, self._settings.body_timeout_s
            body = await read_decoded(scope, receive, limit_bytes, timeout_s, held)
            await self._bodies.turn(TENANT.get() or call.remote_address, len(body))
            call.body = body if self._decode_body is None else self._decode_body(body)
            if body and self._unknown_of_body is not None:
                unknown += self._unknown_of_body(body)
        if unknown and self.endpoint.extension:
            raise invalid(unknown)
        return unknown

    def _trace(self, call: ApiCall, answer: HttpAnswer, error: ThingsteadError | None) -> None:
        """Publishes request and answer to subscribers of the device's trace, unless the handler has published the
        request."""
        trace = self._platform.device_logs.trace
        if not trace.wants(call.device):
            return
        topic = self.endpoint.topic.format_map(call.path) or READING
        if not call.traced:
            traced = Traced(trace, call.device, "up", "http", topic, call.body or b"", None)
            if error is None:
                traced.taken((), kept=True)
            elif isinstance(error, Unavailable):
                traced.failed(error)
            else:
                traced.refused(error.reason, error.errors)
        trace.down(call.device, "http", f"{topic}/response", answer.body, "delivered")

    def _note(self, call: ApiCall, error: ThingsteadError) -> None:
        topic = self.endpoint.topic.format_map(call.path)
        self._platform.device_logs.rejected(call.device, topic, error.reason, error.errors, call.body or b"")


def project_key(scope: Scope) -> str:
    """The header Project-Key. Raises NotAuthenticated if it is missing."""
    headers: Any = scope["headers"]
    for name, value in headers:
        if name == b"project-key":
            if 0 < len(value) <= KEY_LENGTH_LIMIT:
                return str(value.decode("latin-1"))
            break
    raise NotAuthenticated("project_key_required")
