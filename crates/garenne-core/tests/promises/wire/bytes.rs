//! Property lists, made by hand.

use garenne_core::{Properties, PropertyList, TextProperty};

/// The flag of a text property.
pub(crate) fn flag(property: TextProperty) -> u16 {
    0x8000 >> property as u16
}

/// The flag of the headers.
pub(crate) const HEADERS: u16 = 0x2000;

/// A list with these flags.
pub(crate) fn list(flags: u16, content: &[u8]) -> Vec<u8> {
    [&flags.to_be_bytes(), content].concat()
}

pub(crate) fn short(text: &[u8]) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text].concat()
}

pub(crate) fn long(content: &[u8]) -> Vec<u8> {
    let len = u32::try_from(content.len()).unwrap();
    [&len.to_be_bytes(), content].concat()
}

pub(crate) fn entry(name: &[u8], kind: u8, content: &[u8]) -> Vec<u8> {
    [&short(name), &[kind][..], content].concat()
}

/// A list with nothing but these headers.
pub(crate) fn with_headers(entries: &[Vec<u8>]) -> Vec<u8> {
    list(HEADERS, &long(&entries.concat()))
}

pub(crate) fn encoded(properties: &Properties) -> Vec<u8> {
    let mut bytes = Vec::new();
    properties.encode(&mut bytes);
    assert_eq!(properties.encoded_len(), 12 + bytes.len(), "{properties:?}");
    bytes
}

/// A value of every type, with its content, and the type that it is written as again.
pub(crate) fn every_type() -> Vec<(u8, Vec<u8>, u8)> {
    let same: [(u8, &[u8]); 18] = [
        (b't', b"\x01"),
        (b'b', b"\xff"),
        (b'B', b"\xff"),
        (b's', b"\xff\xfe"),
        (b'u', b"\xff\xfe"),
        (b'I', b"\xff\0\0\x01"),
        (b'i', b"\xff\0\0\x01"),
        (b'l', b"\xff\0\0\0\0\0\0\x01"),
        (b'f', b"\x3f\x80\0\0"),
        (b'd', b"\x3f\xf0\0\0\0\0\0\0"),
        (b'D', b"\x02\0\0\0\xc7"),
        (b'S', b"\0\0\0\x03a\xc3\xa9"),
        (b'S', b"\0\0\0\x02a\xe9"),
        (b'x', b"\0\0\0\x02\0\xff"),
        (b'A', b"\0\0\0\x03Vt\0"),
        (b'T', b"\0\0\0\0\x6a\xb1\0\0"),
        (b'F', b"\0\0\0\x04\x01at\x01"),
        (b'V', b""),
    ];
    let same = same.map(|(kind, content)| (kind, content.to_vec(), kind));
    let other = [(b'L', vec![0xff; 8], b'l'), (b'U', vec![0xff; 2], b's')];
    same.into_iter().chain(other).collect()
}

/// What must hold of any bytes.
pub(crate) fn check(bytes: &[u8]) {
    let properties = Properties::decode(bytes);
    let again = Properties::decode(&encoded(&properties));
    assert!(again.can_be_sent(), "{again:?} of {bytes:x?}");
    let last = Properties::decode(&encoded(&again));
    assert_eq!(format!("{last:?}"), format!("{again:?}"), "of {bytes:x?}");
    if properties.can_be_sent() {
        assert_eq!(encoded(&again), encoded(&properties), "of {bytes:x?}");
        assert_eq!(format!("{again:?}"), format!("{properties:?}"));
    }
    check_lazy(PropertyList::new(bytes), &properties);
    for unread in &properties.unread {
        let text = unread.to_string();
        assert!(!text.contains(char::is_control), "{text:?}");
    }
}

/// Looking things up finds what reading everything finds.
fn check_lazy(list: PropertyList<'_>, properties: &Properties) {
    for property in TextProperty::ALL {
        let text = properties.text(property).map(str::as_bytes);
        let expected = text.or_else(|| properties.unread_text(property));
        assert_eq!(list.text(property), expected);
    }
    assert_eq!(list.delivery_mode(), properties.delivery_mode);
    assert_eq!(list.priority(), properties.priority);
    assert_eq!(list.timestamp(), properties.timestamp);
    let attempt = garenne_core::read_attempt(properties.headers.get("retry_nums"));
    assert_eq!(list.attempt(), attempt);
    for (name, value) in &properties.headers {
        let raw = list.header(name).unwrap();
        assert_eq!(
            format!("{:?}", raw.decode()),
            format!("{:?}", Ok::<_, ()>(value))
        );
        assert_eq!(raw.as_integer(), value.as_integer());
        assert_eq!(raw.as_text(), value.as_str());
    }
    for (name, raw) in list.headers() {
        let Ok(name) = std::str::from_utf8(name) else {
            continue;
        };
        let first = list.header(name).unwrap();
        assert_eq!(
            properties.headers.contains_key(name),
            first.decode().is_ok()
        );
        let _ = (raw.as_integer(), raw.as_text());
    }
}
