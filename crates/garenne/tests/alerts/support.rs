//! Alerts that keep what they are told, and systems with something to tell.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use garenne::SystemHandle;
use garenne::core::alert::Digest;
use garenne::prelude::*;
use garenne::status::{AlertStatus, Status};
use garenne_testing::eventually;

/// Long enough that what has not happened by then never will, on a machine however slow.
pub(crate) const SOON: Duration = Duration::from_secs(60);

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
pub(crate) fn keeps(told: &Told) -> AlertChannel {
    let told = told.clone();
    AlertChannel::new("keeps", move || Keeps(told.clone())).pace(at_once())
}

pub(crate) fn at_once() -> Pace {
    Pace::default().gather(Duration::ZERO).every(Duration::ZERO)
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

/// Waits until the only alert of the system is as wanted.
pub(crate) async fn until(
    handle: &SystemHandle,
    wanted: impl Fn(&AlertStatus) -> bool,
) -> AlertStatus {
    let looked = handle.wait_until(|status: &Status| wanted(&status.alerts[0]));
    match tokio::time::timeout(SOON, looked).await {
        Ok(Ok(mut status)) => status.alerts.remove(0),
        Ok(Err(reason)) => panic!("stopped: {reason}"),
        Err(_) => panic!("not as wanted: {:?}", handle.status().alerts),
    }
}
