//! Properties as text, whatever bytes they are.
//!
//! The codec refuses what is not UTF-8 and overflows its stack on what nests deep, so that it is
//! asked only about what was walked before.

use amq_protocol::protocol::BasicProperties;
use amq_protocol::protocol::basic::parse_properties;

use super::show;

/// The deepest nesting that is shown; what is deeper is told by its length and a checksum.
const SHOWN: usize = 4;

/// The deepest nesting that the codec is asked to read, and that is walked.
const DEEPEST: usize = 64;

/// The properties in the order of their flags, as [`show::properties`] calls them.
const NAMES: [&str; 14] = [
    "content_type",
    "content_encoding",
    "headers",
    "delivery_mode",
    "priority",
    "correlation_id",
    "reply_to",
    "expiration",
    "message_id",
    "timestamp",
    "kind",
    "user_id",
    "app_id",
    "cluster_id",
];

/// Properties as text, headers last.
pub(crate) fn properties(bytes: &[u8]) -> String {
    Walker::of(bytes).1
}

/// What the codec reads, if it can.
pub(crate) fn parse(bytes: &[u8]) -> Option<BasicProperties> {
    let (walker, _) = Walker::of(bytes);
    let is_safe = walker.plain && walker.bytes.is_empty();
    let parsed = parse_properties(bytes).ok().filter(|_| is_safe);
    parsed.map(|(_, properties)| properties)
}

/// Bytes as they are when they are few.
pub(crate) fn bytes(bytes: &[u8]) -> String {
    match bytes.len() {
        0..=100 => show::hex(bytes),
        _ => show::body(bytes),
    }
}

struct Walker<'a> {
    bytes: &'a [u8],
    /// Whether everything so far was UTF-8, whole and flat.
    plain: bool,
}

impl<'a> Walker<'a> {
    /// What is left at the end, and the text.
    fn of(bytes: &'a [u8]) -> (Self, String) {
        let mut walker = Walker { bytes, plain: true };
        let mut text = String::new();
        if walker.all(&mut text).is_none() {
            walker.plain = false;
            text += &format!(" and then {}", self::bytes(walker.bytes));
        }
        (walker, text)
    }

    fn all(&mut self, text: &mut String) -> Option<()> {
        let flags = u16::from_be_bytes(self.array()?);
        let mut headers = None;
        for (at, name) in NAMES.iter().enumerate() {
            if flags & (0x8000 >> at) == 0 {
                continue;
            }
            let value = match *name {
                "headers" => {
                    headers = Some(self.table(0)?);
                    continue;
                }
                "delivery_mode" | "priority" => u8::from_be_bytes(self.array()?).to_string(),
                "timestamp" => u64::from_be_bytes(self.array()?).to_string(),
                _ => self.short()?,
            };
            *text += &format!(" {name}={value}");
        }
        if let Some(headers) = headers {
            *text += &format!(" {headers}");
        }
        if flags & 3 != 0 {
            *text += &format!(" and flags {}", flags & 3);
        }
        self.bytes.is_empty().then_some(())
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count)?;
        self.bytes = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn short(&mut self) -> Option<String> {
        let [size] = self.array()?;
        let bytes = self.take(usize::from(size))?;
        self.plain &= std::str::from_utf8(bytes).is_ok();
        Some(bytes.escape_ascii().to_string())
    }

    fn long(&mut self) -> Option<Self> {
        let size = u32::from_be_bytes(self.array()?) as usize;
        let plain = true;
        self.take(size).map(|bytes| Walker { bytes, plain })
    }

    fn table(&mut self, depth: usize) -> Option<String> {
        let mut inner = self.long()?;
        let mut fields = Vec::new();
        while !inner.bytes.is_empty() {
            let name = inner.short()?;
            fields.push(format!("{name}: {}", inner.value(depth)?));
        }
        self.plain &= inner.plain;
        Some(format!("{{{}}}", fields.join(", ")))
    }

    fn list(&mut self, depth: usize) -> Option<String> {
        let mut inner = self.long()?;
        let mut values = Vec::new();
        while !inner.bytes.is_empty() {
            values.push(inner.value(depth)?);
        }
        self.plain &= inner.plain;
        Some(format!("[{}]", values.join(", ")))
    }

    fn value(&mut self, depth: usize) -> Option<String> {
        let [kind] = self.array()?;
        Some(match kind {
            b'F' | b'A' if depth >= DEEPEST => {
                self.plain = false;
                format!("'{}' {}", char::from(kind), bytes(self.long()?.bytes))
            }
            b'F' | b'A' if depth >= SHOWN => {
                let all = self.bytes;
                match kind {
                    b'F' => self.table(depth + 1)?,
                    _ => self.list(depth + 1)?,
                };
                let walked = &all[..all.len() - self.bytes.len()];
                format!("'{}' {}", char::from(kind), bytes(&walked[4..]))
            }
            b'F' => self.table(depth + 1)?,
            b'A' => self.list(depth + 1)?,
            b'S' => show::body(self.long()?.bytes),
            b'x' => format!("bytes {}", bytes(self.long()?.bytes)),
            b't' => (self.array::<1>()? != [0]).to_string(),
            b'b' => format!("{}i8", i8::from_be_bytes(self.array()?)),
            b'B' => format!("{}u8", u8::from_be_bytes(self.array()?)),
            b's' => format!("{}i16", i16::from_be_bytes(self.array()?)),
            b'u' => format!("{}u16", u16::from_be_bytes(self.array()?)),
            b'I' => format!("{}i32", i32::from_be_bytes(self.array()?)),
            b'i' => format!("{}u32", u32::from_be_bytes(self.array()?)),
            b'l' | b'L' => format!("{}i64", i64::from_be_bytes(self.array()?)),
            b'f' => format!("{}f32", f32::from_be_bytes(self.array()?)),
            b'd' => format!("{}f64", f64::from_be_bytes(self.array()?)),
            b'D' => {
                let [scale] = self.array()?;
                format!("{}e-{scale}", u32::from_be_bytes(self.array()?))
            }
            b'T' => match u64::from_be_bytes(self.array()?) {
                1_700_000_001.. => "now".to_owned(),
                time => format!("time {time}"),
            },
            b'V' => "void".to_owned(),
            _ => return None,
        })
    }
}
