//! A program that only sends: `cargo run -p producer`.
//!
//! It sends a thousand messages, is told of one that nobody takes, waits through an outage with
//! another, and asks a question whose deadline passes. It runs on an embedded broker that exists
//! only as long as this program, because it takes the broker away; in your own program the broker is
//! the one that `AMQP_URL` names: `Publisher::from_env().connect()`.

use std::error::Error;
use std::fmt::Display;
use std::io::Write;

use garenne::prelude::*;
use garenne_broker::Broker;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let broker = Broker::start().await?;
    // A queue is declared by whoever comes first, here by who sends. Its consumer says the same of it.
    let publisher = Publisher::builder(broker.url())
        .declare(Queue::quorum("readings"))
        .connect()
        .await?;

    let readings = (1..=1000).map(|n| Outgoing::to_queue("readings", Json(n)));
    let sent = publisher.send_all(readings).finish().await;
    say(format_args!(
        "{} confirmed, {} failed",
        sent.confirmed, sent.failed
    ));

    if let Err(error) = publisher.send(Outgoing::to_queue("nowhere", "x")).await {
        say(format_args!("refused: {error}"));
    }

    broker.faults().crash().await?;
    let patient = publisher.clone().when_down(WhenDown::WaitUpTo(30.secs()));
    let sending = tokio::spawn(async move {
        let message = Outgoing::to_queue("readings", Json(1001)).message_id("reading-1001");
        patient.send(message).await
    });
    // Whoever does not want to wait is told at once.
    while publisher
        .send(Outgoing::to_queue("readings", "x"))
        .await
        .is_ok()
    {}
    say("the broker is down");
    broker.faults().restart().await?;
    sending.await??;
    say("it is back, and the message that waited is confirmed");

    // Nobody consumes `readings` here, so nobody answers.
    let question =
        Outgoing::to_queue("readings", "how many?").when_down(WhenDown::WaitUpTo(30.secs()));
    match publisher.request::<Text>(question, 500.millis()).await {
        Ok(answer) => say(format_args!("answer: {}", answer.0)),
        Err(error) => say(format_args!("no answer: {error}")),
    }

    publisher.close().await;
    Ok(())
}

/// One line on standard output. Whoever has closed it does not want to read it, and no order fails of that.
fn say(line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
