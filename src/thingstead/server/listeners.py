"""Binds the configured listeners, each with its certificate, before anything else starts."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import structlog

from thingstead.broker.net.listening import Port
from thingstead.broker.net.tls import TlsCertificate
from thingstead.clock import Clock
from thingstead.config import Config, ListenerSpec
from thingstead.errors import ConfigError, Conflict
from thingstead.model.health import HealthWarning, health_warning
from thingstead.server.sockets import bind
from thingstead.services.shared.installation import OpenListener
from thingstead.wire.server import ServerPort

log = structlog.get_logger("thingstead.server")


class BoundListener(NamedTuple):
    """A listener and its port."""

    spec: ListenerSpec
    port: Port
    number: int  # of the TCP port


class Listeners:
    """All ports of a server. Certificates that have expired or are not valid yet are used, and logged.

    Raises:
        Conflict: a port is in use.
        ConfigError: an address or a certificate cannot be used.
    """

    def __init__(self, config: Config, clock: Clock) -> None:
        self._clock = clock
        self._bound: list[BoundListener] = []
        self._not_reloaded: dict[str, str] = {}  # reason by setting; until a reload succeeds
        with ExitStack() as stack:
            for spec in config.listener_specs:
                certificate = _certificate(spec)
                try:
                    sock = stack.enter_context(bind(spec.setting, spec.listener.host, spec.listener.port))
                except Conflict as exc:
                    if not spec.optional:
                        raise
                    log.warning("an optional port was not opened", reason=exc.message)
                    continue
                port = Port(sock, certificate, spec.listener.proxy_protocol, config.tls_handshake_timeout_s)
                self._bound.append(BoundListener(spec, port, sock.getsockname()[1]))
            stack.pop_all()
        self._log_problems()

    def close(self) -> None:
        """Closes the sockets, even those that another object has taken over."""
        for bound in self._bound:
            bound.port.sock.close()

    def bind_again(self, *kinds: str) -> None:
        """Closes the sockets of these kinds, which another object may have closed already, and binds their ports again.

        Raises:
            Conflict: another program has taken a port meanwhile.
        """
        for index, (spec, port, number) in enumerate(self._bound):
            if spec.listener.kind in kinds:
                port.sock.close()
                sock = bind(spec.setting, spec.listener.host, number)
                self._bound[index] = BoundListener(spec, port._replace(sock=sock), number)

    def of(self, *kinds: str) -> list[Port]:
        """Ports of these kinds."""
        return [bound.port for bound in self._bound if bound.spec.listener.kind in kinds]

    @property
    def public(self) -> list[OpenListener]:
        """Listeners that are open to more than this machine and a load balancer."""
        return [
            OpenListener(bound.spec.listener.kind, bound.spec.listener.host, bound.number)
            for bound in self._bound
            if bound.spec.listener.kind != "open" and not bound.spec.listener.proxy_protocol
        ]

    def described(self) -> list[ServerPort]:
        """Every open port, for administrators."""
        until = self.certificate_expiries()
        return [
            ServerPort(
                setting=bound.spec.setting,
                kind=bound.spec.listener.kind,
                host=bound.spec.listener.host,
                port=bound.number,
                tls=bound.port.certificate is not None,
                certificate_until=until[bound.spec.setting] * 1000 if bound.spec.setting in until else None,
            )
            for bound in self._bound
        ]

    @property
    def numbers(self) -> dict[str, int]:
        """Open TCP ports by the name of their setting."""
        return {bound.spec.setting: bound.number for bound in self._bound}

    def reload_certificates(self) -> None:
        """Reads the files of every certificate again, for new connections. What cannot be used is logged, and the
        certificate before it stays in use."""
        if not self._certificates():
            log.info("no port uses TLS: there is no certificate to reload")
        for bound, certificate in self._certificates():
            self._not_reloaded.pop(bound.spec.setting, None)
            try:
                certificate.reload()
            except ConfigError as exc:
                self._not_reloaded[bound.spec.setting] = exc.message
                log.error("a TLS certificate could not be reloaded; the loaded one stays in use", reason=exc.message)
            else:
                log.info("TLS certificate reloaded", setting=bound.spec.setting, port=bound.number)
        self._log_problems()

    def warnings(self) -> list[HealthWarning]:
        """Warnings about certificates that have expired or are not valid yet."""
        now_ms = self._clock.now_ms()
        problems = [problem for _, certificate in self._certificates() for problem in certificate.problems(now_ms)]
        return [health_warning("certificate_not_valid", detail=problem) for problem in problems] + [
            health_warning("certificate_not_reloaded", detail=reason)
            for reason in dict.fromkeys(self._not_reloaded.values())
        ]

    def certificate_expiries(self) -> dict[str, int]:
        """When the first certificate of each TLS port expires: seconds UTC by the setting of the port."""
        until = {bound.spec.setting: certificate.until_s for bound, certificate in self._certificates()}
        return {setting: until_s for setting, until_s in until.items() if until_s is not None}

    def _log_problems(self) -> None:
        for warning in self.warnings():
            if warning.code == "certificate_not_valid":
                log.warning("a TLS certificate is not valid", reason=warning.message)

    def _certificates(self) -> Sequence[tuple[BoundListener, TlsCertificate]]:
        return [(bound, bound.port.certificate) for bound in self._bound if bound.port.certificate is not None]


def check_certificates(config: Config, now_ms: int) -> list[str]:
    """Reads the files of every TLS port. Returns messages about certificates that have expired or are not valid yet.

    Raises:
        ConfigError: a file is missing, or cannot be used.
    """
    certificates = [certificate for spec in config.listener_specs if (certificate := _certificate(spec)) is not None]
    return [problem for certificate in certificates for problem in certificate.problems(now_ms)]


def _certificate(spec: ListenerSpec) -> TlsCertificate | None:
    listener = spec.listener
    if not listener.secure:
        return None
    client_ca = Path(listener.client_ca) if listener.client_ca else None
    return TlsCertificate(Path(listener.certificate), Path(listener.key), client_ca, spec.setting)
