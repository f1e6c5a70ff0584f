-- MQTT sessions that outlive their connections. The server holds them in memory and writes what changes here.
CREATE TABLE mqtt_sessions (
    number INTEGER PRIMARY KEY,
    client_id TEXT NOT NULL,
    device_number INTEGER REFERENCES devices (number) ON DELETE CASCADE, -- NULL: a client of the open port
    expiry_s INTEGER NOT NULL,
    expires_at INTEGER,
    connected INTEGER NOT NULL,
    will BLOB NOT NULL,
    will_delay_s INTEGER NOT NULL,
    will_at INTEGER,
    sent_seq INTEGER NOT NULL
) STRICT;
CREATE INDEX mqtt_sessions_of_device ON mqtt_sessions (device_number) WHERE device_number IS NOT NULL;

CREATE TABLE mqtt_subscriptions (
    session INTEGER NOT NULL REFERENCES mqtt_sessions (number) ON DELETE CASCADE,
    topic_filter TEXT NOT NULL,
    options INTEGER NOT NULL,
    identifier INTEGER NOT NULL,
    PRIMARY KEY (session, topic_filter)
) STRICT, WITHOUT ROWID;

CREATE TABLE mqtt_messages (
    number INTEGER PRIMARY KEY,
    packet BLOB NOT NULL,
    expires_at INTEGER
) STRICT;

CREATE TABLE mqtt_queue (
    session INTEGER NOT NULL REFERENCES mqtt_sessions (number) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    message INTEGER NOT NULL,
    packet_id INTEGER NOT NULL,
    qos INTEGER NOT NULL,
    retain INTEGER NOT NULL,
    identifiers TEXT NOT NULL,
    share TEXT NOT NULL,
    released INTEGER NOT NULL,
    PRIMARY KEY (session, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX mqtt_queue_by_message ON mqtt_queue (message);

-- A message is kept as long as anyone waits for it.
CREATE TRIGGER mqtt_message_done AFTER DELETE ON mqtt_queue
WHEN NOT EXISTS (SELECT 1 FROM mqtt_queue WHERE message = OLD.message)
BEGIN
    DELETE FROM mqtt_messages WHERE number = OLD.message;
END;

-- Packet identifiers of QoS 2 messages from clients that were not released yet.
CREATE TABLE mqtt_received (
    session INTEGER NOT NULL REFERENCES mqtt_sessions (number) ON DELETE CASCADE,
    packet_id INTEGER NOT NULL,
    PRIMARY KEY (session, packet_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE mqtt_retained (
    topic TEXT PRIMARY KEY,
    packet BLOB NOT NULL,
    expires_at INTEGER
) STRICT, WITHOUT ROWID;
