"""Pages of lists: by number, or behind a cursor, which neither repeats nor skips what stays in the list. A page is
bounded in records and in bytes."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from thingstead.model import limits
from thingstead.model.device import Page
from thingstead.model.values.unicode_text import search_form
from thingstead.storage.sql.access.connection import Connection, Cursor
from thingstead.storage.sql.access.queries import Row


class Order(NamedTuple):
    """Sort order of a list: columns of which the last is unique."""

    columns: tuple[str, ...]
    descending: bool = False

    def __str__(self) -> str:
        return ", ".join(f"{column} DESC" if self.descending else column for column in self.columns)

    def behind(self, page: Page) -> tuple[str, tuple[Any, ...]]:
        """Condition and parameters for the rows of a page. Raises InvalidInput if its cursor belongs to another
        list."""
        cursor = page.cursor
        if cursor is None:
            return "TRUE", ()
        cursor.begin(self._name, len(self.columns))
        if not cursor.after:
            return "TRUE", ()
        marks = ", ".join("?" * len(self.columns))
        return f"({', '.join(self.columns)}) {'<' if self.descending else '>'} ({marks})", cursor.after

    @property
    def _name(self) -> str:
        return ("-" if self.descending else "") + ",".join(self.columns)


def in_project(project_id: str, keyword: str | None) -> tuple[str, tuple[Any, ...]]:
    """The condition of a list of a project, and its parameters.

    Args:
        keyword: what the ``search_text`` of its items must contain.
    """
    if keyword is None:
        return "project_id = ?", (project_id,)
    return "project_id = ? AND instr(search_text, ?) > 0", (project_id, search_form(keyword))


def fetch(found: Cursor, page: Page) -> tuple[list[Row], bool]:
    """The rows of one page, and whether more may follow. A page with a cursor ends early before a row that would make
    it larger than PAGE_BYTES; a page with a number cannot, because the next number would skip rows.

    Raises:
        InvalidInput: on ``page_records``, if a page with a number would be too large.
    """
    rows: list[Row] = []
    size_bytes = 0
    for row in found:
        size_bytes += sum(_size_bytes(value) for value in row)
        if size_bytes > limits.PAGE_BYTES and rows:
            if page.cursor is None:
                raise limits.page_too_large(len(rows))
            return rows, True
        rows.append(row)
    return rows, len(rows) == page.records


def _size_bytes(value: Any) -> int:
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode())
    return len(value) if isinstance(value, bytes) else 0


def read_page(
    connection: Connection,
    select: str,
    source: str,
    where: str,
    parameters: Sequence[Any],
    order: Order,
    page: Page,
    *,
    by_id: bool = False,
) -> tuple[list[Row], int]:
    """The rows of one page, and the total.

    Args:
        select: the statement up to its condition.
        source: table of the sort columns with its alias, for statements that need no other table.
        where: condition of the whole list; its values are ``parameters``.
        by_id: whether an index alone has the ids of the page, so that only its own rows are read.
    """
    behind, after = order.behind(page)
    wanted = f"WHERE ({where}) AND {behind} ORDER BY {order} LIMIT ? OFFSET ?"
    rest = f"WHERE id IN (SELECT id FROM {source} {wanted}) ORDER BY {order}" if by_id else wanted  # noqa: S608 - words of our modules
    found = connection.execute(f"{select} {rest}", (*parameters, *after, page.records, page.offset))
    rows, more = fetch(found, page)
    count = connection.execute(f"SELECT count(*) FROM {source} WHERE {where}", parameters)  # noqa: S608 - as above
    if page.cursor is not None:
        keys = None
        if more:
            last = f"SELECT {', '.join(order.columns)} FROM {source} {wanted}"  # noqa: S608 - as above
            keys = connection.execute(last, (*parameters, *after, 1, len(rows) - 1)).fetchone()
        page.cursor.move(keys)
    return rows, count.fetchone()[0]
