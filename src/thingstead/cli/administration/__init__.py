"""Commands that manage an installation, beside a running server or without one."""
