//! The handler: does what an order says, so that every way a handler can end can be tried out.

use std::io::Write;
use std::time::Duration;

use garenne::prelude::*;
use serde::Deserialize;

/// `{"order_id": 7, "do": "ok"}`
#[derive(Deserialize)]
pub(crate) struct Order {
    order_id: u64,
    /// `ok`, `fail`, `fail:N` (the first N attempts fail), `fail:N:MS` (each after so many milliseconds), `permanent`, `panic`, `hang`, `abort`
    /// (kills the process), `sleep:MS`.
    #[serde(rename = "do", default)]
    action: Action,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(try_from = "String")]
enum Action {
    #[default]
    Ok,
    Fail,
    FailFirst(u32, Duration),
    Permanent,
    Panic,
    Hang,
    Abort,
    Sleep(Duration),
}

impl TryFrom<String> for Action {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let unknown = || {
            format!(
                "unknown action `{text}`; it may be ok, fail, fail:N, fail:N:MS, permanent, panic, hang, abort or sleep:MS"
            )
        };
        match text.split_once(':') {
            Some(("fail", how)) => {
                let (times, after) = how.split_once(':').unwrap_or((how, "0"));
                let times = times.parse().map_err(|_| unknown())?;
                let after = milliseconds(after).ok_or_else(unknown)?;
                Ok(Action::FailFirst(times, after))
            }
            Some(("sleep", time)) => milliseconds(time).map(Action::Sleep).ok_or_else(unknown),
            Some(_) => Err(unknown()),
            None => match text.as_str() {
                "ok" => Ok(Action::Ok),
                "fail" => Ok(Action::Fail),
                "permanent" => Ok(Action::Permanent),
                "panic" => Ok(Action::Panic),
                "hang" => Ok(Action::Hang),
                "abort" => Ok(Action::Abort),
                _ => Err(unknown()),
            },
        }
    }
}

fn milliseconds(text: &str) -> Option<Duration> {
    text.parse().ok().map(Duration::from_millis)
}

/// The handler. A real one would hold a database pool or an HTTP client here.
#[derive(Default)]
pub(crate) struct Orders;

impl Handle<Json<Order>> for Orders {
    async fn handle(&self, order: Delivery<Json<Order>>) -> Result<(), Failure> {
        say("begin", &order);
        let result = perform(&order).await;
        say(if result.is_ok() { "ok" } else { "failed" }, &order);
        result
    }
}

async fn perform(order: &Delivery<Json<Order>>) -> Result<(), Failure> {
    match order.action {
        Action::Ok => Ok(()),
        Action::Fail => Err(Failure::transient("the order says that it fails")),
        Action::FailFirst(times, after) if order.attempt().number() <= times => {
            tokio::time::sleep(after).await;
            let error = format_args!("the order says that it fails {times} times");
            Err(Failure::transient(error))
        }
        Action::FailFirst(..) => Ok(()),
        Action::Permanent => Err(Failure::permanent(
            "the order says that it can never succeed",
        )),
        #[expect(clippy::panic, reason = "the order asks for it")]
        Action::Panic => panic!("the order says that its handler panics"),
        Action::Hang => std::future::pending().await,
        Action::Abort => std::process::abort(),
        Action::Sleep(time) => {
            tokio::time::sleep(time).await;
            Ok(())
        }
    }
}

/// One line per event, written and flushed at once: whoever watches must see a run that never ends.
fn say(event: &str, order: &Delivery<Json<Order>>) {
    let (order_id, attempt) = (order.order_id, order.attempt());
    let line = format!(r#"{{"event":"{event}","order_id":{order_id},"attempt":{attempt}}}"#);
    let mut out = std::io::stdout().lock();
    // A closed pipe must not fail the order.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
