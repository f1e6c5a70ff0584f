"""Background work of several projects: a worker for each, so that none waits for another."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

RETRY_S = 5.0  # delay before the work of a project is tried again that could not go on


class ProjectWorkers:
    """Does the work of all projects that have some.

    Args:
        name: of the workers, for people.
        list_projects: ids of the projects with work; an id may come more than once.
        work: does the work of a project until none is left.
    """

    def __init__(
        self,
        name: str,
        list_projects: Callable[[], Awaitable[Iterable[str]]],
        work: Callable[[str], Awaitable[None]],
    ) -> None:
        self._name = name
        self._list_projects = list_projects
        self._work = work
        self._news = asyncio.Event()
        self.tell = self._news.set  # call it when there is new work

    async def run(self) -> None:
        """Returns when no project has work. A worker that fails is started again after RETRY_S; if it was the only one,
        its error is raised."""
        workers: dict[str, asyncio.Task[None]] = {}
        held: dict[str, float] = {}  # until when failed projects wait, in s
        try:
            while True:
                self._news.clear()
                now_s = asyncio.get_running_loop().time()
                for project_id in dict.fromkeys(await self._list_projects()):
                    if project_id not in workers and held.get(project_id, 0.0) <= now_s:
                        workers[project_id] = asyncio.create_task(self._work_of(project_id), name=self._name)
                if not workers:
                    return
                await self._wait(workers.values())
                for project_id in [project_id for project_id, worker in workers.items() if worker.done()]:
                    failure = workers.pop(project_id).exception()
                    if failure is not None:
                        if not workers:
                            raise failure
                        held[project_id] = asyncio.get_running_loop().time() + RETRY_S
        finally:
            for worker in workers.values():
                worker.cancel()
            if workers:
                await asyncio.wait(workers.values())

    async def _work_of(self, project_id: str) -> None:
        await self._work(project_id)

    async def _wait(self, workers: Iterable[asyncio.Task[None]]) -> None:
        """Waits until a worker has ended, there is news, or a failed worker may be due."""
        news = asyncio.create_task(self._news.wait())
        try:
            await asyncio.wait({news, *workers}, timeout=RETRY_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()
