-- Which releases opened this database: the last one to open it is named to a program that is too old for it.

CREATE TABLE releases (
    release TEXT PRIMARY KEY,
    schema_version INTEGER NOT NULL,
    first_opened_at INTEGER NOT NULL,
    last_opened_at INTEGER NOT NULL
) STRICT;
