"""Failed log-ins: throttles accounts and addresses, counts and logs runs of failures.

A credential that is random (of an application, a subscriber, a device) cannot be guessed, so a right one always passes,
and failures only slow down further wrong ones of their address. A password, or a DeviceKey, can be guessed: whoever
guesses must wait before it is looked at, by what is guessed and by address, so that nobody shuts anybody out from
elsewhere.
"""

from collections import Counter
from typing import Literal, get_args

import structlog

from thingstead.clock import Clock
from thingstead.config import AccountSettings, ApiSettings
from thingstead.errors import TooManyRequests
from thingstead.model.addresses import throttling_key
from thingstead.services.shared.lru import Lru
from thingstead.services.shared.rate_limit import Throttle, TokenBuckets

log = structlog.get_logger("thingstead.log_ins")

Kind = Literal["application", "administrator", "subscriber", "device", "device_key"]

KNOWN_LIMIT = 10_000  # pairs that succeeded and are remembered; over it the one that did so least recently is forgotten
RUN_LEAST = 3  # failures that make a run, which is logged; fewer are typing errors
RUNS_LIMIT = 10_000  # remembered; over it the one that failed least recently is forgotten
RUN_WINDOW_S = 300.0  # a run ends after so long without a failure
RUN_LOG_INTERVAL_S = 60.0  # between two lines about one run …
LOGGED, LOG_INTERVAL_S = 20, 10.0  # … and of one kind of log-in: a few at once, then one in so long


class _Run:
    __slots__ = ("count", "last_s", "logged_s")

    def __init__(self) -> None:
        self.count = 0
        self.last_s = 0.0
        self.logged_s = float("-inf")


class Failures:
    """Counts failed log-ins, and logs runs of them.

    Attributes:
        failed: since the server started, by kind.
        throttled: attempts that were refused since too many had failed before, by kind.
    """

    def __init__(self, clock: Clock) -> None:
        self.failed: Counter[Kind] = Counter(dict.fromkeys(get_args(Kind), 0))
        self.throttled: Counter[Kind] = Counter(dict.fromkeys(get_args(Kind), 0))
        self._clock = clock
        self._runs: Lru[tuple[Kind, str], _Run] = Lru(RUNS_LIMIT)
        self._buckets = TokenBuckets(clock, LOGGED, LOG_INTERVAL_S)

    @property
    def remembered(self) -> int:
        """How many runs are remembered."""
        return len(self._runs)

    def note(self, kind: Kind, remote_address: str, subject: str = "") -> None:
        """One more.

        Args:
            subject: what was tried, where that exists and is no secret: an account, a project.
        """
        self.failed[kind] += 1
        address = throttling_key(remote_address)
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
    """Who may try a credential that can be guessed.

    Args:
        pair_max: failures of one subject (an account, a project) from one address, …
        address_max: … from one address, …
        subject_max: … and of one subject from everywhere, within ``window_s``, before the next ones must wait. An
            address from which the subject's credential was right before is bound by the first alone.
        forgives: success forgets the failures of the pair; else each counts until its time is over.
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
        self.known: Lru[tuple[str, str], None] = Lru(KNOWN_LIMIT)  # subjects and addresses that succeeded once
        self.pairs = Throttle(clock, pair_max, window_s)
        self._addresses = Throttle(clock, address_max, window_s)
        self._subjects = Throttle(clock, subject_max, window_s)

    def begin(self, subject: str, remote_address: str) -> "LogInAttempt":
        """An attempt, which counts as a failure until it is told otherwise; TooManyRequests where it must wait."""
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
    """One try of a credential that can be guessed.

    Attributes:
        known: the subject's credential was right before from this address.
    """

    def __init__(
        self, guesses: GuessThrottle, pair: tuple[str, str], counted: list[tuple[Throttle, str]], known: bool
    ) -> None:
        self._guesses = guesses
        self._pair = pair
        self._counted = counted
        self.known = known

    def failed(self, subject: str = "") -> None:
        """It was wrong; see :meth:`Failures.note` for ``subject``."""
        self._guesses.failures.note(self._guesses.kind, self._pair[1], subject)

    def succeeded(self) -> None:
        """It was right."""
        self.take_back()
        self._guesses.known.put(self._pair, None)
        if self._guesses.forgives:
            self._guesses.pairs.succeeded("\0".join(self._pair))

    def take_back(self) -> None:
        """It was not looked at."""
        for throttle, key in self._counted:
            throttle.take_back(key)


class FailureThrottle:
    """Slows down wrong credentials of a kind that cannot be guessed, by address."""

    def __init__(self, clock: Clock, failures: Failures, kind: Kind, address_max: int, window_s: int) -> None:
        self._kind = kind
        self._failures = failures
        self._addresses = Throttle(clock, address_max, window_s)

    def failed(self, remote_address: str, subject: str = "") -> None:
        """One was wrong; see :meth:`Failures.note` for ``subject``. Raises TooManyRequests where the address has sent
        too many of them."""
        self._failures.note(self._kind, remote_address, subject)
        try:
            self._addresses.admit(throttling_key(remote_address))
        except TooManyRequests:
            self._failures.throttled[self._kind] += 1
            raise


class LogIns:
    """The throttles of one server."""

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
