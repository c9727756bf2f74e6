//! A fail sink that only writes a line.

use actix::{Actor, Context, Handler};
use tracing::error;

use super::{FailedMessage, SinkError};

/// Writes every failed message to the log and lets it go: for messages that will never be sent again.
///
/// The message then exists only in the log, without its body. It is as durable as your logs are.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogSink;

impl Actor for LogSink {
    type Context = Context<Self>;
}

impl Handler<FailedMessage> for LogSink {
    type Result = Result<(), SinkError>;

    fn handle(&mut self, failed: FailedMessage, _: &mut Self::Context) -> Self::Result {
        error!(
            event = "message_logged",
            queue = %failed.queue,
            message_id = %failed.message_id,
            attempts = failed.attempts,
            reason = %failed.reason,
            error = %failed.error,
            causes = (!failed.error_chain.is_empty()).then(|| failed.error_chain.join(": ")),
            body_bytes = failed.body.len(),
            "the message failed for good and is kept in this log only"
        );
        Ok(())
    }
}
