//! What publishers are told: confirms and returns.

use amq_protocol::protocol::{AMQPClass, basic};

use crate::conformance::case::cases;
use crate::conformance::lab::Lab;
use crate::conformance::tools::{headers, int, plain, quorum, text};
use crate::conformance::wire::{Heard, Wire};
use crate::conformance::{say, show};

cases![
    an_unroutable_mandatory_message_comes_back_before_its_confirm,
    a_returned_message_is_the_one_that_was_sent,
    an_unroutable_message_that_is_not_mandatory_is_confirmed,
    a_mandatory_message_is_returned_without_confirms_too,
    a_message_for_several_queues_is_confirmed_once,
    every_message_is_confirmed_once,
    confirms_count_from_one_on_each_channel,
    messages_sent_before_confirms_were_asked_for_are_not_confirmed,
    returns_and_confirms_of_a_mixed_burst,
    messages_of_any_delivery_mode_are_confirmed,
    a_message_whose_channel_was_closed_in_between_is_lost,
    confirms_can_be_asked_for_without_an_answer,
];

/// A channel with confirms and the queue `q`.
async fn confirming(lab: &Lab) -> Wire {
    let mut wire = lab.wire().await;
    wire.call(1, say::declare("q", &[])).await;
    wire.call(1, say::confirm()).await;
    wire
}

async fn an_unroutable_mandatory_message_comes_back_before_its_confirm(lab: Lab) {
    let mut wire = confirming(&lab).await;
    for (exchange, key) in [("", "nobody"), ("amq.direct", "nobody"), ("amq.fanout", "")] {
        wire.publish(1, say::mandatory(exchange, key), &plain(), b"hello")
            .await;
        lab.note(exchange, show::all(&wire.hear_all(4).await));
    }
}

async fn a_returned_message_is_the_one_that_was_sent(lab: Lab) {
    let mut wire = confirming(&lab).await;
    let properties = headers(&[(
        "CC",
        amq_protocol::types::AMQPValue::FieldArray(vec![text("nobody either")].into()),
    )])
    .with_message_id("m-1".into())
    .with_expiration("60000".into())
    .with_delivery_mode(2);
    wire.publish(1, say::mandatory("", "nobody"), &properties, b"")
        .await;
    lab.note("empty", show::all(&wire.hear_all(3).await));
    wire.publish(
        1,
        say::mandatory("", "nobody"),
        &properties,
        &vec![b'x'; 200_000],
    )
    .await;
    let (method, properties, body) = wire.hear_message().await;
    lab.note("method", show::method(&method));
    lab.note("properties", show::properties(&properties));
    lab.note("body", show::body(&body));
    lab.note("confirm", show::heard(&wire.hear().await));
}

async fn an_unroutable_message_that_is_not_mandatory_is_confirmed(lab: Lab) {
    let mut wire = confirming(&lab).await;
    for (exchange, key) in [("", "nobody"), ("amq.topic", "a.b"), ("amq.headers", "")] {
        wire.publish(1, say::to(exchange, key), &plain(), b"hello")
            .await;
        lab.note(exchange, show::heard(&wire.hear().await));
    }
}

async fn a_mandatory_message_is_returned_without_confirms_too(lab: Lab) {
    let mut wire = lab.wire().await;
    wire.publish(1, say::mandatory("", "nobody"), &plain(), b"hello")
        .await;
    lab.note("nobody", show::all(&wire.settle(1).await));
}

async fn a_message_for_several_queues_is_confirmed_once(lab: Lab) {
    let mut wire = confirming(&lab).await;
    wire.call(1, say::declare("r", &[quorum()])).await;
    wire.call(1, say::declare("s", &[])).await;
    for queue in ["q", "r", "s"] {
        wire.call(1, say::bind(queue, "amq.fanout", "")).await;
    }
    wire.publish(1, say::mandatory("amq.fanout", ""), &plain(), b"hello")
        .await;
    lab.note("confirm", show::heard(&wire.hear().await));
    wire.publish(1, say::mandatory("", "nobody"), &plain(), b"hello")
        .await;
    lab.note("the next", show::all(&wire.hear_all(4).await));
}

/// Hears acks until so many messages are confirmed; which were is what counts, not in how many acks.
async fn confirmed(wire: &mut Wire, from: u64, to: u64) -> String {
    let mut open: Vec<u64> = (from..=to).collect();
    let mut extra = Vec::new();
    while !open.is_empty() {
        let heard = wire.hear().await;
        match heard.method() {
            Some(AMQPClass::Basic(basic::AMQPMethod::Ack(ack))) => {
                let before = open.len();
                let (tag, multiple) = (ack.delivery_tag, ack.multiple);
                open.retain(|&one| if multiple { one > tag } else { one != tag });
                if open.len() == before {
                    extra.push(show::heard(&heard));
                }
            }
            _ => extra.push(show::heard(&heard)),
        }
    }
    if extra.is_empty() {
        format!("{from} to {to}")
    } else {
        extra.join(", ")
    }
}

async fn every_message_is_confirmed_once(lab: Lab) {
    let mut wire = confirming(&lab).await;
    wire.call(1, say::declare("r", &[quorum()])).await;
    for i in 0..500 {
        let queue = if i % 3 == 0 { "r" } else { "q" };
        let properties = plain().with_delivery_mode(1 + u8::from(i % 2 == 0));
        wire.publish(1, say::to("", queue), &properties, b"hello")
            .await;
    }
    lab.note("confirmed", confirmed(&mut wire, 1, 500).await);
    lab.note("and nothing else", show::all(&wire.settle(1).await));
}

async fn confirms_count_from_one_on_each_channel(lab: Lab) {
    let mut wire = confirming(&lab).await;
    wire.open(2).await;
    wire.call(2, say::confirm()).await;
    for channel in [1, 2, 1] {
        wire.publish(channel, say::to("", "q"), &plain(), b"hello")
            .await;
        let heard = wire.hear().await;
        let on = match &heard {
            Heard::Method(number, _) => *number,
            _ => 0,
        };
        lab.note(&format!("channel {on}"), show::heard(&heard));
    }
    wire.call(1, say::close_channel()).await;
    wire.open(1).await;
    wire.call(1, say::confirm()).await;
    wire.publish(1, say::to("", "q"), &plain(), b"hello").await;
    lab.note("opened again", show::heard(&wire.hear().await));
}

async fn messages_sent_before_confirms_were_asked_for_are_not_confirmed(lab: Lab) {
    let mut wire = lab.wire().await;
    wire.call(1, say::declare("q", &[])).await;
    wire.publish(1, say::to("", "q"), &plain(), b"early").await;
    lab.note("early", show::all(&wire.settle(1).await));
    lab.note("select", show::heard(&wire.call(1, say::confirm()).await));
    wire.publish(1, say::to("", "q"), &plain(), b"late").await;
    lab.note("late", show::heard(&wire.hear().await));
}

async fn returns_and_confirms_of_a_mixed_burst(lab: Lab) {
    let mut wire = confirming(&lab).await;
    for i in 0..6 {
        let key = if i % 2 == 0 { "q" } else { "nobody" };
        let properties = headers(&[("n", int(i))]);
        wire.publish(1, say::mandatory("", key), &properties, b"hello")
            .await;
    }
    let mut acked = 0;
    let mut returned = Vec::new();
    while acked < 6 {
        let heard = wire.hear().await;
        match &heard {
            Heard::Method(_, AMQPClass::Basic(basic::AMQPMethod::Ack(ack))) => {
                acked = if ack.multiple {
                    ack.delivery_tag
                } else {
                    acked.max(ack.delivery_tag)
                };
            }
            Heard::Header(_, _, Some(properties), _) => returned.push(show::properties(properties)),
            _ => {}
        }
    }
    lab.note("returned", returned.join(","));
    lab.note("all confirmed", acked);
}

async fn messages_of_any_delivery_mode_are_confirmed(lab: Lab) {
    let mut wire = confirming(&lab).await;
    for mode in [0, 1, 2, 3, 255] {
        wire.publish(
            1,
            say::to("", "q"),
            &plain().with_delivery_mode(mode),
            b"hello",
        )
        .await;
        let heard = wire.hear().await;
        lab.note(&format!("delivery mode {mode}"), show::heard(&heard));
        if heard.is_last() {
            wire.confirm_end(&heard).await;
            wire.open(1).await;
            wire.call(1, say::confirm()).await;
        }
    }
}

async fn a_message_whose_channel_was_closed_in_between_is_lost(lab: Lab) {
    let mut wire = confirming(&lab).await;
    wire.publish(1, say::to("", "q"), &plain(), b"stored").await;
    wire.publish(1, say::to("missing", "q"), &plain(), b"refused")
        .await;
    wire.publish(1, say::to("", "q"), &plain(), b"ignored")
        .await;
    let mut heard = wire.settle(1).await;
    // The first may be confirmed before the channel goes, or not.
    heard.retain(Heard::is_last);
    lab.note("heard", show::all(&heard));
    wire.open(2).await;
    lab.note(
        "stored",
        show::heard(&wire.call(2, say::passive("q")).await),
    );
}

async fn confirms_can_be_asked_for_without_an_answer(lab: Lab) {
    use amq_protocol::protocol::confirm::{AMQPMethod, Select};
    let mut wire = lab.wire().await;
    wire.call(1, say::declare("q", &[])).await;
    wire.send(
        1,
        AMQPClass::Confirm(AMQPMethod::Select(Select { nowait: true })),
    )
    .await;
    wire.publish(1, say::to("", "q"), &plain(), b"hello").await;
    lab.note("first", show::heard(&wire.hear().await));
}
