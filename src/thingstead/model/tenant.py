"""On whose behalf something runs: projects share what is scarce, so that none waits for another's work."""

from contextvars import ContextVar

TENANT: ContextVar[str] = ContextVar("TENANT", default="")  # id of a project; empty: the server, or MQTT sessions
