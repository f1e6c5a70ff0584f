"""The project for which the current task works: projects share limited resources fairly."""

from contextvars import ContextVar

# Id of a project, or of the share of its scoped tokens; empty: the server, or MQTT sessions.
TENANT: ContextVar[str] = ContextVar("TENANT", default="")
