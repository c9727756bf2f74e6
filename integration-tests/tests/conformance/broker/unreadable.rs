//! Properties that client libraries cannot read, or would not write: what brokers take, and how they
//! hand it out.

use garenne_testing::{FieldBytes, PropertyBytes, RawClient, Verdict};

use crate::conformance::case::cases;
use crate::conformance::lab::Lab;
use crate::conformance::{raw, show};

cases![
    short_strings_of_any_bytes_arrive,
    names_of_headers_may_be_any_bytes,
    headers_of_any_depth_arrive,
    names_of_headers_may_be_repeated,
    every_type_arrives_at_any_depth,
    values_that_can_be_said_otherwise_arrive,
    unknown_types_are_refused,
    tables_must_be_as_long_as_they_say,
    properties_must_be_as_long_as_their_flags_say,
    flags_for_more_flags_are_ignored,
    numbers_that_are_none_are_refused,
    an_expiration_must_be_a_number,
    a_user_id_must_be_that_of_the_user,
    what_is_wrong_with_the_exchange_is_told_first,
];

/// The types that RabbitMQ knows, each with the bytes of a value.
pub(super) const TYPES: [(u8, &[u8]); 19] = [
    (b't', b"\x01"),
    (b'b', b"\xff"),
    (b'B', b"\xff"),
    (b's', b"\xff\xfe"),
    (b'u', b"\xff\xfe"),
    (b'I', b"\xff\xff\xff\xfe"),
    (b'i', b"\xff\xff\xff\xfe"),
    (b'l', b"\xff\xff\xff\xff\xff\xff\xff\xfe"),
    (b'L', b"\xff\xff\xff\xff\xff\xff\xff\xfe"),
    (b'f', b"\x3f\xc0\0\0"),
    (b'd', b"\x3f\xf8\0\0\0\0\0\0"),
    (b'D', b"\x02\xff\xff\xff\xff"),
    (b'S', b"\0\0\0\x02hi"),
    (b'x', b"\0\0\0\x02\xff\xfe"),
    (b'A', b"\0\0\0\x03VVV"),
    (b'A', b"\0\0\0\0"),
    (b'T', b"\0\0\0\0\0\0\x03\xe8"),
    (b'F', b"\0\0\0\x03\x01kV"),
    (b'V', b""),
];

async fn client(lab: &Lab) -> RawClient {
    let mut client = RawClient::connect(&lab.url()).await;
    client.declare("q").await;
    client
}

/// Publishes a message to `q`, and gets it back when the broker has it.
async fn round_trip(lab: &Lab, client: &mut RawClient, what: &str, sent: &PropertyBytes) {
    let sent = sent.to_bytes();
    let verdict = client.publish("", "q", &sent, b"m").await;
    if verdict != Verdict::Confirmed {
        return lab.note(what, said(&verdict));
    }
    let got = client.get("q").await.expect("what was confirmed is there");
    lab.note(what, compared(&sent, &got.properties));
}

/// The broker's word; what of its text is no letter is escaped.
pub(super) fn said(verdict: &Verdict) -> String {
    let (what, code, text) = match verdict {
        Verdict::ChannelClosed { code, text } => ("channel.close", code, text),
        Verdict::ConnectionClosed { code, text } => ("connection.close", code, text),
        Verdict::Returned { code, text, .. } => ("returned", code, text),
        other => return format!("{other:?}").to_lowercase(),
    };
    let escaped = |char: char| match char.is_control() {
        true => char.escape_default().to_string(),
        false => char.to_string(),
    };
    let text: String = text.chars().map(escaped).collect();
    format!("{what} {code} {text}")
}

pub(super) fn compared(sent: &[u8], got: &[u8]) -> String {
    match sent == got {
        true => "the same".to_owned(),
        false => format!("{} became {}", raw::bytes(sent), raw::bytes(got)),
    }
}

async fn short_strings_of_any_bytes_arrive(lab: Lab) {
    let mut client = client(&lab).await;
    for name in PropertyBytes::short_names() {
        if matches!(name, "expiration" | "user_id") {
            continue;
        }
        for (what, bytes) in [
            ("a continuation byte", &b"\x80"[..]),
            ("all ones", b"\xff"),
            ("Latin-1", b"caf\xe9"),
            ("a surrogate", b"\xed\xa0\x80"),
            ("NUL", b"a\0b"),
            ("nothing", b""),
            ("as much as fits", &[b'\xe9'; 255]),
        ] {
            let properties = PropertyBytes::new().short(name, bytes);
            let what = format!("{name} of {what}");
            round_trip(&lab, &mut client, &what, &properties).await;
        }
    }
}

async fn names_of_headers_may_be_any_bytes(lab: Lab) {
    let mut client = client(&lab).await;
    for name in [&b"caf\xe9"[..], b"\xff", b"a\0b", b"", &[b'\xe9'; 255]] {
        let value = FieldBytes::long(1);
        let what = name.escape_ascii().to_string();
        let top = PropertyBytes::new().header(name, value.clone());
        round_trip(&lab, &mut client, &what, &top).await;
        let nested = FieldBytes::table([(name, value)]);
        let nested = PropertyBytes::new().header("k", nested);
        round_trip(&lab, &mut client, &format!("{what} in a table"), &nested).await;
    }
}

async fn headers_of_any_depth_arrive(lab: Lab) {
    let mut client = client(&lab).await;
    for depth in [100, 2_000, 10_000, 18_000] {
        let what = format!("{depth} tables");
        let deep = PropertyBytes::new().header("k", FieldBytes::void().in_tables(depth));
        round_trip(&lab, &mut client, &what, &deep).await;
    }
    for depth in [100, 2_000, 10_000, 26_000] {
        let what = format!("{depth} arrays");
        let deep = PropertyBytes::new().header("k", FieldBytes::void().in_arrays(depth));
        round_trip(&lab, &mut client, &what, &deep).await;
    }
    let both = FieldBytes::bool(true).in_tables(1_000).in_arrays(1_000);
    let both = PropertyBytes::new().header("k", both.in_tables(1_000));
    round_trip(&lab, &mut client, "tables in arrays in tables", &both).await;
}

async fn names_of_headers_may_be_repeated(lab: Lab) {
    let mut client = client(&lab).await;
    let entries = || (1..=3).map(|number| ("k", FieldBytes::long(number)));
    let nested = PropertyBytes::new().header("t", FieldBytes::table(entries()));
    round_trip(&lab, &mut client, "in a table", &nested).await;
    let array = FieldBytes::array([FieldBytes::table(entries())]);
    let array = PropertyBytes::new().header("t", array);
    round_trip(&lab, &mut client, "in a table in an array", &array).await;
}

async fn every_type_arrives_at_any_depth(lab: Lab) {
    let mut client = client(&lab).await;
    for (kind, bytes) in TYPES {
        if kind == b'L' {
            // It is one that can be said otherwise.
            continue;
        }
        let value = FieldBytes::of(kind, bytes);
        let kind = char::from(kind);
        for (place, value) in [
            ("at the top", value.clone()),
            ("in a table", FieldBytes::table([("a", value.clone())])),
            ("in an array", FieldBytes::array([value])),
        ] {
            let properties = PropertyBytes::new().header("k", value);
            round_trip(&lab, &mut client, &format!("{kind} {place}"), &properties).await;
        }
    }
}

async fn values_that_can_be_said_otherwise_arrive(lab: Lab) {
    let mut client = client(&lab).await;
    for (what, value) in [
        ("another yes", FieldBytes::of(b't', [7])),
        ("another long", FieldBytes::of(b'L', 5_u64.to_be_bytes())),
    ] {
        let nested = FieldBytes::table([("a", value.clone())]);
        let top = PropertyBytes::new().header("k", value);
        round_trip(&lab, &mut client, what, &top).await;
        let nested = PropertyBytes::new().header("k", nested);
        round_trip(&lab, &mut client, &format!("{what} in a table"), &nested).await;
    }
    for text in ["007", "+7"] {
        let expiration = PropertyBytes::new().short("expiration", format!("{text}0000"));
        round_trip(&lab, &mut client, text, &expiration).await;
    }
}

async fn unknown_types_are_refused(lab: Lab) {
    let mut client = client(&lab).await;
    for kind in [b'z', b'U', b'_', b'v', b'0', 0, 0xff] {
        let value = FieldBytes::of(kind, [0; 8]);
        let kind = [kind].escape_ascii().to_string();
        for (place, value) in [
            ("at the top", value.clone()),
            ("in a table", FieldBytes::table([("a", value.clone())])),
            ("in an array", FieldBytes::array([value])),
        ] {
            let properties = PropertyBytes::new().header("k", value);
            round_trip(&lab, &mut client, &format!("{kind} {place}"), &properties).await;
        }
    }
}

async fn tables_must_be_as_long_as_they_say(lab: Lab) {
    let mut client = client(&lab).await;
    for (what, entries) in [
        ("a name without a value", &b"\x01k"[..]),
        ("a name cut short", b"\x05k"),
        ("a value cut short", b"\x01kl\0\0"),
        ("a text cut short", b"\x01kS\0\0\0\x05hi"),
        ("a text of 4 GiB", b"\x01kS\xff\xff\xff\xffhi"),
        ("a table of 4 GiB", b"\x01kF\xff\xff\xff\xff"),
        ("an array of 4 GiB", b"\x01kA\xff\xff\xff\xff"),
        (
            "a table that ends within a value",
            b"\x01kF\0\0\0\x04\x01kt\x01V",
        ),
        ("an array that ends within a value", b"\x01kA\0\0\0\x02sV"),
        (
            "a table whose last value is outside",
            b"\x01kF\0\0\0\x03\x01ktt\x01",
        ),
        ("a byte too many", b"\x01kV\0"),
        ("a byte too many in a table", b"\x01kF\0\0\0\x04\x01kV\0"),
        ("a byte too many in an array", b"\x01kA\0\0\0\x02Vb"),
    ] {
        let properties = PropertyBytes::new().header_bytes(entries);
        round_trip(&lab, &mut client, what, &properties).await;
    }
    let deep = FieldBytes::of(b'z', []).in_arrays(10_000);
    let deep = PropertyBytes::new().header("k", deep);
    round_trip(&lab, &mut client, "an unknown type at the bottom", &deep).await;
    let long = PropertyBytes::new()
        .extra(b"\0\0\0\x09\x01kV")
        .flags(0x2000);
    round_trip(&lab, &mut client, "headers longer than the frame", &long).await;
}

async fn properties_must_be_as_long_as_their_flags_say(lab: Lab) {
    let mut client = client(&lab).await;
    let full = PropertyBytes::new()
        .short("content_type", "a")
        .octet("priority", 1)
        .timestamp(1)
        .short("app_id", "b");
    for size in 0..full.to_bytes().len() {
        let cut = full.clone().cut_to(size);
        round_trip(&lab, &mut client, &format!("the first {size} bytes"), &cut).await;
    }
    round_trip(&lab, &mut client, "all of them", &full).await;
    let more = full.clone().extra([0]);
    round_trip(&lab, &mut client, "one more", &more).await;
    let no_flags = PropertyBytes::new().extra(b"\x01a");
    round_trip(&lab, &mut client, "no flag for what is there", &no_flags).await;
    for bit in 0..14 {
        let promised = PropertyBytes::new().flags(0x8000 >> bit);
        let what = format!("a flag {bit} for what is not there");
        round_trip(&lab, &mut client, &what, &promised).await;
    }
}

async fn flags_for_more_flags_are_ignored(lab: Lab) {
    let mut client = client(&lab).await;
    let app = PropertyBytes::new().short("app_id", "a");
    for (what, properties) in [
        ("more flags, which are not there", app.clone().flags(9)),
        ("the other bit", app.clone().flags(10)),
        ("both", app.clone().flags(11)),
        ("more flags behind", app.clone().flags(9).extra([0, 0])),
        (
            "more flags before",
            PropertyBytes::new().flags(9).extra(b"\0\0\x01a"),
        ),
    ] {
        round_trip(&lab, &mut client, what, &properties).await;
    }
}

async fn numbers_that_are_none_are_refused(lab: Lab) {
    let mut client = client(&lab).await;
    let floats = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0];
    let doubles = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0];
    let floats = floats.map(|number| FieldBytes::of(b'f', number.to_be_bytes()));
    let doubles = doubles.map(|number| FieldBytes::of(b'd', number.to_be_bytes()));
    for value in floats.into_iter().chain(doubles) {
        let what = show::hex(value.as_bytes());
        let nested = FieldBytes::array([value.clone()]);
        let top = PropertyBytes::new().header("k", value);
        round_trip(&lab, &mut client, &what, &top).await;
        let nested = PropertyBytes::new().header("k", nested);
        round_trip(&lab, &mut client, &format!("{what} in an array"), &nested).await;
    }
}

async fn an_expiration_must_be_a_number(lab: Lab) {
    let mut client = client(&lab).await;
    for bytes in [
        &b"\xe9"[..],
        b"10\xe9",
        b"10\0",
        b"\0",
        b"",
        b"10\xe2\x82\xac",
    ] {
        let properties = PropertyBytes::new().short("expiration", bytes);
        let what = bytes.escape_ascii().to_string();
        round_trip(&lab, &mut client, &what, &properties).await;
    }
}

async fn a_user_id_must_be_that_of_the_user(lab: Lab) {
    let mut client = client(&lab).await;
    for bytes in [&b"caf\xe9"[..], b"\xff", b"guest\0", b"", b"guest"] {
        let properties = PropertyBytes::new().short("user_id", bytes);
        let what = bytes.escape_ascii().to_string();
        round_trip(&lab, &mut client, &what, &properties).await;
    }
}

async fn what_is_wrong_with_the_exchange_is_told_first(lab: Lab) {
    let mut client = client(&lab).await;
    let cut = PropertyBytes::new().flags(0x8000).to_bytes();
    let verdict = client.publish("nowhere", "q", &cut, b"m").await;
    lab.note("no exchange", said(&verdict));
    let verdict = client.publish("", "nowhere", &cut, b"m").await;
    lab.note("no queue", said(&verdict));
    let both = PropertyBytes::new()
        .short("expiration", "x")
        .short("user_id", "x")
        .header("CC", FieldBytes::void());
    let verdict = client.publish("", "q", &both.to_bytes(), b"m").await;
    lab.note("everything is wrong", said(&verdict));
    let two = PropertyBytes::new()
        .short("user_id", "x")
        .header("CC", FieldBytes::void());
    let verdict = client.publish("", "q", &two.to_bytes(), b"m").await;
    lab.note("user and copies are wrong", said(&verdict));
}
