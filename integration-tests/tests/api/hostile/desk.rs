//! The handler of one queue, and what it saw.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use garenne::prelude::*;

use crate::api::support::{Gate, Seen};

/// How the body of a good message that waits at the gate begins.
pub(super) const SLOW: &str = "slow ";
/// How that of one begins that is handled at once.
pub(super) const QUICK: &str = "quick ";

/// A larger body is not printed.
const PRINTED: usize = 1_000;

/// What the handler of one queue does and notes.
#[derive(Clone)]
pub(super) struct Desk {
    gate: Gate,
    /// The bodies of good messages, as their runs begin and as they end.
    pub(super) begun: Seen<String>,
    pub(super) done: Seen<String>,
    /// The attempts at odd messages, in their order.
    pub(super) odd: Seen<u32>,
    /// What was handed out before. Nothing is, while no link is lost.
    pub(super) redelivered: Seen<String>,
    odd_runs: Arc<AtomicU32>,
}

impl Desk {
    pub(super) fn behind(gate: &Gate) -> Self {
        Self {
            gate: gate.clone(),
            begun: Seen::default(),
            done: Seen::default(),
            odd: Seen::default(),
            redelivered: Seen::default(),
            odd_runs: Arc::default(),
        }
    }

    /// Good messages succeed, slow ones when the gate is open. Of the runs on odd ones the first succeeds,
    /// the second fails in passing, and all others for good.
    pub(super) async fn handle(self, message: Delivery<Bytes>) -> Result<(), Failure> {
        let text = look_at(&message);
        if message.redelivered() {
            self.redelivered.note(text.clone());
        }
        if text.starts_with(QUICK) || text.starts_with(SLOW) {
            self.begun.note(text.clone());
            if text.starts_with(SLOW) {
                self.gate.pass().await;
            }
            self.done.note(text);
            return Ok(());
        }
        self.odd.note(message.attempt().number());
        match self.odd_runs.fetch_add(1, Ordering::SeqCst) {
            0 => Ok(()),
            1 => Err(Failure::transient("odd")),
            _ => Err(Failure::permanent("odd")),
        }
    }
}

/// Asks a message for everything that it can tell, and gives its body as a text. None of that may
/// panic, whatever the message is.
fn look_at(message: &Delivery<Bytes>) -> String {
    let _seen = (
        message.message_id().map(str::len),
        message.exchange().len(),
        message.routing_key().len(),
        message.reply_to().map(str::len),
        message.header("retry_nums").is_some(),
        message.properties(),
    );
    if message.bytes().len() > PRINTED {
        return "large".to_owned();
    }
    let _printed = format!("{message:?}");
    String::from_utf8_lossy(message.bytes()).into_owned()
}
