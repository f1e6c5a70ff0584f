-- Whose days the days of a project are: a UTC offset such as +08:00, or an IANA name such as Asia/Shanghai.
ALTER TABLE projects ADD COLUMN timezone TEXT NOT NULL DEFAULT '+00:00';
