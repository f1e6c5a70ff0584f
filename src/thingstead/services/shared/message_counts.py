"""Counts the messages of each project since they were taken last."""

from thingstead.model.console.message_stat import MessageTally

NOTHING = MessageTally()


class MessageCounts:
    """A tally for each project. It stays the same object, so that a connection keeps that of its project."""

    def __init__(self) -> None:
        self._projects: dict[str, MessageTally] = {}

    def of(self, project_id: str) -> MessageTally:
        """The tally of a project, to add to."""
        tally = self._projects.get(project_id)
        if tally is None:
            tally = self._projects[project_id] = MessageTally()
        return tally

    def take(self) -> dict[str, MessageTally]:
        """What was counted, by project; projects without any are left out. Counts from 0 again."""
        taken = {}
        for project_id, tally in self._projects.items():
            if tally == NOTHING:
                continue
            taken[project_id] = MessageTally()
            taken[project_id].add(tally)
            for name in tally.__struct_fields__:
                setattr(tally, name, 0)
        return taken

    def give_back(self, taken: dict[str, MessageTally]) -> None:
        """Adds what :meth:`take` returned, because it could not be stored."""
        for project_id, tally in taken.items():
            self.of(project_id).add(tally)
