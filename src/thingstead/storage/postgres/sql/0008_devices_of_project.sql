-- oldest reader: 7
-- All devices of a project, with what lists need of each, without a look at its row: SQLite has the like in its others.
CREATE INDEX devices_of_project ON devices (project_id, number) INCLUDE (id);
