//! Looking things up.

use garenne_core::{PropertyList, Value};

use super::bytes::{entry, list, long, short, with_headers};

#[test]
fn a_header_is_found_behind_others_that_cannot_be_read() {
    let bytes = with_headers(&[
        entry(b"caf\xe9", b'V', b""),
        entry(b"odd", b'A', &long(b"Z")),
        entry(b"retry_nums", b'l', &2_i64.to_be_bytes()),
        entry(b"retry_nums", b'I', &9_i32.to_be_bytes()),
    ]);
    let list = PropertyList::new(&bytes);
    let raw = list.header("retry_nums").unwrap();
    assert_eq!((raw.as_integer(), raw.as_text()), (Some(2), None));
    assert_eq!(raw.decode(), Ok(Value::I64(2)));
    assert_eq!(list.attempt().number(), 3);
    assert_eq!(list.headers().count(), 4);
    assert_eq!(list.header("absent"), None);
}

#[test]
fn an_attempt_is_read_from_every_type_that_holds_a_whole_number() {
    let threes: [(u8, &[u8]); 11] = [
        (b'b', &[3]),
        (b'B', &[3]),
        (b's', &[0, 3]),
        (b'u', &[0, 3]),
        (b'I', &[0, 0, 0, 3]),
        (b'i', &[0, 0, 0, 3]),
        (b'l', &[0, 0, 0, 0, 0, 0, 0, 3]),
        (b'L', &[0, 0, 0, 0, 0, 0, 0, 3]),
        (b'f', &3_f32.to_be_bytes()),
        (b'd', &3_f64.to_be_bytes()),
        (b'S', b"\0\0\0\x03 3 "),
    ];
    for (kind, content) in threes {
        let bytes = with_headers(&[entry(b"retry_nums", kind, content)]);
        assert_eq!(
            PropertyList::new(&bytes).attempt().number(),
            4,
            "{}",
            char::from(kind)
        );
    }
}

#[test]
fn properties_are_found_wherever_they_stand() {
    let content = [
        short(b"text/plain"),
        vec![2],
        short(b"c\xff"),
        short(b"q"),
        short(b"m-1"),
        vec![0; 7],
        vec![9],
    ];
    let bytes = list(
        0x8000 | 0x1000 | 0x0400 | 0x0200 | 0x0080 | 0x0040,
        &content.concat(),
    );
    let list = PropertyList::new(&bytes);
    assert_eq!(list.content_type(), Some(b"text/plain".as_slice()));
    assert_eq!(list.delivery_mode(), Some(2));
    assert_eq!(list.correlation_id(), Some(b"c\xff".as_slice()));
    assert_eq!(list.reply_to(), Some(b"q".as_slice()));
    assert_eq!(list.message_id(), Some(b"m-1".as_slice()));
    assert_eq!(list.timestamp(), Some(9));
    assert_eq!(list.priority(), None);
    assert_eq!(list.headers().count(), 0);
}

#[test]
fn no_bytes_are_a_list_of_nothing() {
    for bytes in [b"".as_slice(), b"\x80", b"\0\0"] {
        let list = PropertyList::new(bytes);
        assert_eq!((list.message_id(), list.header("a")), (None, None));
    }
}
