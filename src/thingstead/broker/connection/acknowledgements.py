"""Queues acknowledgements until their commits end, and sends them in the order of the messages."""

from collections.abc import Callable

from thingstead.services.shared.commits import Commit


class _Group:
    """Consecutive answers that wait for the same commit."""

    __slots__ = ("answers", "count", "counted", "late", "pending")

    def __init__(self, pending: Commit) -> None:
        self.pending = pending
        self.answers: list[bytes] = []  # each for one message or for several consecutive ones
        self.count = 0  # messages that these answer
        self.counted = 0
        self.late: Callable[[], bytes] | None = None  # makes the first answer once ``pending`` has ended


class Acknowledgements:
    """Queue of the answers of one connection that wait for commits.

    [MQTT-4.6.0-2] PUBACK packets are sent in the order of the PUBLISH packets, so an answer that needs no commit still
    waits behind those that do. One callback is registered for each commit, not for each message.

    Args:
        release: called with the bytes of answers to be sent, in order, and how many of them acknowledge QoS 1.
        failed: called once when a commit has failed; no answer is released after that.

    Attributes:
        waiting: answers that have not been released.
    """

    __slots__ = ("_failed", "_groups", "_release", "waiting")

    def __init__(self, release: Callable[[bytes, int], None], failed: Callable[[Exception], None]) -> None:
        self._release = release
        self._failed: Callable[[Exception], None] | None = failed
        self._groups: list[_Group] = []  # usually one or two
        self.waiting = 0

    def add(self, pending: Commit | None, answer: bytes, counted: int) -> bool:
        """Queues an answer until ``pending`` has ended; ``counted`` is 1 if it acknowledges QoS 1.

        Returns:
            False if there is nothing to wait for: the answer was not queued, and the caller must write it.
        """
        groups = self._groups
        if groups and (pending is None or pending is groups[-1].pending):
            group = groups[-1]
        elif pending is None:
            return False
        else:
            group = self._begin(pending)
        group.answers.append(answer)
        group.count += 1
        group.counted += counted
        self.waiting += 1
        if group.pending.done:
            self._ended(group.pending.error)
        return True

    def add_late(self, pending: Commit, answer: Callable[[], bytes], counted: int) -> None:
        """Queues an answer that is made when ``pending`` has ended. No other message may wait for ``pending``."""
        group = self._begin(pending)
        group.late = answer
        group.count = 1
        group.counted += counted
        self.waiting += 1
        if pending.done:
            self._ended(pending.error)

    def add_run(self, pending: Commit, answers: bytes, count: int, counted: int) -> None:
        """Queues ``count`` answers as one piece of bytes until ``pending`` has ended; ``counted`` of them acknowledge
        QoS 1."""
        groups = self._groups
        group = groups[-1] if groups and groups[-1].pending is pending else self._begin(pending)
        group.answers.append(answers)
        group.count += count
        group.counted += counted
        self.waiting += count
        if pending.done:
            self._ended(pending.error)

    def _begin(self, pending: Commit) -> _Group:
        group = _Group(pending)
        self._groups.append(group)
        if not pending.done:
            pending.on_done(self._ended)
        return group

    def _ended(self, _: Exception | None) -> None:
        groups, counted = self._groups, 0
        answers: list[bytes] = []
        error: Exception | None = None
        while groups and groups[0].pending.done:
            group = groups.pop(0)
            error = group.pending.error
            if error is not None:
                break  # ``failed`` ends the connection: the count no longer matters
            self.waiting -= group.count
            if group.late is not None:
                answers.append(group.late())
            answers += group.answers
            counted += group.counted
        if answers:
            self._release(b"".join(answers), counted)
        if error is not None:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        failed, self._failed = self._failed, None
        self.discard()
        if failed is not None:
            failed(error)

    def discard(self) -> None:
        """Drops all answers; called when the connection has ended."""
        self._groups.clear()
        self.waiting = 0
