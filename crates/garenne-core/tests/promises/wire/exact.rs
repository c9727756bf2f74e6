//! Copies carry the very bytes.

use garenne_core::{Properties, TextProperty, UnreadPart};

use super::bytes::{check, encoded, entry, every_type, flag, list, long, short, with_headers};

#[test]
fn a_value_of_every_type_is_written_as_it_came() {
    for (kind, content, written_as) in every_type() {
        let bytes = with_headers(&[entry(b"h", kind, &content)]);
        let properties = Properties::decode(&bytes);
        assert_eq!(properties.unread, [], "{}", char::from(kind));
        let expected = with_headers(&[entry(b"h", written_as, &content)]);
        assert_eq!(encoded(&properties), expected, "{}", char::from(kind));
    }
}

#[test]
fn a_value_of_every_type_inside_another_is_written_as_it_came() {
    for (kind, content, written_as) in every_type() {
        let inside = |kind| {
            let in_array = long(&[&[kind], &content[..]].concat());
            let in_table = long(&entry(b"inner", kind, &content));
            let deeper = long(&[b"F", &in_table[..]].concat());
            with_headers(&[
                entry(b"a", b'A', &in_array),
                entry(b"b", b'F', &in_table),
                entry(b"c", b'A', &deeper),
            ])
        };
        let properties = Properties::decode(&inside(kind));
        assert_eq!(properties.unread, [], "{}", char::from(kind));
        assert_eq!(
            encoded(&properties),
            inside(written_as),
            "{}",
            char::from(kind)
        );
    }
}

#[test]
fn every_text_property_holds_every_byte() {
    for property in TextProperty::ALL {
        for byte in 0..=u8::MAX {
            let text = [b'a', byte, b'z'];
            let bytes = list(flag(property), &short(&text));
            check(&bytes);
            let properties = Properties::decode(&bytes);
            assert_eq!(properties.text(property).is_some(), byte < 0x80);
            assert_eq!(properties.unread_text(property).is_some(), byte >= 0x80);
            assert_eq!(encoded(&properties), bytes);
        }
    }
}

#[test]
fn the_name_of_a_header_holds_every_byte() {
    for byte in 0..=u8::MAX {
        let bytes = with_headers(&[
            entry(b"a", b't', b"\x01"),
            entry(&[b'b', byte], b'S', &long(b"text")),
        ]);
        check(&bytes);
        assert_eq!(encoded(&Properties::decode(&bytes)), bytes);
        let inside = with_headers(&[entry(b"a", b'F', &long(&entry(&[byte], b'V', b"")))]);
        check(&inside);
        assert_eq!(encoded(&Properties::decode(&inside)), inside);
    }
}

#[test]
fn of_headers_with_one_name_the_first_counts_and_all_are_kept() {
    let bytes = with_headers(&[
        entry(b"a", b'B', b"\x01"),
        entry(b"b", b'V', b""),
        entry(b"a", b'B', b"\x02"),
        entry(b"a", b'B', b"\x03"),
    ]);
    check(&bytes);
    let properties = Properties::decode(&bytes);
    assert_eq!(properties.headers["a"], 1_u8.into());
    let kept: Vec<_> = properties
        .unread
        .iter()
        .map(|unread| &*unread.bytes)
        .collect();
    assert_eq!(kept, [b"\x01aB\x02", b"\x01aB\x03"]);
}

#[test]
fn a_header_that_cannot_be_read_hides_a_later_one_of_its_name() {
    let deaf = entry(b"a", b'F', &long(&entry(b"\xff", b'V', b"")));
    let bytes = with_headers(&[deaf, entry(b"a", b'B', b"\x02")]);
    check(&bytes);
    let properties = Properties::decode(&bytes);
    assert!(properties.headers.is_empty());
    assert_eq!(properties.unread.len(), 2);
    assert_eq!(encoded(&properties), bytes);
}

#[test]
fn a_frame_full_of_headers_of_one_name_is_read_at_once() {
    let entries = vec![entry(b"a", b'V', b""); 300_000];
    let properties = Properties::decode(&with_headers(&entries));
    assert_eq!(properties.unread.len(), entries.len() - 1);
    let names: Vec<_> = (0..100_000)
        .map(|n: u32| entry(&[&[0xff], &n.to_be_bytes()[..]].concat(), b'V', b""))
        .collect();
    let properties = Properties::decode(&with_headers(&names));
    assert!(
        properties
            .unread
            .iter()
            .all(|u| u.part == UnreadPart::Header)
    );
}

#[test]
fn a_property_that_is_set_counts_instead_of_what_could_not_be_read() {
    let mut properties = Properties::decode(&list(flag(TextProperty::AppId), &short(b"caf\xe9")));
    properties.app_id = Some("café".into());
    assert_eq!(
        encoded(&properties),
        list(flag(TextProperty::AppId), &short("café".as_bytes()))
    );
}

#[test]
fn an_id_is_readable_even_if_it_is_not_utf_8() {
    let id = |id: &[u8]| Properties::decode(&list(flag(TextProperty::MessageId), &short(id)));
    assert_eq!(id(b"m-1").readable_message_id().as_deref(), Some("m-1"));
    assert_eq!(
        id(b"m\xe9\x1b").readable_message_id().as_deref(),
        Some("m\\xe9\\u{1b}")
    );
    assert_eq!(Properties::default().readable_message_id(), None);
}

#[test]
fn what_is_too_long_for_a_short_string_is_cut_between_characters() {
    let long = "ü".repeat(200);
    let properties = Properties {
        app_id: Some(long.clone()),
        headers: [(long.clone(), true.into())].into(),
        ..Properties::default()
    };
    let back = Properties::decode(&encoded(&properties));
    assert_eq!(back.app_id.as_deref(), Some(&long[..254]));
    assert!(back.headers.contains_key(&long[..254]));
}
