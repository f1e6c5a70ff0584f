"""An endpoint at work: authentication, validation, the handler, the answer."""

from collections.abc import AsyncIterator
from typing import Any

from thingstead.api.body import Bodies, Receive, Scope, body_pieces, while_connected
from thingstead.api.credentials import READING, caller_of, remote_host
from thingstead.api.dialect import NO_STORE, HttpAnswer, failure, not_authenticated, success
from thingstead.api.encodings import read_decoded, require_plain
from thingstead.api.endpoint import Access, ApiCall, Endpoint
from thingstead.api.streamed import StreamedFile, file_answer
from thingstead.api.unknown_names import unknown_of_body, unknown_of_query
from thingstead.api.validation import MalformedJson, body_decoder, invalid, query_decoder
from thingstead.config import ApiSettings
from thingstead.errors import FieldError, Forbidden, InvalidInput, NotAuthenticated, ThingsteadError
from thingstead.model.audit.log import ActorKind
from thingstead.model.roles import allows
from thingstead.model.tenant import TENANT
from thingstead.model.token_scope import TokenScope
from thingstead.services.accounts.tokens import NOBODY, Caller
from thingstead.services.audit.audit import acting
from thingstead.services.platform import Platform


class Operation:
    """An endpoint of the Project API, with its decoders."""

    def __init__(self, endpoint: Endpoint, platform: Platform, settings: ApiSettings, bodies: Bodies) -> None:
        self.endpoint = endpoint
        self._role = endpoint.role
        self._changes = endpoint.method not in READING or endpoint.acts
        self._bodies = bodies
        self._platform = platform
        self._settings = settings
        decodes = endpoint.body is not None and not endpoint.streamed
        self._decode_body = body_decoder(endpoint.body, wide_integers=endpoint.wide_integers) if decodes else None
        self._decode_query = None if endpoint.query is None else query_decoder(endpoint.query)
        self._unknown_of_body = unknown_of_body(endpoint.body, endpoint.read_only) if decodes else None
        self._unknown_of_query = unknown_of_query(endpoint.query)
        self._body_limit_bytes = endpoint.body_limit(settings.body_limit_bytes)

    async def __call__(self, scope: Scope, receive: Receive, path: dict[str, str]) -> HttpAnswer:
        """Answers one request. Authenticates before it reads the body.

        Raises the errors of :func:`~thingstead.api.body.read_body` except TooLarge.
        """
        caller = NOBODY
        if self.endpoint.access is not Access.PUBLIC:
            try:
                caller = await caller_of(scope, self._platform)
            except NotAuthenticated as exc:
                return not_authenticated(exc)
            TENANT.set(caller.tenant)
        call = ApiCall(self._platform, path, caller=caller, remote_address=remote_host(scope), scope=scope)
        owner, turns = caller.tenant or call.remote_address, self._bodies.turns
        if turns.is_heavy(owner, scope["path"]):
            await turns.begin(owner)
        try:
            warnings: list[FieldError] = []
            info = await self._call(call, receive, warnings)
            if isinstance(info, StreamedFile):
                return file_answer(info._replace(pieces=self._while_allowed(info.pieces, scope)), self.endpoint.file)
            answer = success(info, warnings)
        except ThingsteadError as exc:
            return failure(exc, malformed_json_status=self._settings.malformed_json_status)
        turns.answered(owner, scope["path"], len(answer.body))
        if self.endpoint.confidential:
            return answer._replace(headers=(NO_STORE, *call.answer_headers))
        return answer._replace(headers=tuple(call.answer_headers)) if call.answer_headers else answer

    async def _while_allowed(self, pieces: AsyncIterator[bytes], scope: Scope) -> AsyncIterator[bytes]:
        """Pieces of a file, each after its caller was authenticated again: a log-out, a removed application or another
        role ends the file. Raises the errors of :func:`~thingstead.api.credentials.caller_of`, and Forbidden."""
        async for piece in pieces:
            if self.endpoint.access is not Access.PUBLIC:
                self._require_role(await caller_of(scope, self._platform))
            yield piece

    def _require_role(self, caller: Caller) -> None:
        if self._role is not None and not allows(caller.role, self._role):
            raise Forbidden("role_required", needed=self._role, held=caller.role)

    async def _call(self, call: ApiCall, receive: Receive, warnings: list[FieldError]) -> Any:
        caller, scope = call.caller, call.scope
        if self.endpoint.access is Access.ADMINISTRATOR and caller.admin_id is None and not caller.operator:
            raise Forbidden("administrator_only")
        if self.endpoint.access is Access.SESSION and not caller.session_id:
            raise Forbidden("session_only")
        self._require_role(caller)
        if caller.scope is not None:
            await self._require_scope(call, caller.scope)
        query_string: bytes = scope["query_string"]
        if query_string:
            warnings += self._unknown_of_query(query_string)
        call.query = None if self._decode_query is None else self._decode_query(query_string)
        if self.endpoint.streamed:
            require_plain(scope)
            call.body = body_pieces(receive, self._settings.body_timeout_s)
        if self._decode_body is None:
            return await self._handle(call, receive, warnings)
        owner = caller.tenant or call.remote_address
        with self._bodies.held(owner) as held:
            limit_bytes, timeout_s = self._body_limit_bytes, self._settings.body_timeout_s
            given = await read_decoded(scope, receive, limit_bytes, timeout_s, held)
            given = b"{}" if not given and self.endpoint.body_optional else given
            await self._bodies.turn(owner, len(given))
            call.body = self._decode(given, warnings)
            return await self._handle(call, receive, warnings)

    async def _require_scope(self, call: ApiCall, scope: TokenScope) -> None:
        if self.endpoint.scoped is None or self.endpoint.scoped not in scope.reads:
            raise Forbidden("outside_token_scope")
        await self._platform.scoped_tokens.require(call.caller.project_id, scope, call.path["device_id"])

    async def _handle(self, call: ApiCall, receive: Receive, warnings: list[FieldError]) -> Any:
        if warnings and self.endpoint.extension:
            raise invalid(warnings)
        if self.endpoint.large is not None and self.endpoint.large(call):
            return await while_connected(receive, self.endpoint.handler(call))
        if not self._changes or call.caller is NOBODY:
            return await self.endpoint.handler(call)
        caller, audit = call.caller, self._platform.audit
        kind: ActorKind = "cli" if caller.operator else "application" if caller.admin_id is None else "admin"
        author = audit.author(kind, caller.project_id, caller.admin_id or caller.app_id, call.remote_address)
        with acting(author):
            return await self.endpoint.handler(call)

    def _decode(self, given: bytes, warnings: list[FieldError]) -> Any:
        """Decodes the body. If it is invalid, the error also lists unknown names, which may be the cause."""
        assert self._decode_body is not None  # otherwise there is no body
        try:
            body = self._decode_body(given)
        except MalformedJson:
            raise
        except InvalidInput as exc:
            named = {error.field for error in exc.errors}
            if self._unknown_of_body is None or named <= {"body"}:
                raise
            strange = [error for error in self._unknown_of_body(given) if error.field not in named]
            raise invalid([*exc.errors, *strange]) from exc
        if self._unknown_of_body is not None:
            warnings += self._unknown_of_body(given)
        return body
