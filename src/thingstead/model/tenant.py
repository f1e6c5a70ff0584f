"""The project for which the current task works: projects share limited resources fairly."""

from contextvars import ContextVar

TENANT: ContextVar[str] = ContextVar("TENANT", default="")  # id of a project; empty: the server, or MQTT sessions
