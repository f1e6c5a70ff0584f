"""The address of a database, with its password from a file."""

from pathlib import Path
from typing import Any

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from thingstead.errors import ConfigError

CONNECT_TIMEOUT_S = 3
# Both ends notice within some seconds that the other is gone, so that no half-open connection holds a lock for long.
SESSION_TIMEOUTS = {
    "tcp_user_timeout": "10s",
    "tcp_keepalives_idle": "2s",
    "tcp_keepalives_interval": "2s",
    "tcp_keepalives_count": "3",
    "idle_in_transaction_session_timeout": "5s",
}


def database_conninfo(database: str, password_file: str = "") -> str:
    """What libpq connects with: the parameters of a URL or of a connection string, the password of the file, and time
    limits.

    Raises:
        ConfigError: the setting is malformed, or the file cannot be read.
    """
    try:
        parameters = conninfo_to_dict(database)
    except ProgrammingError as exc:
        raise ConfigError(
            "database: is not an address of PostgreSQL (postgresql://user@host:5432/name): " + str(exc).strip()
        ) from None
    if not parameters.get("dbname") and not parameters.get("service"):
        raise ConfigError("database: must name the database: postgresql://user@host:5432/name")
    if password_file:
        parameters["password"] = _password(Path(password_file))
    options = " ".join(f"-c {name}={value}" for name, value in SESSION_TIMEOUTS.items())
    mine: dict[str, Any] = {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "keepalives_idle": 2,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
        "options": f"{parameters.pop('options', '')} {options}".strip(),
    }
    return make_conninfo("", **{**mine, **parameters})


def described(conninfo: str) -> str:
    """``host:port/name``, for people and logs: no password, no user."""
    parameters = conninfo_to_dict(conninfo)
    host = parameters.get("host") or parameters.get("hostaddr") or "localhost"
    return f"{host}:{parameters.get('port') or 5432}/{parameters.get('dbname') or ''}"


def _password(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not text"
        raise ConfigError(f"database_password_file: {file} cannot be read: {reason}") from exc
