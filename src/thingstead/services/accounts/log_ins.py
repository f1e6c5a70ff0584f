"""Failed log-ins: throttles accounts and addresses, counts and logs runs of failures.

A random credential (of an application, a subscriber, a device) cannot be guessed, so a right one is always accepted,
and failures only delay further wrong ones of their address. A password or a DeviceKey can be guessed: attempts are
throttled before they are checked, by subject and by address, so that nobody can lock out users at other addresses.
"""

from collections import Counter
from typing import Literal, NamedTuple, get_args

import structlog

from thingstead.clock import Clock
from thingstead.config import AccountSettings, ApiSettings
from thingstead.errors import TooManyRequests
from thingstead.model.addresses import throttling_key
from thingstead.services.shared.lru import Lru
from thingstead.services.shared.rate_limit import Throttle, TokenBuckets

log = structlog.get_logger("thingstead.log_ins")

Kind = Literal["application", "administrator", "subscriber", "device", "device_key"]

KNOWN_LIMIT = 10_000  # remembered pairs that succeeded; the least recently used is dropped
RUN_LEAST = 3  # failures from which a run is logged; fewer are typing errors
RUNS_LIMIT = 10_000  # remembered; the one with the oldest failure is dropped
RUN_WINDOW_S = 300.0  # a run ends after this time without a failure
RUN_LOG_INTERVAL_S = 60.0  # between two log lines about one run …
LOGGED, LOG_INTERVAL_S = 20, 10.0  # … and about one kind of log-in: a burst, then one per interval


class UnknownLogIn(NamedTuple):
    """A log-in of a device with an AccessToken that no device has."""

    at: int  # ms
    address: str
    plane: str  # mqtt, http, tcp


class _Run:
    __slots__ = ("count", "last_s", "logged_s")

    def __init__(self) -> None:
        self.count = 0
        self.last_s = 0.0
        self.logged_s = float("-inf")


class Failures:
    """Counts failed log-ins, and logs runs of failures.

    Attributes:
        failed: failures since the server started, by kind.
        throttled: attempts that were refused because of earlier failures, by kind.
    """

    def __init__(self, clock: Clock) -> None:
        self.failed: Counter[Kind] = Counter(dict.fromkeys(get_args(Kind), 0))
        self.throttled: Counter[Kind] = Counter(dict.fromkeys(get_args(Kind), 0))
        self._clock = clock
        self._runs: Lru[tuple[Kind, str], _Run] = Lru(RUNS_LIMIT)
        self._buckets = TokenBuckets(clock, LOGGED, LOG_INTERVAL_S)
        self._lines = TokenBuckets(clock, LOGGED, LOG_INTERVAL_S)  # of single failures

    @property
    def remembered(self) -> int:
        """Number of runs in memory."""
        return len(self._runs)

    def note(self, kind: Kind, remote_address: str, subject: str = "") -> None:
        """Records a failure.

        Args:
            subject: the account or project that was tried, if it exists; never a secret.
        """
        self.failed[kind] += 1
        address = throttling_key(remote_address)
        suppressed = self._lines.take(kind)
        if suppressed is not None:
            log.info("log-in failed", kind=kind, remote_address=address, suppressed=suppressed)
        self._run(kind, f"a {address}", remote_address=address)
        if subject:
            self._run(kind, f"s {subject}", subject=subject)

    def _run(self, kind: Kind, key: str, **about: str) -> None:
        now_s = self._clock.monotonic_s()
        run = self._runs.get((kind, key))
        if run is None or now_s - run.last_s > RUN_WINDOW_S:
            run = _Run()
        self._runs.put((kind, key), run)
        run.count += 1
        run.last_s = now_s
        if run.count < RUN_LEAST or now_s - run.logged_s < RUN_LOG_INTERVAL_S:
            return
        suppressed = self._buckets.take(kind)
        if suppressed is not None:
            run.logged_s = now_s
            log.warning("log-ins fail repeatedly", kind=kind, **about, failures=run.count, suppressed=suppressed)


class GuessThrottle:
    """Throttles attempts with a credential that can be guessed.

    Args:
        pair_max: limit of failures of one subject (an account, a project) from one address within ``window_s``.
        address_max: limit of failures from one address.
        subject_max: limit of failures of one subject from all addresses. An address from which the subject has
            succeeded before is only subject to ``pair_max``.
        forgives: whether success resets the failures of the pair; otherwise they count until the window ends.
    """

    def __init__(
        self,
        clock: Clock,
        failures: Failures,
        kind: Kind,
        *,
        pair_max: int,
        address_max: int,
        subject_max: int,
        window_s: int,
        forgives: bool,
    ) -> None:
        self.kind = kind
        self.failures = failures
        self.forgives = forgives
        self.known: Lru[tuple[str, str], None] = Lru(KNOWN_LIMIT)  # (subject, address) that have succeeded
        self.pairs = Throttle(clock, pair_max, window_s)
        self._addresses = Throttle(clock, address_max, window_s)
        self._subjects = Throttle(clock, subject_max, window_s)

    def begin(self, subject: str, remote_address: str) -> "LogInAttempt":
        """Starts an attempt, which counts as a failure until its result is set. Raises TooManyRequests if it is
        throttled."""
        address = throttling_key(remote_address)
        known = (subject, address) in self.known
        counted = [(self.pairs, f"{subject}\0{address}")]
        if not known:
            counted += [(self._addresses, address), (self._subjects, subject)]
        try:
            for throttle, key in counted:
                throttle.check(key)
        except TooManyRequests:
            self.failures.throttled[self.kind] += 1
            raise
        for throttle, key in counted:
            throttle.count(key)
        return LogInAttempt(self, (subject, address), counted, known)


class LogInAttempt:
    """One attempt with a credential that can be guessed.

    Attributes:
        known: the subject has succeeded from this address before.
    """

    def __init__(
        self, guesses: GuessThrottle, pair: tuple[str, str], counted: list[tuple[Throttle, str]], known: bool
    ) -> None:
        self._guesses = guesses
        self._pair = pair
        self._counted = counted
        self.known = known

    def failed(self, subject: str = "") -> None:
        """Records that the credential was wrong; see :meth:`Failures.note` for ``subject``."""
        self._guesses.failures.note(self._guesses.kind, self._pair[1], subject)

    def succeeded(self) -> None:
        """Records that the credential was right."""
        self.take_back()
        self._guesses.known.put(self._pair, None)
        if self._guesses.forgives:
            self._guesses.pairs.succeeded("\0".join(self._pair))

    def take_back(self) -> None:
        """Cancels the attempt: the credential was not checked."""
        for throttle, key in self._counted:
            throttle.take_back(key)


class FailureThrottle:
    """Throttles addresses that send wrong credentials of a kind that cannot be guessed."""

    def __init__(self, clock: Clock, failures: Failures, kind: Kind, address_max: int, window_s: int) -> None:
        self._kind = kind
        self._failures = failures
        self._addresses = Throttle(clock, address_max, window_s)

    def failed(self, remote_address: str, subject: str = "") -> None:
        """Records a failure; see :meth:`Failures.note` for ``subject``. Raises TooManyRequests if the address has sent
        too many."""
        self._failures.note(self._kind, remote_address, subject)
        try:
            self._addresses.admit(throttling_key(remote_address))
        except TooManyRequests:
            self._failures.throttled[self._kind] += 1
            raise


class LogIns:
    """All throttles of a server."""

    def __init__(self, clock: Clock, account: AccountSettings | None = None, http: ApiSettings | None = None) -> None:
        account, http = account or AccountSettings(), http or ApiSettings()
        of_address = account.login_address_failures_max, account.login_window_s
        self.failures = failures = Failures(clock)
        self.administrators = GuessThrottle(
            clock,
            failures,
            "administrator",
            pair_max=account.login_failures_max,
            address_max=account.login_address_failures_max,
            subject_max=account.login_account_failures_max,
            window_s=account.login_window_s,
            forgives=True,
        )
        self.applications = FailureThrottle(clock, failures, "application", *of_address)
        self.subscribers = FailureThrottle(clock, failures, "subscriber", *of_address)
        of_device = http.certificate_failures_max, http.certificate_window_s
        self.devices = FailureThrottle(clock, failures, "device", *of_device)
        self.device_keys = GuessThrottle(
            clock,
            failures,
            "device_key",
            pair_max=http.certificate_failures_max,
            address_max=http.certificate_failures_max,
            subject_max=http.certificate_project_failures_max,
            window_s=http.certificate_window_s,
            forgives=False,
        )
