-- The nodes of this database. A node joins before it may migrate anything else, so these objects stand apart from the
-- numbered schema, and change only in ways that every release understands.
CREATE TABLE IF NOT EXISTS nodes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- one run of a node
    name text COLLATE "C" NOT NULL,
    address text COLLATE "C" NOT NULL, -- where people reach it
    version text COLLATE "C" NOT NULL, -- release
    active boolean NOT NULL DEFAULT false,
    renewed bigint NOT NULL DEFAULT 0, -- number of renewals; others judge by its change
    joined_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    renewed_at timestamptz NOT NULL DEFAULT clock_timestamp() -- for people
);
CREATE UNIQUE INDEX IF NOT EXISTS nodes_active ON nodes (active) WHERE active;

CREATE TABLE IF NOT EXISTS streams (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- one activity of a node: everything that it writes
    node bigint NOT NULL,
    open boolean NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    closed_at timestamptz
);
CREATE UNIQUE INDEX IF NOT EXISTS streams_open ON streams (open) WHERE open;

-- Every transaction that writes begins with this: it holds the stream open until its end, and fails if it is closed.
-- FOR SHARE, because closing must wait for it; FOR KEY SHARE would not.
CREATE OR REPLACE FUNCTION fence(stream bigint) RETURNS xid8 LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM streams WHERE id = stream AND open FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'stream % is closed: another node is active', stream USING ERRCODE = 'TS001';
    END IF;
    RETURN pg_current_xact_id();
END $$;
