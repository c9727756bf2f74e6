//! Trying what a broker may refuse.

use amq_protocol::protocol::{AMQPClass, basic};

use super::lab::Lab;
use super::show;
use super::wire::{Heard, Wire};

/// One connection, on which each attempt gets a channel of its own. An attempt that costs the
/// connection is followed by a new one.
#[derive(Debug)]
pub(crate) struct Trials {
    lab: Lab,
    wire: Wire,
    channel: u16,
}

impl Trials {
    pub(crate) async fn new(lab: &Lab) -> Self {
        Self {
            lab: lab.clone(),
            wire: Wire::connect(lab).await,
            channel: 0,
        }
    }

    /// Does what every broker does without a complaint.
    pub(crate) async fn given(&mut self, methods: &[AMQPClass]) {
        let heard = self.hear(methods).await;
        assert!(
            !heard.iter().any(Heard::is_last),
            "refused: {}",
            show::all(&heard)
        );
    }

    /// Does something and notes all that the broker has to say to it.
    pub(crate) async fn attempt(&mut self, what: &str, methods: &[AMQPClass]) {
        let heard = self.hear(methods).await;
        self.lab.note(what, show::all(&heard));
        if let Some(Heard::End | Heard::Method(0, _)) = heard.last() {
            self.wire = Wire::connect(&self.lab).await;
            self.channel = 0;
        }
    }

    async fn hear(&mut self, methods: &[AMQPClass]) -> Vec<Heard> {
        self.channel += 1;
        self.wire.open(self.channel).await;
        let mut all = Vec::new();
        for method in methods {
            self.wire.send(self.channel, method.clone()).await;
            // Whether a consumer is welcome is said by the queue, in its own time.
            if matches!(method, AMQPClass::Basic(basic::AMQPMethod::Consume(_))) {
                let answer = loop {
                    let heard = self.wire.hear().await;
                    if heard.is_last() || heard.is_consume_ok() {
                        break heard;
                    }
                    all.push(heard);
                };
                all.push(answer.clone());
                if answer.is_last() {
                    self.wire.confirm_end(&answer).await;
                    return all;
                }
            }
        }
        all.extend(self.wire.settle(self.channel).await);
        all
    }
}
