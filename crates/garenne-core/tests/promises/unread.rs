//! What cannot be read of a message rides along with its copies.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use garenne_core::json::{read_properties, write_properties};
use garenne_core::{
    Attempt, FailReason, FailedMessage, FailedQuery, Headers, Origin, Properties, TextProperty,
    Unread, UnreadPart, Value, header, original, retry_copy,
};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::samples::{failed, out_of_lane, read_back};
use crate::wire::bytes::{encoded, entry, flag, list, long, short, with_headers};

const ORIGIN: Origin<'_> = Origin::new("orders", "shop", "order.placed");
/// As a copy comes back.
const BACK: Origin<'_> = Origin::new("orders", "", "orders");

/// The payload of the smallest frame that AMQP allows.
const SMALLEST: usize = 4096 - 8;

fn at(secs: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(secs)
}

fn copy_of(delivered: Properties) -> Properties {
    retry_copy(delivered, ORIGIN, Attempt::from_failed(1), "given", at(1))
}

fn through_the_wire(properties: &Properties) -> Properties {
    Properties::decode(&encoded(properties))
}

fn deep(levels: usize) -> Vec<u8> {
    (0..levels).fold(b"V".to_vec(), |inner, _| [b"A", &long(&inner)[..]].concat())
}

fn deep_entry(name: &[u8]) -> Vec<u8> {
    [short(name), deep(101)].concat()
}

/// One header, more often than not one that cannot be read.
fn any_entry() -> impl Strategy<Value = Vec<u8>> {
    let names: [&[u8]; 6] = [b"tenant", b"CC", b"BCC", b"caf\xe9", b"", b"x-tenant"];
    let name = prop::sample::select(names.to_vec());
    let value = prop_oneof![
        "[a-z]{0,9}".prop_map(|text| [b"S", &long(text.as_bytes())[..]].concat()),
        any::<i32>().prop_map(|n| [b"I", &n.to_be_bytes()[..]].concat()),
        Just(deep(100)),
        Just(deep(101)),
        Just([b"F", &long(&entry(b"\xff", b'V', b""))[..]].concat()),
        Just(
            [
                b"F",
                &long(&[entry(b"a", b'V', b""), entry(b"a", b'V', b"")].concat())[..]
            ]
            .concat()
        ),
    ];
    (name, value).prop_map(|(name, value)| [short(name), value].concat())
}

/// A header that no broker takes.
fn broken_entry() -> impl Strategy<Value = Vec<u8>> {
    let names: [&[u8]; 3] = [b"tenant", b"CC", b"odd\xff"];
    prop::sample::select(names.to_vec()).prop_map(|name| entry(name, b'A', &long(b"Z")))
}

prop_compose! {
    /// Properties that were read from the wire, of a persistent message with an id.
    fn read(is_broken: bool)(
        entries in prop::collection::vec(any_entry(), 0..6),
        broken in prop::collection::vec(broken_entry(), 0..2),
        texts in prop::array::uniform10(prop::option::of(prop::collection::vec(any::<u8>(), 0..20))),
        id in prop::collection::vec(any::<u8>(), 1..20),
        cut in prop::option::of(1_usize..30),
    ) -> Properties {
        let mut entries = entries;
        if is_broken {
            for broken in broken {
                entries.insert(entries.len() / 2, broken);
            }
        }
        let mut flags = 0x3000;
        let mut content = [long(&entries.concat()), vec![2]].concat();
        for (property, text) in TextProperty::ALL.into_iter().zip(texts).skip(2) {
            let text = if property == TextProperty::MessageId { Some(id.clone()) } else { text };
            if let Some(text) = text {
                flags |= flag(property);
                content.extend(short(&text));
            }
        }
        let mut bytes = list(flags, &content);
        if let Some(cut) = cut.filter(|_| is_broken) {
            bytes.extend(vec![0xff; cut]);
        }
        Properties::decode(&bytes)
    }
}

proptest! {
    #[test]
    fn the_original_is_read_out_of_a_copy_with_all_that_cannot_be_read(delivered in read(false)) {
        prop_assert!(delivered.can_be_sent());
        let first = through_the_wire(&copy_of(delivered.clone()));
        prop_assert!(first.can_be_sent());
        let second = retry_copy(
            out_of_lane(first.clone()), BACK, Attempt::from_failed(2), "other", at(2),
        );
        for copy in [first, through_the_wire(&second)] {
            prop_assert_eq!(&original(out_of_lane(copy), BACK).properties, &delivered);
        }
    }

    #[test]
    fn handlers_of_a_copy_have_back_what_cannot_be_sent(delivered in read(true)) {
        let copy = copy_of(delivered.clone());
        prop_assert!(copy.can_be_sent());
        let back = out_of_lane(through_the_wire(&copy));
        prop_assert_eq!(&original(back, BACK).properties, &delivered);
    }

    #[test]
    fn a_record_is_read_back_with_all_that_could_not_be_read(properties in read(true)) {
        let message_id = properties.readable_message_id().unwrap().into_owned();
        let record = FailedMessage { properties, message_id, ..failed() };
        let parked = through_the_wire(&record.parking_properties(usize::MAX));
        prop_assert_eq!(&read_back(&parked), &record);
        let replayed = through_the_wire(&record.replay_properties("fresh"));
        let mut back = original(replayed, BACK).properties;
        back.headers.remove(header::REPLAY_ID).unwrap();
        back.headers.remove(header::REPLAY_COUNT).unwrap();
        prop_assert_eq!(back, record.properties);
    }

    #[test]
    fn a_record_fits_whatever_could_not_be_read(
        properties in read(true),
        sizes in prop::collection::vec(0_usize..3000, 0..20),
        max in SMALLEST..20_000,
    ) {
        let mut record = FailedMessage { properties, ..failed() };
        for (n, size) in sizes.into_iter().enumerate() {
            let name = [&[0xff], n.to_string().as_bytes()].concat();
            let bytes = entry(&name, b'x', &long(&vec![7; size]));
            record.properties.unread.push(Unread { part: UnreadPart::Header, bytes });
        }
        let whole = record.parking_properties(usize::MAX);
        let parked = record.parking_properties(max);
        prop_assert!(encoded(&parked).len() + 12 <= max);
        if whole.encoded_len() <= max {
            prop_assert_eq!(parked, whole, "cut for no reason");
        }
    }

    #[test]
    fn json_carries_what_cannot_be_read(properties in read(true)) {
        let text = Json::Object(write_properties(&properties).unwrap()).to_string();
        let json: Json = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(read_properties(json.as_object().unwrap()).unwrap(), properties);
    }
}

#[test]
fn what_cannot_be_read_does_not_act_on_a_copy() {
    let flags = 0x2000 | flag(TextProperty::Expiration) | flag(TextProperty::UserId);
    let headers = [
        entry(b"CC", b'A', &long(b"")),
        deep_entry(b"CC"),
        deep_entry(b"BCC"),
    ];
    let content = [long(&headers.concat()), short(b"\xff1"), short(b"till\xff")];
    let delivered = Properties::decode(&list(flags, &content.concat()));
    let copy = copy_of(delivered);
    assert_eq!(
        copy.headers[header::ORIG_EXPIRATION],
        Value::LongString(b"\xff1".to_vec())
    );
    assert_eq!(
        copy.headers[header::ORIG_USER_ID],
        Value::LongString(b"till\xff".to_vec())
    );
    let names: Vec<_> = copy.unread.iter().filter_map(Unread::header_name).collect();
    assert_eq!(names, [b"orig-CC".as_slice(), b"orig-BCC"]);
    assert_eq!(copy.unread.len(), 2);
    assert!(!copy.headers.contains_key("CC"));
}

#[test]
fn what_is_ours_or_the_brokers_is_dropped_even_if_it_cannot_be_read() {
    let delivered = Properties::decode(&with_headers(&[
        deep_entry(b"x-death"),
        deep_entry(b"orig-CC"),
        deep_entry(b"x-first-death-queue"),
        entry(b"retry_nums", b'I', &0_i32.to_be_bytes()),
        entry(b"retry_nums", b'I', &9_i32.to_be_bytes()),
        deep_entry(b"tenant"),
    ]));
    let kept = |properties: &Properties| {
        let names = properties.unread.iter().filter_map(Unread::header_name);
        names.map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    let copy = copy_of(delivered.clone());
    assert_eq!(kept(&copy), [b"tenant"]);
    assert_eq!(copy.headers[header::RETRY_NUMS], Value::I32(1));
    assert_eq!(kept(&original(delivered, ORIGIN).properties), [b"tenant"]);
}

#[test]
fn an_id_that_is_not_utf_8_is_kept_and_the_record_is_known_by_its_readable_form() {
    let bytes = list(flag(TextProperty::MessageId), &short(b"caf\xe9"));
    let delivered = Properties::decode(&bytes);
    let copy = copy_of(delivered.clone());
    assert_eq!(
        (
            copy.message_id.as_deref(),
            copy.readable_message_id().as_deref()
        ),
        (None, Some("caf\\xe9"))
    );
    let record = FailedMessage {
        message_id: "caf\\xe9".into(),
        properties: delivered,
        ..failed()
    };
    let parked = record.parking_properties(usize::MAX);
    assert_eq!(
        parked.unread_text(TextProperty::MessageId),
        Some(b"caf\xe9".as_slice())
    );
    assert_eq!(parked.message_id, None);
    assert_eq!(read_back(&parked).message_id, "caf\\xe9");
    let replayed = record.replay_properties("fresh");
    assert_eq!(replayed.headers[header::REPLAY_ID], "caf\\xe9#1".into());
    assert_eq!(replayed.unread, parked.unread);
}

#[test]
fn the_largest_headers_are_dropped_and_named_even_if_they_cannot_be_read() {
    let mut record = failed();
    for (name, size) in [(b"caf\xe9\x1b".as_slice(), 9000), (b"small\xe9", 10)] {
        let bytes = entry(name, b'x', &long(&vec![7; size]));
        let part = UnreadPart::Header;
        record.properties.unread.push(Unread { part, bytes });
    }
    let parked = record.parking_properties(SMALLEST);
    assert_eq!(
        parked.headers[header::FAIL_DROPPED_HEADERS],
        vec![Value::from("caf\\xe9\\u{1b}")].into()
    );
    assert_eq!(parked.unread, record.properties.unread[1..]);
}

#[test]
fn what_somebody_forged_as_put_aside_is_not_believed() {
    let forged = |value: Value| {
        let headers = Headers::from([
            (header::RETRY_NUMS.into(), 1_i32.into()),
            (header::ORIG_UNREAD.into(), value),
        ]);
        let delivered = Properties {
            headers,
            ..Properties::default()
        };
        original(delivered, ORIGIN).properties
    };
    let table = |tag: &str, value: Value| {
        let table = Headers::from([(tag.to_owned(), value)]);
        Value::from(vec![Value::from(table)])
    };
    for value in [
        "rest".into(),
        vec![Value::Void].into(),
        table("rest", "text".into()),
        table("property", Value::ByteArray(vec![1])),
        table("header", Value::ByteArray(b"\x01aV?".to_vec())),
    ] {
        assert_eq!(forged(value.clone()), Properties::default(), "{value:?}");
    }
    let in_orig = |name: &str, value: Value| {
        let headers = Headers::from([
            (header::RETRY_NUMS.into(), 1_i32.into()),
            (name.into(), value),
        ]);
        original(
            Properties {
                headers,
                ..Properties::default()
            },
            ORIGIN,
        )
        .properties
    };
    let long = Value::LongString(vec![0xff; 256]);
    assert_eq!(in_orig(header::ORIG_USER_ID, long), Properties::default());
}

#[test]
fn a_message_that_the_broker_parked_is_read_without_its_deaths_if_they_cannot_be_read() {
    let parked = Properties::decode(&with_headers(&[
        deep_entry(b"x-death"),
        entry(b"x-first-death-queue", b'S', &long(b"orders")),
    ]));
    let record = read_back(&parked);
    assert_eq!(
        (record.reason, &*record.queue),
        (FailReason::Unknown, "orders")
    );
    let names: Vec<_> = record.properties.headers.keys().collect();
    assert_eq!(names, [header::FAIL_DOUBT]);
    assert!(record.error.contains("the broker has moved it here"));
}

#[test]
fn a_record_that_is_put_back_keeps_what_could_not_be_read() {
    let bytes = with_headers(&[deep_entry(b"tenant"), deep_entry(b"x-tenant")]);
    let properties = Properties::decode(&bytes);
    let record = FailedMessage {
        properties,
        ..failed()
    };
    let mut parked = record.parking_properties(usize::MAX);
    let bytes = deep_entry(b"x-death");
    let part = UnreadPart::Header;
    parked.unread.push(Unread { part, bytes });
    let again = record.parked_again(&parked, usize::MAX);
    assert_eq!(again, Some(record.parking_properties(usize::MAX)));
}

#[test]
fn what_cannot_be_read_is_named_in_json() {
    let unread = |part, bytes: &[u8]| Unread {
        part,
        bytes: bytes.to_vec(),
    };
    let properties = Properties {
        unread: vec![
            unread(UnreadPart::Header, b"\x01aV"),
            unread(UnreadPart::Headers, b"\x01aZ"),
            unread(UnreadPart::Property(TextProperty::AppId), b"caf\xe9"),
            unread(UnreadPart::Rest, b"\0\0\x01\x02"),
        ],
        ..Properties::default()
    };
    let expected = json!({"$unread": [
        {"header": "AWFW"},
        {"headers": "AWFa"},
        {"property": "app_id", "bytes": "Y2Fm6Q=="},
        {"rest": "AAABAg=="},
    ]});
    assert_eq!(
        Json::Object(write_properties(&properties).unwrap()),
        expected
    );
    assert_eq!(
        read_properties(expected.as_object().unwrap()),
        Ok(properties)
    );
}

#[test]
fn json_of_what_could_not_be_read_is_not_dropped_when_it_is_wrong() {
    let cases = [
        (json!(7), "not an array"),
        (json!([7]), "not an object"),
        (
            json!([{}]),
            "not a `property`, a `header`, `headers` or a `rest`",
        ),
        (
            json!([{"rest": "", "header": ""}]),
            "not a `property`, a `header`, `headers` or a `rest`",
        ),
        (json!([{"header": "AWFWVg=="}]), "not one whole header"),
        (
            json!([{"property": "headers", "bytes": ""}]),
            "in `property`: AMQP has no such text property",
        ),
        (
            json!([{"property": "app_id"}]),
            "a property has `bytes`, and nothing else",
        ),
    ];
    for (json, expected) in cases {
        let json = json!({ "$unread": json }).as_object().cloned();
        let error = read_properties(&json.unwrap()).unwrap_err();
        assert_eq!(error.to_string(), format!("in `$unread`: {expected}"));
    }
}

#[test]
fn a_record_is_found_by_the_readable_form_of_a_property() {
    let mut record = failed();
    record.properties = Properties::decode(&list(flag(TextProperty::AppId), &short(b"caf\xe9")));
    let query = FailedQuery::all().condition("app-id=caf\\xe9".parse().unwrap());
    assert!(query.matches(&record));
}
