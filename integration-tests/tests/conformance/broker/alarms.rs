//! What a broker does when it runs out of something, or is told to stop.

use std::time::Duration;

use amq_protocol::protocol::{AMQPClass, connection};

use crate::conformance::case::cases;
use crate::conformance::lab::Lab;
use crate::conformance::tools::plain;
use crate::conformance::wire::{Heard, Wire};
use crate::conformance::{say, show};

cases![
    an_alarm_stops_publishers_until_it_is_over.own_node(),
    an_operator_closes_connections,
];

/// Logs in as a client that wants to know when it is blocked.
async fn informed(lab: &Lab) -> Wire {
    let mut wire = Wire::dial(lab).await;
    let can = ["connection.blocked", "consumer_cancel_notify"];
    let offer = wire
        .log_in(say::start_ok_with("PLAIN", "\0guest\0guest", &can))
        .await
        .tune;
    let limits = connection::TuneOk {
        channel_max: offer.channel_max,
        frame_max: offer.frame_max,
        heartbeat: 0,
    };
    wire.send(0, say::tune_ok(limits)).await;
    wire.call(0, say::open_vhost(lab.vhost())).await;
    wire.open(1).await;
    wire
}

async fn an_alarm_stops_publishers_until_it_is_over(lab: Lab) {
    let mut wire = informed(&lab).await;
    wire.call(1, say::declare("q", &[])).await;
    wire.call(1, say::confirm()).await;
    let mut consumer = informed(&lab).await;
    consumer.call(1, say::declare("r", &[])).await;
    lab.note(
        "consume",
        show::heard(&consumer.call(1, say::consume("r", "me")).await),
    );
    wire.publish(1, say::to("", "q"), &plain(), b"before").await;
    lab.note("before", show::heard(&wire.hear().await));
    lab.alarm().await;
    // The alarm is told when the next message is published, and that message waits.
    let mut heard;
    loop {
        wire.publish(1, say::to("", "q"), &plain(), b"during").await;
        heard = wire.hear().await;
        if let Some(AMQPClass::Connection(_)) = heard.method() {
            break;
        }
    }
    lab.note("blocked", show::heard(&heard));
    let silence = wire.hear_within(Duration::from_millis(300)).await;
    lab.note(
        "then",
        silence.as_ref().map_or("nothing".to_owned(), show::heard),
    );
    // One that only consumes goes on.
    lab.note(
        "a consumer",
        show::heard(&consumer.call(1, say::qos(5, false)).await),
    );
    lab.all_clear().await;
    let mut after = Vec::new();
    while after.len() < 2 {
        match wire.hear().await {
            Heard::Heartbeat => {}
            heard => after.push(heard),
        }
    }
    lab.note("over", show::heard(&after[0]));
    let acked = matches!(after[1].method(), Some(AMQPClass::Basic(_)));
    lab.note(
        "and the message is",
        if acked { "confirmed" } else { "lost" },
    );
}

async fn an_operator_closes_connections(lab: Lab) {
    let mut wire = lab.wire().await;
    wire.call(1, say::declare("q", &[])).await;
    lab.close_connections().await;
    let heard = wire.hear().await;
    lab.note("close", show::heard(&heard));
    wire.send(0, say::close_connection_ok()).await;
    let mut again = lab.wire().await;
    lab.note(
        "and again",
        show::heard(&again.call(1, say::passive("q")).await),
    );
}
