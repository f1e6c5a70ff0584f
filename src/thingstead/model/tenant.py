"""On whose behalf something runs: projects share what is scarce, so that none waits for another's work."""

from contextvars import ContextVar

TENANT: ContextVar[str] = ContextVar("TENANT", default="")  # a project's id; empty: the server's own work, or sessions
