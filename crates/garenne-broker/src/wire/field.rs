//! Field tables and values as bytes: walked without a stack that a client could overflow, and
//! written without a codec.

/// The bytes that a number of four bytes at the front announces, and what is behind them.
fn long(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (size, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_be_bytes(*size) as usize)
}

/// The bytes that one byte at the front announces, and what is behind them.
pub(super) fn short(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (size, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*size))
}

/// How many bytes the value of a type has, if that does not depend on the value.
fn fixed_size(kind: u8) -> Option<usize> {
    Some(match kind {
        b'V' => 0,
        b't' | b'b' | b'B' => 1,
        b's' | b'u' => 2,
        b'I' | b'i' | b'f' => 4,
        b'D' => 5,
        b'l' | b'L' | b'd' | b'T' => 8,
        _ => return None,
    })
}

/// Whether these are the entries of a table, each as long as it says, of the types that RabbitMQ
/// knows, at any depth. As RabbitMQ, it wants numbers to be numbers.
pub(super) fn is_table(bytes: &[u8]) -> bool {
    let mut walker = Walker {
        bytes,
        at: 0,
        open: vec![(bytes.len(), true)],
    };
    while let Some(&(end, is_table)) = walker.open.last() {
        if walker.at == end {
            walker.open.pop();
        } else if walker.step(end, is_table).is_none() || walker.at > end {
            return false;
        }
    }
    true
}

struct Walker<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the tables and arrays end that `at` is in, the outermost first; true for tables.
    open: Vec<(usize, bool)>,
}

impl Walker<'_> {
    /// Goes over one value, or into it when it is a table or an array.
    fn step(&mut self, end: usize, is_table: bool) -> Option<()> {
        if is_table {
            self.at += 1 + usize::from(*self.bytes.get(self.at)?);
        }
        let kind = *self.bytes.get(self.at)?;
        self.at += 1;
        let rest = self.bytes.get(self.at..)?;
        match kind {
            b'F' | b'A' => {
                self.at += 4;
                let inner = self.at + long(rest)?.0.len();
                if inner > end {
                    return None;
                }
                self.open.push((inner, kind == b'F'));
            }
            b'S' | b'x' => self.at += 4 + long(rest)?.0.len(),
            b'f' => {
                let number = f32::from_be_bytes(*rest.first_chunk()?);
                self.at += 4;
                return number.is_finite().then_some(());
            }
            b'd' => {
                let number = f64::from_be_bytes(*rest.first_chunk()?);
                self.at += 8;
                return number.is_finite().then_some(());
            }
            kind => self.at += fixed_size(kind)?,
        }
        Some(())
    }
}

/// The first value and what is behind it, without a look at what is inside.
fn first_value(bytes: &[u8]) -> Option<(Value<'_>, &[u8])> {
    let (&kind, rest) = bytes.split_first()?;
    let (payload, rest) = match kind {
        b'F' | b'A' | b'S' | b'x' => long(rest)?,
        kind => rest.split_at_checked(fixed_size(kind)?)?,
    };
    let whole = &bytes[..bytes.len() - rest.len()];
    let value = Value {
        kind,
        payload,
        whole,
    };
    Some((value, rest))
}

/// One value as it came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value<'a> {
    pub(crate) kind: u8,
    /// What is behind the type, and behind the length where there is one.
    pub(crate) payload: &'a [u8],
    /// All of it.
    pub(super) whole: &'a [u8],
}

impl<'a> Value<'a> {
    /// The values in an array.
    pub(crate) fn elements(self) -> impl Iterator<Item = Self> {
        let mut rest = self.payload;
        std::iter::from_fn(move || {
            let (value, behind) = first_value(rest)?;
            rest = behind;
            Some(value)
        })
    }

    /// The entries of a table.
    pub(crate) fn entries(self) -> Table<'a> {
        Table(self.payload)
    }

    /// So many bytes from the front; zeros where there are none.
    pub(super) fn number<const N: usize>(self) -> [u8; N] {
        self.payload.first_chunk().copied().unwrap_or([0; N])
    }
}

/// The entries of a table in their order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table<'a>(pub(super) &'a [u8]);

impl<'a> Table<'a> {
    /// The value of the first entry of this name.
    pub(crate) fn first(self, name: &str) -> Option<Value<'a>> {
        let mut entries = self;
        let found = entries.find(|(other, _)| *other == name.as_bytes());
        found.map(|(_, value)| value)
    }

    /// The value of the last entry of this name.
    pub(crate) fn last_of(self, name: &str) -> Option<Value<'a>> {
        let same = self.filter(|(other, _)| *other == name.as_bytes());
        same.last().map(|(_, value)| value)
    }
}

impl<'a> Iterator for Table<'a> {
    type Item = (&'a [u8], Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, rest) = short(self.0)?;
        let (value, rest) = first_value(rest)?;
        self.0 = rest;
        Some((name, value))
    }
}

/// A value that the broker writes.
#[derive(Clone, Debug)]
pub(crate) struct Field(pub(super) Vec<u8>);

impl Field {
    pub(crate) fn text(text: impl AsRef<[u8]>) -> Self {
        Self::sized(b'S', text.as_ref())
    }

    pub(crate) fn long(number: i64) -> Self {
        let mut bytes = vec![b'l'];
        bytes.extend_from_slice(&number.to_be_bytes());
        Self(bytes)
    }

    pub(crate) fn time(seconds: u64) -> Self {
        let mut bytes = vec![b'T'];
        bytes.extend_from_slice(&seconds.to_be_bytes());
        Self(bytes)
    }

    pub(crate) fn array(values: impl IntoIterator<Item = Self>) -> Self {
        let all: Vec<u8> = values.into_iter().flat_map(|value| value.0).collect();
        Self::sized(b'A', &all)
    }

    pub(crate) fn table<'a>(entries: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        let mut all = Vec::new();
        for (name, value) in entries {
            put_short(name.as_bytes(), &mut all);
            all.extend_from_slice(&value.0);
        }
        Self::sized(b'F', &all)
    }

    fn sized(kind: u8, content: &[u8]) -> Self {
        let mut bytes = vec![kind];
        put_long(content, &mut bytes);
        Self(bytes)
    }
}

/// Appends a short string. What the broker writes fits; more would be cut, never written broken.
pub(super) fn put_short(bytes: &[u8], to: &mut Vec<u8>) {
    let bytes = &bytes[..bytes.len().min(255)];
    to.push(u8::try_from(bytes.len()).unwrap_or(u8::MAX));
    to.extend_from_slice(bytes);
}

pub(super) fn put_long(bytes: &[u8], to: &mut Vec<u8>) {
    let size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    to.extend_from_slice(&size.to_be_bytes());
    to.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table of one entry that nests so deep.
    fn nested(depth: usize, kind: u8, bottom: &[u8]) -> Vec<u8> {
        let name: &[u8] = if kind == b'F' { b"\x01k" } else { b"" };
        let mut bytes = b"\x01k".to_vec();
        for inside in (0..depth).rev() {
            bytes.push(kind);
            let size = inside * (5 + name.len()) + name.len() + bottom.len();
            bytes.extend_from_slice(&u32::try_from(size).unwrap().to_be_bytes());
            bytes.extend_from_slice(name);
        }
        bytes.extend_from_slice(bottom);
        bytes
    }

    #[test]
    fn a_table_of_any_depth_is_walked_down_to_its_bottom() {
        for kind in [b'F', b'A'] {
            for depth in [0, 1, 100, 100_000] {
                assert!(is_table(&nested(depth, kind, b"V")), "{depth}");
                assert!(!is_table(&nested(depth, kind, b"?")), "{depth}");
                assert!(!is_table(&nested(depth, kind, b"l")), "{depth}");
            }
        }
    }

    #[test]
    fn no_part_may_be_longer_than_what_it_is_in() {
        for broken in [
            &b"\x01k"[..],
            b"\x05k",
            b"\x01kl\0\0",
            b"\x01kS\0\0\0\x05hi",
            b"\x01kF\xff\xff\xff\xff",
            b"\x01kF\0\0\0\x04\x01kt\x01V",
            b"\x01kF\0\0\0\x03\x02ktV\x01aV",
            b"\x01kA\0\0\0\x02sV",
            b"\x01kA\0\0\0\x01A\0\0\0\0\x01kV",
            b"\x01kV\0",
        ] {
            assert!(!is_table(broken), "{}", broken.escape_ascii());
        }
        assert!(is_table(b""));
        assert!(is_table(b"\x01kA\0\0\0\x05A\0\0\0\0\x01kV"));
    }

    #[test]
    fn numbers_must_be_numbers() {
        let float = |number: f32| [&b"\x01kf"[..], &number.to_be_bytes()].concat();
        let double = |number: f64| [&b"\x01kd"[..], &number.to_be_bytes()].concat();
        assert!(is_table(&float(-0.0)) && is_table(&double(f64::MAX)));
        assert!(!is_table(&float(f32::NAN)) && !is_table(&float(f32::INFINITY)));
        assert!(!is_table(&double(f64::NAN)) && !is_table(&double(f64::NEG_INFINITY)));
    }

    #[test]
    fn entries_and_elements_are_cut_where_they_end() {
        let table = Field::table([
            ("a", Field::array([Field::long(1), Field::text("b")])),
            ("c", Field::time(7)),
        ]);
        let (table, _) = first_value(&table.0).unwrap();
        let names: Vec<&[u8]> = table.entries().map(|(name, _)| name).collect();
        assert_eq!(names, [b"a", b"c"]);
        let array = table.entries().first("a").unwrap();
        let kinds: Vec<u8> = array.elements().map(|value| value.kind).collect();
        assert_eq!(kinds, b"lS");
        assert!(table.entries().first("b").is_none());
    }
}
