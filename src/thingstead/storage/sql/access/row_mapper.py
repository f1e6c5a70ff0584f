"""Maps structs to rows: one column a member, of the same name; JSON for members that are not plain values."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from thingstead.errors import Conflict, NotFound
from thingstead.model.audit.differences import differences
from thingstead.model.audit.log import Edit
from thingstead.model.versions import VERSION
from thingstead.storage.sql.access.audit import details_wanted, note, version_conflict
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.errors import unstorable

S = TypeVar("S", bound=msgspec.Struct)

_ENCODER = msgspec.json.Encoder()
# Members that say nothing to people about what was changed.
NAMED_BY = ("name", "account")  # the member that people know a thing by
UNRECORDED = frozenset({"id", "project_id", "create_time", "update_time", "number", "token_epoch", "failing", VERSION})


def to_json(value: Any) -> str:
    """Encodes as JSON text. Raises OverflowError or UnicodeEncodeError for values that JSON cannot represent."""
    return _ENCODER.encode(value).decode()


def _check(stored: Any) -> None:
    """Raises OverflowError or UnicodeEncodeError for a value that no engine can store."""
    if isinstance(stored, int):
        stored.to_bytes(8, "big", signed=True)
    elif isinstance(stored, str) and not stored.isascii():
        stored.encode()


class Layout(Generic[S]):
    """Maps one struct to a table, and makes its SQL.

    Args:
        table: name of the table.
        json: members stored as JSON text.
        fixed: members that an update cannot change.
        counted: members that triggers of the database maintain; read, never written.
        absent: members that have no column.
        derived: further columns, with the function that computes each from a new struct.
        scope: column with the id of the row's project.
        kind: name of the type of object in the audit log; empty: its changes are not recorded.
        secret: members whose values the audit log hides.

    If the struct has a ``version``, each update increments it; an update that names a version is refused if the row has
    another one.
    """

    def __init__(
        self,
        table: str,
        struct: type[S],
        *,
        json: Collection[str] = (),
        fixed: Collection[str] = ("id", "project_id", "create_time"),
        counted: Collection[str] = (),
        absent: Collection[str] = (),
        derived: Mapping[str, Callable[[S], Any]] | None = None,
        scope: str = "project_id",
        kind: str = "",
        secret: Collection[str] = (),
    ) -> None:
        fields = [field for field in msgspec.structs.fields(struct) if field.name not in absent]
        self._struct = struct
        self._names = tuple(field.name for field in fields)
        self._versioned = VERSION in self._names
        self._written = tuple(name for name in self._names if name not in {*counted, VERSION})
        self._json = frozenset(json)
        self._changeable = frozenset(self._written).difference(fixed)
        self._loaders: list[tuple[int, Callable[[Any], Any]]] = []
        for index, field in enumerate(fields):
            if field.name in self._json:
                self._loaders.append((index, msgspec.json.Decoder(field.type).decode))
            elif field.type is bool:
                self._loaders.append((index, bool))
        self._derived = tuple((derived or {}).values())
        self._derive = f"UPDATE {table} SET {', '.join(f'{name} = ?' for name in derived or ())} WHERE id = ?"  # noqa: S608 - as below
        columns = ", ".join((*self._written, *(derived or {})))
        self._marks = f"({', '.join('?' * (len(self._written) + len(self._derived)))})"
        self._table = table
        self._scope = scope
        self.kind = kind
        self._secret = frozenset(secret)
        self._recorded = frozenset(self._written) - UNRECORDED
        self._in_project = f"WHERE id = ? AND {scope} = ?"
        self.insert = f"INSERT INTO {table} ({columns}) VALUES {self._marks}"  # noqa: S608 - names of our own members
        self._numbered = "number" in counted
        self._insert = f"{self.insert} RETURNING number" if self._numbered else self.insert
        self.select = f"SELECT {', '.join(self._names)} FROM {table}"  # noqa: S608 - as above
        self._select_id = f"SELECT id FROM {table} {self._in_project}"  # noqa: S608 - as above
        self._delete = f"DELETE FROM {table} {self._in_project}"  # noqa: S608 - as above
        self.select_one = f"{self.select} {self._in_project}"  # parameters: id, project_id

    @property
    def width(self) -> int:
        """Number of columns of :attr:`select`."""
        return len(self._names)

    def columns(self, alias: str) -> str:
        """Columns of :attr:`select` for a statement in which the table has the alias ``alias``."""
        return ", ".join(f"{alias}.{name}" for name in self._names)

    def load(self, row: Sequence[Any], **absent: Any) -> S:
        """Makes the struct from a row of :attr:`select` and the members without a column."""
        values = list(row)
        for index, load in self._loaders:
            values[index] = load(values[index])
        return self._struct(**dict(zip(self._names, values, strict=True)), **absent)

    def row(self, value: S) -> list[Any]:
        """Parameters of :attr:`insert`.

        Raises:
            InvalidInput: a member is not valid JSON, not valid text, or an integer over 64 bits. Raised here and not in
                the writer thread, so that the caller knows before it shares a commit.
        """
        try:
            stored = [self._stored(name, getattr(value, name)) for name in self._written]
            for each in stored:
                _check(each)
        except (OverflowError, UnicodeEncodeError) as exc:
            raise unstorable(exc) from exc
        stored.extend(derive(value) for derive in self._derived)
        return stored

    def add(self, connection: Connection, value: S) -> int:
        """Inserts a row. Returns its number, if the table has one."""
        if connection.dialect.tells_numbers:
            number = connection.execute(self.insert, self.row(value)).lastrowid or 0
        else:
            added = connection.execute(self._insert, self.row(value))
            number = added.fetchone()[0] if self._numbered else 0
        self._note(value, "create", {}, self._members(value))
        return number

    def add_many(self, connection: Connection, values: Sequence[S]) -> dict[str, int]:
        """Inserts rows of a table with numbers by one statement: all, or none. Returns their numbers by id."""
        sql = f"{self.insert}{f', {self._marks}' * (len(values) - 1)} RETURNING id, number"
        added = connection.execute(sql, [member for value in values for member in self.row(value)])
        numbers = dict(added.fetchall())
        for value in values:
            self._note(value, "create", {}, self._members(value))
        return numbers

    def exists(self, connection: Connection, project_id: str, row_id: str) -> bool:
        """Whether the project has a row with this id."""
        return connection.execute(self._select_id, (row_id, project_id)).fetchone() is not None

    def delete(self, connection: Connection, project_id: str, row_id: str, missing: str) -> None:
        """Deletes a row of the project. Raises NotFound with the code ``missing`` if there is none."""
        before = self._read(connection, project_id, row_id)
        if connection.execute(self._delete, (row_id, project_id)).rowcount == 0:
            raise NotFound(missing)
        if before is not None:
            self._note(before, "remove", self._members(before), {})

    def check_changes(self, changes: Mapping[str, Any]) -> None:
        """Raises ValueError if an update names a member that it cannot change: a bug in the caller, not an error of the
        user."""
        unknown = changes.keys() - self._changeable - ({VERSION} if self._versioned else set())
        if unknown:
            raise ValueError(f"not to be changed: {', '.join(sorted(unknown))}")

    def update(
        self, connection: Connection, project_id: str, row_id: str, changes: Mapping[str, Any], missing: str
    ) -> None:
        """Changes a row of the project.

        Args:
            changes: members and their new values; a ``version`` is the one that the row must have.

        Raises:
            NotFound: there is no such row; it has the code ``missing``.
            Conflict: the row has another version; ``info`` says which.
        """
        self.check_changes(changes)
        changed = {name: value for name, value in changes.items() if name != VERSION}
        sets = [f"{name} = ?" for name in changed] or ["create_time = create_time"]
        where, wanted = self._in_project, [row_id, project_id]
        if self._versioned:
            sets.append("version = version + 1")
            if VERSION in changes:
                where, wanted = f"{where} AND version = ?", [*wanted, changes[VERSION]]
        values = [self._stored(name, value) for name, value in changed.items()]
        sql = f"UPDATE {self._table} SET {', '.join(sets)} {where}"  # noqa: S608 - as above
        before = self._read(connection, project_id, row_id)
        if connection.execute(sql, (*values, *wanted)).rowcount == 0:
            raise self._not_updated(connection, project_id, row_id, missing)
        if before is not None:
            old = self._members(before)
            new = {name: value for name, value in changed.items() if name in self._recorded}
            self._note(before, "update", {name: old[name] for name in new}, new)

    def _read(self, connection: Connection, project_id: str, row_id: str) -> S | None:
        """The row before a change that is recorded."""
        row = connection.execute(self.select_one, (row_id, project_id)).fetchone() if self.kind else None
        if row is None:
            return None
        return self.load(row)

    def _members(self, value: S) -> dict[str, Any]:
        return {name: getattr(value, name) for name in self._names if name in self._recorded}

    def _note(self, value: S, action: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        if not self.kind:
            return
        name = next((str(each) for each in (getattr(value, name, "") for name in NAMED_BY) if each), "")
        version = 0 if action == "remove" else getattr(value, VERSION, 0) + (action == "update")
        changes = differences(before, after, secret=self._secret) if details_wanted() else ()
        project_id, row_id = (getattr(value, member) for member in (self._scope, "id"))
        note(Edit(project_id, self.kind, row_id, name, action, changes, version))

    def note_devices(
        self, connection: Connection, project_id: str, row_id: str, action: str, device_ids: Sequence[str]
    ) -> None:
        """Notes what was done with devices to a row of the project, which stays as it is."""
        value = self._read(connection, project_id, row_id)
        if value is not None:
            self._note(value, action, {}, {"devices": list(device_ids)})

    def derive(self, connection: Connection, project_id: str, row_id: str) -> None:
        """Writes anew what is derived from the members of a row of the project that was changed."""
        value = self.load(connection.execute(self.select_one, (row_id, project_id)).fetchone())
        connection.execute(self._derive, (*(derive(value) for derive in self._derived), row_id))

    def _not_updated(self, connection: Connection, project_id: str, row_id: str, missing: str) -> NotFound | Conflict:
        if not self._versioned:
            return NotFound(missing)
        sql = f"SELECT version FROM {self._table} {self._in_project}"  # noqa: S608 - as above
        row = connection.execute(sql, (row_id, project_id)).fetchone()
        if row is None:
            return NotFound(missing)
        return version_conflict(connection, project_id, self.kind, row_id, row[0])

    def merge_tags(
        self,
        connection: Connection,
        project_id: str,
        row_id: str,
        put: Mapping[str, str],
        remove: Sequence[str],
        missing: str,
    ) -> None:
        """Removes, then puts tags of a row of the project. Raises NotFound with the code ``missing`` if there is
        none."""
        row = connection.execute(
            f"SELECT tags FROM {self._table} {self._in_project}",  # noqa: S608 - as above
            (row_id, project_id),
        ).fetchone()
        if row is None:
            raise NotFound(missing)
        tags: dict[str, str] = msgspec.json.decode(row[0])
        for key in remove:
            tags.pop(key, None)
        self.update(connection, project_id, row_id, {"tags": {**tags, **put}}, missing)

    def _stored(self, name: str, value: Any) -> Any:
        return to_json(value) if name in self._json else value
