//! Frames that break the protocol: 501, 503, 504, 505.

use amq_protocol::protocol::{AMQPClass, basic, connection};

use crate::conformance::case::cases;
use crate::conformance::lab::Lab;
use crate::conformance::wire::{BODY, HEADER, HEARTBEAT, Heard, METHOD, Wire};
use crate::conformance::{say, show};

cases![
    a_frame_must_end_where_it_says,
    a_frame_must_not_be_larger_than_agreed,
    a_frame_must_be_of_a_known_kind,
    a_channel_must_be_open,
    a_channel_is_opened_once,
    a_channel_number_must_be_as_agreed,
    channel_zero_is_for_the_connection,
    content_follows_its_method,
    a_body_ends_where_its_header_said,
    a_header_must_be_readable,
    an_unknown_method_ends_the_connection,
    a_method_cut_short_ends_the_connection,
    heartbeats_may_come_at_any_time,
    a_closed_channel_is_closed,
    a_connection_closes_with_all_its_channels,
    a_connection_is_opened_once,
];

/// What a connection has to say before it ends.
async fn last_words(wire: &mut Wire) -> String {
    let mut all = Vec::new();
    loop {
        let heard = wire.hear().await;
        let last = heard.is_last();
        all.push(heard);
        if last {
            return show::all(&all);
        }
    }
}

async fn a_frame_must_end_where_it_says(lab: Lab) {
    let mut wire = lab.wire().await;
    // flow, with a wrong last octet
    wire.send_bytes(&[METHOD, 0, 1, 0, 0, 0, 5, 0, 20, 0, 20, 1, 0])
        .await;
    lab.note("method", last_words(&mut wire).await);
    let mut wire = lab.wire().await;
    wire.send_bytes(&[HEARTBEAT, 0, 0, 0, 0, 0, 0, 7]).await;
    lab.note("heartbeat", last_words(&mut wire).await);
}

async fn a_frame_must_not_be_larger_than_agreed(lab: Lab) {
    let mut wire = Wire::connect_with(&lab, |tune| tune.frame_max = 8192).await;
    wire.open(1).await;
    wire.send(
        1,
        AMQPClass::Basic(basic::AMQPMethod::Publish(say::to("", "q"))),
    )
    .await;
    wire.send_header(1, 20_000, &[0, 0]).await;
    // RabbitMQ forgives eight octets more than were agreed.
    wire.send_frame(BODY, 1, &[b'x'; 8192]).await;
    wire.send_frame(BODY, 1, &[b'x'; 8193]).await;
    lab.note("too large", last_words(&mut wire).await);
}

async fn a_frame_must_be_of_a_known_kind(lab: Lab) {
    for kind in [0, 4, 7, 65] {
        let mut wire = lab.wire().await;
        wire.send_frame(kind, 1, b"abc").await;
        lab.note(
            &format!("kind {kind} on a channel"),
            last_words(&mut wire).await,
        );
        let mut wire = lab.wire().await;
        wire.send_frame(kind, 0, b"abc").await;
        lab.note(
            &format!("kind {kind} on the connection"),
            last_words(&mut wire).await,
        );
    }
}

async fn a_channel_must_be_open(lab: Lab) {
    let mut wire = Wire::connect(&lab).await;
    wire.send(1, say::declare("q", &[])).await;
    lab.note("method", last_words(&mut wire).await);
    let mut wire = Wire::connect(&lab).await;
    wire.send_frame(BODY, 1, b"abc").await;
    lab.note("body", last_words(&mut wire).await);
    let mut wire = Wire::connect(&lab).await;
    wire.send(1, say::close_channel()).await;
    lab.note("close", last_words(&mut wire).await);
    let mut wire = Wire::connect(&lab).await;
    wire.send(1, say::close_channel_ok()).await;
    lab.note("close-ok", last_words(&mut wire).await);
}

async fn a_channel_is_opened_once(lab: Lab) {
    let mut wire = lab.wire().await;
    wire.send(1, say::open_channel()).await;
    lab.note("open again", last_words(&mut wire).await);
}

async fn a_channel_number_must_be_as_agreed(lab: Lab) {
    let mut wire = Wire::connect_with(&lab, |tune| tune.channel_max = 3).await;
    wire.open(3).await;
    lab.note("3 of 3", "open");
    lab.note(
        "4 of 3",
        show::heard(&wire.call(4, say::open_channel()).await),
    );
}

async fn channel_zero_is_for_the_connection(lab: Lab) {
    for (what, method) in [
        ("declare", say::declare("q", &[])),
        ("channel.open", say::open_channel()),
        ("channel.close", say::close_channel()),
    ] {
        let mut wire = Wire::connect(&lab).await;
        wire.send(0, method).await;
        lab.note(what, last_words(&mut wire).await);
    }
    let mut wire = Wire::connect(&lab).await;
    wire.send_frame(HEADER, 0, &[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
        .await;
    lab.note("header", last_words(&mut wire).await);
    let mut wire = lab.wire().await;
    wire.send(1, say::close_connection()).await;
    lab.note("connection.close on a channel", last_words(&mut wire).await);
}

async fn content_follows_its_method(lab: Lab) {
    let publish = || AMQPClass::Basic(basic::AMQPMethod::Publish(say::to("", "q")));
    let mut wire = lab.wire().await;
    wire.send_header(1, 3, &[0, 0]).await;
    lab.note("header without a method", last_words(&mut wire).await);
    let mut wire = lab.wire().await;
    wire.send_frame(BODY, 1, b"abc").await;
    lab.note("body without a method", last_words(&mut wire).await);
    let mut wire = lab.wire().await;
    wire.send(1, publish()).await;
    wire.send_frame(BODY, 1, b"abc").await;
    lab.note("body without a header", last_words(&mut wire).await);
    let mut wire = lab.wire().await;
    wire.send(1, publish()).await;
    wire.send(1, say::flow(true)).await;
    lab.note("method instead of a header", last_words(&mut wire).await);
    let mut wire = lab.wire().await;
    wire.send(1, publish()).await;
    wire.send_header(1, 3, &[0, 0]).await;
    wire.send(1, say::flow(true)).await;
    lab.note("method instead of a body", last_words(&mut wire).await);
    let mut wire = lab.wire().await;
    wire.send(1, publish()).await;
    wire.send_header(1, 3, &[0, 0]).await;
    wire.send_header(1, 3, &[0, 0]).await;
    lab.note("two headers", last_words(&mut wire).await);
    let mut wire = lab.wire().await;
    wire.send(1, publish()).await;
    wire.send_frame(HEADER, 1, &[0, 50, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0])
        .await;
    lab.note("header of another class", last_words(&mut wire).await);
}

async fn a_body_ends_where_its_header_said(lab: Lab) {
    let mut wire = lab.wire().await;
    wire.call(1, say::declare("q", &[])).await;
    wire.call(1, say::confirm()).await;
    wire.send(
        1,
        AMQPClass::Basic(basic::AMQPMethod::Publish(say::to("", "q"))),
    )
    .await;
    wire.send_header(1, 6, &[0, 0]).await;
    for part in [&b"abc"[..], b"", b"def"] {
        wire.send_frame(BODY, 1, part).await;
    }
    lab.note("in parts", show::heard(&wire.hear().await));
    wire.send(1, say::get("q")).await;
    lab.note("arrives whole", show::body(&wire.hear_message().await.2));
    wire.send(
        1,
        AMQPClass::Basic(basic::AMQPMethod::Publish(say::to("", "q"))),
    )
    .await;
    wire.send_header(1, 6, &[0, 0]).await;
    wire.send_frame(BODY, 1, b"abcdefg").await;
    wire.send(1, say::access()).await;
    lab.note("too long", last_words(&mut wire).await);
}

async fn a_header_must_be_readable(lab: Lab) {
    for (what, properties) in [
        ("cut short", &[0x80, 0, 5, b'a'][..]),
        (
            "a header of an unknown type",
            &[0x20, 0, 0, 0, 0, 3, 1, b'k', b'?'],
        ),
        ("cut flags", &[0x80]),
    ] {
        let mut wire = lab.wire().await;
        wire.call(1, say::declare("q", &[])).await;
        wire.call(1, say::confirm()).await;
        wire.send(
            1,
            AMQPClass::Basic(basic::AMQPMethod::Publish(say::to("", "q"))),
        )
        .await;
        wire.send_header(1, 1, properties).await;
        wire.send_frame(BODY, 1, b"m").await;
        lab.note(what, last_words(&mut wire).await);
    }
}

async fn an_unknown_method_ends_the_connection(lab: Lab) {
    for payload in [&[0, 50, 0, 99][..], &[0, 99, 0, 10]] {
        let mut wire = lab.wire().await;
        wire.send_frame(METHOD, 1, payload).await;
        lab.note(&show::hex(payload), last_words(&mut wire).await);
    }
}

async fn a_method_cut_short_ends_the_connection(lab: Lab) {
    for payload in [
        &[][..],
        &[0, 50],
        &[0, 50, 0, 10],
        &[0, 50, 0, 10, 0, 0, 9, b'a'],
    ] {
        let mut wire = lab.wire().await;
        wire.send_frame(METHOD, 1, payload).await;
        lab.note(
            &format!("'{}'", show::hex(payload)),
            last_words(&mut wire).await,
        );
    }
}

async fn heartbeats_may_come_at_any_time(lab: Lab) {
    let mut wire = lab.wire().await;
    wire.call(1, say::declare("q", &[])).await;
    wire.call(1, say::confirm()).await;
    wire.send(
        1,
        AMQPClass::Basic(basic::AMQPMethod::Publish(say::to("", "q"))),
    )
    .await;
    wire.send_frame(HEARTBEAT, 0, b"").await;
    wire.send_header(1, 2, &[0, 0]).await;
    wire.send_frame(HEARTBEAT, 0, b"").await;
    wire.send_frame(BODY, 1, b"ab").await;
    lab.note("within a message", show::heard(&wire.hear().await));
    wire.send_frame(HEARTBEAT, 1, b"").await;
    lab.note("on a channel", show::all(&wire.settle(1).await));
}

async fn a_closed_channel_is_closed(lab: Lab) {
    let mut wire = lab.wire().await;
    lab.note(
        "close",
        show::heard(&wire.call(1, say::close_channel()).await),
    );
    lab.note(
        "open",
        show::heard(&wire.call(1, say::open_channel()).await),
    );
    wire.call(1, say::close_channel()).await;
    wire.send(1, say::flow(true)).await;
    lab.note("method", last_words(&mut wire).await);
}

async fn a_connection_closes_with_all_its_channels(lab: Lab) {
    let mut wire = lab.wire().await;
    wire.open(2).await;
    wire.call(2, say::exclusive("mine")).await;
    lab.note(
        "close",
        show::heard(&wire.call(0, say::close_connection()).await),
    );
    lab.gone("mine").await;
}

async fn a_connection_is_opened_once(lab: Lab) {
    let mut wire = Wire::connect(&lab).await;
    wire.send(0, say::open_vhost(lab.vhost())).await;
    lab.note("open again", last_words(&mut wire).await);
    let mut wire = Wire::connect(&lab).await;
    wire.send(0, say::start_ok("PLAIN", "\0guest\0guest")).await;
    lab.note("log in again", last_words(&mut wire).await);
    let mut wire = Wire::connect(&lab).await;
    let tune = connection::TuneOk {
        channel_max: 5,
        frame_max: 8192,
        heartbeat: 0,
    };
    wire.send(0, say::tune_ok(tune)).await;
    lab.note("tune again", last_words(&mut wire).await);
    let mut wire = Wire::connect(&lab).await;
    wire.send_bytes(b"AMQP\0\0\x09\x01").await;
    lab.note("protocol header again", last_words(&mut wire).await);
    let mut wire = Wire::connect(&lab).await;
    wire.send(0, say::update_secret("new")).await;
    let heard = wire.hear().await;
    lab.note("update-secret", show::heard(&heard));
    assert_ne!(heard, Heard::End);
}
