//! Alerts that keep what they are told, and systems with something to tell.

use std::sync::{Arc, Mutex, PoisonError};

use garenne::core::alert::Digest;
use garenne::prelude::*;
use garenne_testing::eventually;

pub(crate) use crate::watching::{SOON, at_once, until};

/// What alerts were told.
#[derive(Clone, Default)]
pub(crate) struct Told(Arc<Mutex<Vec<Digest>>>);

impl Told {
    pub(crate) fn note(&self, alert: &Alert) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push((**alert).clone());
    }

    pub(crate) fn all(&self) -> Vec<Digest> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.clone()
    }

    /// The stable names of what was told, in order.
    pub(crate) fn subjects(&self) -> Vec<&'static str> {
        let all = self.all();
        let items = all.iter().flat_map(|digest| &digest.items);
        items.map(|item| item.subject.as_str()).collect()
    }

    /// Waits until something about this subject was told, and gives its line.
    pub(crate) async fn line_about(&self, subject: &str) -> String {
        eventually(SOON, subject, async || {
            let all = self.all();
            let mut items = all.iter().flat_map(|digest| &digest.items);
            let item = items.find(|item| item.subject.as_str() == subject);
            item.map(ToString::to_string)
                .ok_or_else(|| format!("{all:?}"))
        })
        .await
    }
}

/// An alert that keeps what it is told.
pub(crate) struct Keeps(pub(crate) Told);

impl Actor for Keeps {
    type Context = Context<Self>;
}

impl Handler<Alert> for Keeps {
    type Result = Result<(), AlertError>;

    fn handle(&mut self, alert: Alert, _: &mut Self::Context) -> Self::Result {
        self.0.note(&alert);
        Ok(())
    }
}

/// An alert that keeps what it is told, at once.
pub(crate) fn keeps(told: &Told) -> AlertSetup {
    let told = told.clone();
    AlertSetup::new("keeps", move || Keeps(told.clone())).pace(at_once())
}

/// A queue whose messages have one attempt.
pub(crate) fn orders() -> Queue {
    Queue::quorum("orders").retry(Retry::none())
}

/// Does what the message says.
pub(crate) async fn obey(order: Delivery<Text>) -> Result<(), Failure> {
    match &**order.body() {
        "ok" => Ok(()),
        #[expect(clippy::panic, reason = "the message asks for it")]
        "panic" => panic!("the message says so"),
        error => Err(Failure::transient(error)),
    }
}
