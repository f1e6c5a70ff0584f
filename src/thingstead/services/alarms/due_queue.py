"""When which device must be looked at although it reports nothing."""

import heapq


class DueQueue:
    """Devices by the instant (ms, the server's clock) at which each is due; the earliest one of a device counts."""

    def __init__(self) -> None:
        self._due: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []  # holds what is in _due, and older entries that count no more

    def __len__(self) -> int:
        return len(self._due)

    def put(self, device_id: str, due: int) -> None:
        """Notes an instant for a device, unless it is noted for an earlier one."""
        known = self._due.get(device_id)
        if known is None or due < known:
            self._due[device_id] = due
            heapq.heappush(self._heap, (due, device_id))
            if len(self._heap) > 2 * len(self._due) + 1_000:
                self._heap = [(due, device_id) for device_id, due in self._due.items()]
                heapq.heapify(self._heap)

    def hasten(self, now: int) -> None:
        """Has every device due by ``now`` at the latest."""
        for device_id in list(self._due):
            self.put(device_id, now)

    def next_due(self) -> int | None:
        """The earliest instant; None: nothing is noted."""
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, now: int) -> str | None:
        """The device that is due first, taken out; None where none is due by ``now``."""
        due = self.next_due()
        if due is None or due > now:
            return None
        device_id = heapq.heappop(self._heap)[1]
        del self._due[device_id]
        return device_id
