-- Messages that failed for good, one row for each. A NUL in a text is written as U+241B 0, and U+241B as U+241B U+241B.
CREATE TABLE failed_messages (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The same for two reports of the same failure; see the documentation of SqlSink.
    record_key      bytea NOT NULL UNIQUE,
    message_id      text NOT NULL,
    queue           text NOT NULL,
    exchange        text NOT NULL,
    routing_key     text NOT NULL,
    -- exhausted, permanent, undecodable, panic, deadline, delivery-limit
    reason          text NOT NULL,
    error           text NOT NULL,
    -- The texts of the error's sources, outermost first.
    error_chain     jsonb NOT NULL,
    attempts        bigint NOT NULL,
    first_failed_at timestamptz NOT NULL,
    last_failed_at  timestamptz NOT NULL,
    host            text NOT NULL,
    service         text NOT NULL,
    version         text NOT NULL,
    -- From the header traceparent.
    trace_id        text,
    -- What AMQP types JSON has no word for is {"$i64": 7}, {"$bytes": "AP8="}…
    properties      jsonb NOT NULL,
    headers         jsonb NOT NULL,
    body            bytea NOT NULL,
    stored_at       timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX failed_messages_by_queue ON failed_messages (queue, last_failed_at);
-- By hash: an id of any length fits.
CREATE INDEX failed_messages_by_message_id ON failed_messages USING hash (message_id);
