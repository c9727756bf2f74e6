-- Messages that failed for good, one row for each. A NUL in a text is written as U+241B 0, and U+241B as U+241B U+241B.
-- Times are RFC 3339, UTC, milliseconds: they sort as text.
CREATE TABLE failed_messages (
    id              integer PRIMARY KEY AUTOINCREMENT,
    -- The same for two reports of the same failure; see the documentation of SqlSink.
    record_key      blob NOT NULL UNIQUE,
    message_id      text NOT NULL,
    queue           text NOT NULL,
    exchange        text NOT NULL,
    routing_key     text NOT NULL,
    -- exhausted, permanent, undecodable, panic, deadline, delivery-limit
    reason          text NOT NULL,
    error           text NOT NULL,
    -- The texts of the error's sources, outermost first; JSON.
    error_chain     text NOT NULL,
    attempts        integer NOT NULL,
    first_failed_at text NOT NULL,
    last_failed_at  text NOT NULL,
    host            text NOT NULL,
    service         text NOT NULL,
    version         text NOT NULL,
    -- From the header traceparent.
    trace_id        text,
    -- JSON. What AMQP types JSON has no word for is {"$i64": 7}, {"$bytes": "AP8="}…
    properties      text NOT NULL,
    headers         text NOT NULL,
    body            blob NOT NULL,
    stored_at       text NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);
CREATE INDEX failed_messages_by_queue ON failed_messages (queue, last_failed_at);
CREATE INDEX failed_messages_by_message_id ON failed_messages (message_id);
