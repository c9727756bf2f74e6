//! The beginning of a connection, and what keeps it alive.

use std::time::{Duration, Instant};

use amq_protocol::protocol::AMQPClass;
use amq_protocol::protocol::connection::TuneOk;
use amq_protocol::types::AMQPValue;

use crate::conformance::case::cases;
use crate::conformance::lab::{Lab, SOON};
use crate::conformance::wire::{HEARTBEAT, Heard, Wire};
use crate::conformance::{say, show};

cases![
    the_broker_introduces_itself,
    the_broker_makes_an_offer,
    a_wrong_password_is_refused,
    an_unknown_mechanism_is_refused,
    amqplain_logs_in,
    a_missing_vhost_is_refused,
    limits_over_the_offer_are_refused,
    limits_under_the_offer_are_kept,
    another_protocol_is_answered_with_ours,
    methods_out_of_order_end_the_handshake,
    frames_are_small_until_more_is_agreed_on,
    larger_frames_are_refused_until_they_are_agreed_on,
    a_handshake_that_does_not_go_on_ends,
    heartbeats_are_sent_as_agreed,
    a_silent_client_is_given_up,
    a_client_that_is_heard_is_kept,
];

async fn the_broker_introduces_itself(lab: Lab) {
    let start = Wire::dial(&lab).await.start().await;
    lab.note(
        "version",
        format!("{}-{}", start.version_major, start.version_minor),
    );
    let mechanisms = start.mechanisms.to_string();
    for mechanism in ["PLAIN", "AMQPLAIN"] {
        let offered = mechanisms.split(' ').any(|offer| offer == mechanism);
        lab.note(mechanism, if offered { "offered" } else { "not offered" });
    }
    lab.note("locales", &start.locales);
    let properties = start.server_properties.inner();
    let names: Vec<&str> = properties.keys().map(|name| name.as_str()).collect();
    lab.note("properties", names.join(" "));
    match properties.get("capabilities") {
        Some(AMQPValue::FieldTable(capabilities)) => {
            lab.note("capabilities", show::table(capabilities));
        }
        other => lab.note("no capabilities", format!("{other:?}")),
    }
}

async fn the_broker_makes_an_offer(lab: Lab) {
    let mut wire = Wire::dial(&lab).await;
    let offer = wire.log_in(say::start_ok("PLAIN", "\0guest\0guest")).await;
    lab.note("tune", format!("{:?}", offer.tune));
    lab.note("locales", &offer.start.locales);
}

async fn a_wrong_password_is_refused(lab: Lab) {
    for (what, response) in [
        ("wrong password", "\0guest\0wrong"),
        ("unknown user", "\0nobody\0guest"),
        ("no password", "\0guest\0"),
    ] {
        let mut wire = Wire::dial(&lab).await;
        wire.start().await;
        wire.send(0, say::start_ok("PLAIN", response)).await;
        lab.note(what, show::heard(&wire.hear().await));
        wire.send(0, say::close_connection_ok()).await;
        lab.note("then", show::heard(&wire.hear().await));
    }
    let mut wire = Wire::dial(&lab).await;
    wire.start().await;
    wire.send(0, say::start_ok_with("PLAIN", "\0guest\0wrong", &[]))
        .await;
    lab.note(
        "a client that cannot be told",
        show::heard(&wire.hear().await),
    );
}

async fn an_unknown_mechanism_is_refused(lab: Lab) {
    for (mechanism, response) in [("KERBEROS", "\0guest\0guest"), ("PLAIN", "guest")] {
        let mut wire = Wire::dial(&lab).await;
        wire.start().await;
        wire.send(0, say::start_ok(mechanism, response)).await;
        lab.note(mechanism, show::heard(&wire.hear().await));
    }
}

async fn amqplain_logs_in(lab: Lab) {
    for (what, password) in [("right", "guest"), ("wrong", "wrong")] {
        let mut response = String::new();
        for (name, value) in [("LOGIN", "guest"), ("PASSWORD", password)] {
            response.push(char::from(
                u8::try_from(name.len()).expect("what the case sets up"),
            ));
            response += name;
            response += "S\0\0\0";
            response.push(char::from(
                u8::try_from(value.len()).expect("what the case sets up"),
            ));
            response += value;
        }
        let mut wire = Wire::dial(&lab).await;
        wire.start().await;
        wire.send(0, say::start_ok("AMQPLAIN", &response)).await;
        lab.note(what, show::heard(&wire.hear().await));
    }
}

async fn a_missing_vhost_is_refused(lab: Lab) {
    for vhost in ["nowhere", ""] {
        let mut wire = Wire::dial(&lab).await;
        let offer = wire.log_in(say::start_ok("PLAIN", "\0guest\0guest")).await;
        let tune = offer.tune;
        let limits = TuneOk {
            channel_max: tune.channel_max,
            frame_max: tune.frame_max,
            heartbeat: 0,
        };
        wire.send(0, say::tune_ok(limits)).await;
        wire.send(0, say::open_vhost(vhost)).await;
        lab.note(&format!("'{vhost}'"), show::heard(&wire.hear().await));
    }
}

/// Agrees to other limits than the offered ones, and opens the virtual host.
async fn tune(lab: &Lab, change: impl FnOnce(&mut TuneOk)) -> Heard {
    let mut wire = Wire::dial(lab).await;
    let offer = wire
        .log_in(say::start_ok("PLAIN", "\0guest\0guest"))
        .await
        .tune;
    let mut tune = TuneOk {
        channel_max: offer.channel_max,
        frame_max: offer.frame_max,
        heartbeat: 0,
    };
    change(&mut tune);
    wire.send(0, say::tune_ok(tune)).await;
    wire.send(0, say::open_vhost(lab.vhost())).await;
    wire.hear().await
}

async fn limits_over_the_offer_are_refused(lab: Lab) {
    let heard = tune(&lab, |tune| tune.frame_max += 1).await;
    lab.note("larger frames", show::heard(&heard));
    let heard = tune(&lab, |tune| tune.channel_max += 1).await;
    lab.note("more channels", show::heard(&heard));
    let heard = tune(&lab, |tune| tune.frame_max = 0).await;
    lab.note("frames without a limit", show::heard(&heard));
    let heard = tune(&lab, |tune| tune.channel_max = 0).await;
    lab.note("channels without a limit", show::heard(&heard));
    let heard = tune(&lab, |tune| tune.frame_max = 1000).await;
    lab.note("frames that are too small", show::heard(&heard));
}

async fn limits_under_the_offer_are_kept(lab: Lab) {
    let heard = tune(&lab, |tune| tune.frame_max = 8192).await;
    lab.note("smaller frames", show::heard(&heard));
    let heard = tune(&lab, |tune| tune.channel_max = 1).await;
    lab.note("one channel", show::heard(&heard));
    let heard = tune(&lab, |tune| tune.heartbeat = 600).await;
    lab.note("longer heartbeat", show::heard(&heard));
}

async fn another_protocol_is_answered_with_ours(lab: Lab) {
    for header in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"AMQP\0\0\x09\x02",
        b"AMQP\0\0\x0a\0",
    ] {
        let mut wire = Wire::dial(&lab).await;
        wire.send_bytes(header).await;
        let answer = wire.hear_bytes().await;
        lab.note(&show::hex(header), show::hex(&answer));
    }
}

async fn methods_out_of_order_end_the_handshake(lab: Lab) {
    let mut wire = Wire::dial(&lab).await;
    wire.start().await;
    wire.send(0, say::open_vhost(lab.vhost())).await;
    lab.note("open before start-ok", show::heard(&wire.hear().await));
    let mut wire = Wire::dial(&lab).await;
    wire.log_in(say::start_ok("PLAIN", "\0guest\0guest")).await;
    wire.send(0, say::open_vhost(lab.vhost())).await;
    lab.note("open before tune-ok", show::heard(&wire.hear().await));
    let mut wire = Wire::dial(&lab).await;
    wire.log_in(say::start_ok("PLAIN", "\0guest\0guest")).await;
    wire.send(1, say::open_channel()).await;
    lab.note("channel before tune-ok", show::heard(&wire.hear().await));
}

/// A `start-ok` of exactly so many bytes.
fn start_ok_of(size: usize) -> AMQPClass {
    let mut response = "\0guest\0guest".to_owned();
    let short = say::size_of(&say::start_ok("PLAIN", &response));
    response.push_str(&"x".repeat(size - short));
    say::start_ok("PLAIN", &response)
}

/// Logs in with a wrong password in methods of these sizes.
async fn log_in_with(lab: &Lab, sizes: &[usize]) {
    for &size in sizes {
        let mut wire = Wire::dial(lab).await;
        wire.start().await;
        wire.send(0, start_ok_of(size)).await;
        let heard = wire.hear().await;
        lab.note(&format!("{size} bytes"), show::heard(&heard));
    }
}

async fn larger_frames_are_refused_until_they_are_agreed_on(lab: Lab) {
    log_in_with(&lab, &[4097, 8192, 8193, 100_000]).await;
}

async fn frames_are_small_until_more_is_agreed_on(lab: Lab) {
    log_in_with(&lab, &[4088, 4089, 4096]).await;
    // What is agreed on counts at once, also for what was sent before the answers came.
    let mut wire = Wire::dial(&lab).await;
    let offer = wire.log_in(say::start_ok("PLAIN", "\0guest\0guest")).await;
    let limits = TuneOk {
        channel_max: offer.tune.channel_max,
        frame_max: offer.tune.frame_max,
        heartbeat: 0,
    };
    wire.send(0, say::tune_ok(limits)).await;
    wire.send(0, say::open_vhost(lab.vhost())).await;
    wire.send(1, say::open_channel()).await;
    let long = Some(("long", AMQPValue::LongString("x".repeat(100_000).into())));
    wire.send(1, say::declare("q", long.as_slice())).await;
    lab.note("after tuning", show::all(&wire.hear_all(3).await));
}

async fn a_handshake_that_does_not_go_on_ends(lab: Lab) {
    let mut nothing = Wire::dial(&lab).await;
    let mut half = Wire::dial(&lab).await;
    half.send_bytes(b"AMQP").await;
    let mut started = Wire::dial(&lab).await;
    started.start().await;
    let mut tuning = Wire::dial(&lab).await;
    let offer = tuning.log_in(say::start_ok("PLAIN", "\0guest\0guest"));
    let limits = TuneOk {
        channel_max: offer.await.tune.channel_max,
        frame_max: 8192,
        heartbeat: 0,
    };
    let mut opening = Wire::dial(&lab).await;
    opening
        .log_in(say::start_ok("PLAIN", "\0guest\0guest"))
        .await;
    opening.send(0, say::tune_ok(limits)).await;
    for (what, wire) in [
        ("nothing said", &mut nothing),
        ("half a header", &mut half),
        ("before start-ok", &mut started),
        ("before tune-ok", &mut tuning),
        ("before open", &mut opening),
    ] {
        lab.note(what, show::heard(&wire.hear().await));
    }
}

async fn heartbeats_are_sent_as_agreed(lab: Lab) {
    let mut wire = Wire::connect_with(&lab, |tune| tune.heartbeat = 1).await;
    let started = Instant::now();
    lab.note("first", show::heard(&wire.hear().await));
    lab.note("second", show::heard(&wire.hear().await));
    let in_time = started.elapsed() < SOON / 2;
    lab.note("in time", in_time);
}

async fn a_silent_client_is_given_up(lab: Lab) {
    let mut wire = Wire::connect_with(&lab, |tune| tune.heartbeat = 1).await;
    let mut heartbeats = 0_u32;
    let end = loop {
        match wire.hear().await {
            Heard::Heartbeat => heartbeats += 1,
            other => break other,
        }
    };
    lab.note("then", show::heard(&end));
    lab.note(
        "heartbeats before",
        if heartbeats > 0 { "some" } else { "none" },
    );
}

async fn a_client_that_is_heard_is_kept(lab: Lab) {
    let mut wire = Wire::connect_with(&lab, |tune| tune.heartbeat = 2).await;
    wire.open(1).await;
    let started = Instant::now();
    // Longer than a silent client is kept.
    while started.elapsed() < Duration::from_secs(9) {
        wire.send_frame(HEARTBEAT, 0, b"").await;
        if let Some(heard) = wire.hear_within(Duration::from_millis(500)).await {
            assert_eq!(heard, Heard::Heartbeat);
        }
    }
    wire.send(1, say::declare("q", &[])).await;
    let heard = loop {
        match wire.hear().await {
            Heard::Heartbeat => {}
            other => break other,
        }
    };
    lab.note("still there", show::heard(&heard));
}
