"""The address of a database, with its password from a file."""

import re
from pathlib import Path
from typing import Any

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from thingstead.errors import ConfigError

CONNECT_TIMEOUT_S = 3
SCHEMES = ("postgresql", "postgres")
UNKNOWN_PARAMETER = "invalid URI query parameter"  # how libpq begins the one message that helps
MALFORMED = (
    "must be an address of PostgreSQL, postgresql://user@host:5432/name; a character such as @ : / ? # % in a user or "
    "password must be percent-encoded there (@ is %40), or put the password into database_password_file as it is"
)
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
    parameters = _parsed(database)
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


def _parsed(database: str) -> dict[str, Any]:
    """The parameters of an address. Errors quote no part of it that could be of its password."""
    scheme, url, rest = database.partition("://")
    authority = re.split("[/?]", rest, maxsplit=1)[0]
    if url and (scheme not in SCHEMES or authority.count("@") > 1 or "@" in rest[len(authority) :]):
        raise ConfigError(f"database: {MALFORMED}")
    try:
        return conninfo_to_dict(database)
    except ProgrammingError as exc:
        text = str(exc).strip()
        raise ConfigError(f"database: {text if text.startswith(UNKNOWN_PARAMETER) else MALFORMED}") from None


def described(conninfo: str) -> str:
    """``host:port/name``, for people and logs: no password, no user."""
    parameters = conninfo_to_dict(conninfo)
    host = str(parameters.get("host") or parameters.get("hostaddr") or "localhost")
    host = f"[{host}]" if ":" in host and "," not in host else host
    return f"{host}:{parameters.get('port') or 5432}/{parameters.get('dbname') or ''}"


def _password(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not text"
        raise ConfigError(f"database_password_file: {file} cannot be read: {reason}") from exc
