//! Recognises a body that is not in the expected form: the operator reads this instead of a parser's error.

/// Bodies that begin like this are compressed.
const COMPRESSED: [(&[u8], &str); 10] = [
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x78\x01", "zlib (deflate)"),
    (b"\x78\x5e", "zlib (deflate)"),
    (b"\x78\x9c", "zlib (deflate)"),
    (b"\x78\xda", "zlib (deflate)"),
    (b"BZh", "bzip2"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\xff\x06\x00\x00sNaPpY", "snappy"),
    (b"PK\x03\x04", "zip"),
];

/// Bodies that begin like this are in the serialization format of a programming language.
const OF_A_LANGUAGE: [(&[u8], &str); 5] = [
    (b"\xac\xed\x00\x05", "a serialized Java object"),
    (b"\x80\x02", "a Python pickle"),
    (b"\x80\x03", "a Python pickle"),
    (b"\x80\x04", "a Python pickle"),
    (b"\x80\x05", "a Python pickle"),
];

const UTF_8_MARK: &[u8] = b"\xef\xbb\xbf";

/// The real form of a body that is not JSON, and the remedy; `None` when a parser's error says more.
pub(super) fn json(body: &[u8]) -> Option<String> {
    if body.is_empty() {
        return Some("the body is empty; send a value, such as `null`".to_owned());
    }
    if body.iter().all(u8::is_ascii_whitespace) {
        return Some(
            "the body is nothing but white space; send a value, such as `null`".to_owned(),
        );
    }
    if body.starts_with(UTF_8_MARK) {
        return Some(
            "the body begins with a byte order mark (ef bb bf), which JSON must not have; have the sender write UTF-8 without one"
                .to_owned(),
        );
    }
    if body.trim_ascii_start().starts_with(b"<") {
        return Some(
            "the body begins with `<`, like XML or HTML; have the sender write JSON, or read it with a `Body` of your own"
                .to_owned(),
        );
    }
    text(body)
}

/// The real form of a body that is not UTF-8 text.
pub(super) fn text(body: &[u8]) -> Option<String> {
    let begins = |known: &[(&[u8], &'static str)]| {
        let known = known.iter().find(|(magic, _)| body.starts_with(magic))?;
        Some((hex(known.0), known.1))
    };
    if let Some((magic, how)) = begins(&COMPRESSED) {
        return Some(format!(
            "the body is compressed with {how} (it begins with {magic}), and garenne decompresses nothing; have the sender \
             leave it uncompressed, or decompress it in a `Body` of your own"
        ));
    }
    if let Some((magic, what)) = begins(&OF_A_LANGUAGE) {
        return Some(format!(
            "the body is {what} (it begins with {magic}); have the sender write JSON or text"
        ));
    }
    wide(body).map(|how| format!("the body is {how} text; have the sender write UTF-8"))
}

/// Texts with two or four bytes a character. JSON begins with an ASCII character, and so does most text.
fn wide(body: &[u8]) -> Option<&'static str> {
    match *body {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("UTF-16"),
        [0, 0, 0, 1..=0x7f, ..] | [1..=0x7f, 0, 0, 0, ..] => Some("UTF-32"),
        [0, 1..=0x7f, 0, 1..=0x7f, ..] | [1..=0x7f, 0, 1..=0x7f, 0, ..] => Some("UTF-16"),
        [0, 1..=0x7f] | [1..=0x7f, 0] => Some("UTF-16"),
        _ => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    let bytes: Vec<_> = bytes
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    bytes.join(" ")
}

#[cfg(test)]
mod tests {
    use crate::{Body, Bytes, Json, Text};

    fn as_json(body: &[u8]) -> String {
        let decoded = Json::<Vec<u32>>::decode(&Bytes::copy_from_slice(body), None);
        decoded.unwrap_err().as_str().to_owned()
    }

    fn utf_16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn a_body_that_is_no_json_is_called_by_its_name() {
        let cases: [(Vec<u8>, &str); 14] = [
            (b"".to_vec(), "empty"),
            (b" \r\n".to_vec(), "white space"),
            (
                b"\x1f\x8b\x08\0\0".to_vec(),
                "compressed with gzip (it begins with 1f 8b)",
            ),
            (b"\x28\xb5\x2f\xfd\x24".to_vec(), "zstd"),
            (b"x\x9c\x8b\x8e".to_vec(), "zlib"),
            (b"\xef\xbb\xbf[1]".to_vec(), "byte order mark"),
            (utf_16("\u{feff}[1]", u16::to_le_bytes), "UTF-16"),
            (utf_16("\u{feff}[1]", u16::to_be_bytes), "UTF-16"),
            (utf_16("[1]", u16::to_le_bytes), "UTF-16"),
            (utf_16("7", u16::to_be_bytes), "UTF-16"),
            (b"[\0\0\0]\0\0\0".to_vec(), "UTF-32"),
            (b" <?xml version=\"1.0\"?>".to_vec(), "XML"),
            (b"\xac\xed\x00\x05sr".to_vec(), "Java"),
            (b"\x80\x04\x95".to_vec(), "pickle"),
        ];
        for (body, what) in cases {
            let told = as_json(&body);
            assert!(
                told.starts_with("not the expected JSON: the body "),
                "{told}"
            );
            assert!(
                told.contains(what) && !told.contains("line 1"),
                "{what}: {told}"
            );
        }
    }

    #[test]
    fn a_parser_says_where_json_is_wrong() {
        assert!(
            as_json(b"[1, 2").contains("line 1 column 5"),
            "{}",
            as_json(b"[1, 2")
        );
        assert!(as_json(b"{\"a\": 1}").contains("invalid type: map"));
        assert!(as_json(b"[1,\"\xe9\"]").contains("column"));
    }

    #[test]
    fn the_content_type_is_told_where_it_promises_something_else() {
        let decoded = Json::<u8>::decode(
            &Bytes::from_static(b"\x0a\x05hello"),
            Some("application/protobuf"),
        );
        let told = decoded.unwrap_err().as_str().to_owned();
        assert!(
            told.ends_with("; its content type is `application/protobuf`"),
            "{told}"
        );
        let decoded = Json::<u8>::decode(&Bytes::from_static(b"x"), Some("application/json"));
        assert!(!decoded.unwrap_err().as_str().contains("content type"));
    }

    #[test]
    fn a_body_that_is_no_text_is_called_by_its_name() {
        let told = Text::decode(&Bytes::from_static(b"\x1f\x8b\x08"), None).unwrap_err();
        assert!(
            told.as_str()
                .starts_with("not UTF-8 text: the body is compressed with gzip"),
            "{told:?}"
        );
        let told = Text::decode(&Bytes::from_static(b"caf\xe9"), None).unwrap_err();
        assert!(told.as_str().contains("index 3"), "{told:?}");
        for text in ["", "\u{feff}x", "x"] {
            assert_eq!(Text::decode(&Bytes::from(text), None).unwrap().0, text);
        }
    }
}
