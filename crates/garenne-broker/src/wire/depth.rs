//! A guard before the codec: the arguments of methods may nest, and the codec follows them by
//! recursion.
//!
//! A frame of 128 KiB can nest 25,000 levels deep, which would overflow the stack of the thread
//! that parses it. Nobody nests deeper than a few levels on purpose.

/// The deepest nesting of tables and arrays that the codec is given.
pub(super) const MAX_DEPTH: usize = 64;

/// Whether the table that starts `bytes` (its length first) nests at most [`MAX_DEPTH`] levels.
///
/// Bytes that make no sense are called shallow: the codec refuses them with a better error.
pub(crate) fn table_is_shallow(bytes: &[u8]) -> bool {
    Walker { bytes }.table(0).unwrap_or(true)
}

/// Skips `count` short strings.
pub(super) fn skip_short_strings(mut bytes: &[u8], count: usize) -> Option<&[u8]> {
    for _ in 0..count {
        let size = usize::from(*bytes.first()?);
        bytes = bytes.get(1 + size..)?;
    }
    Some(bytes)
}

struct Walker<'a> {
    bytes: &'a [u8],
}

impl<'a> Walker<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count)?;
        self.bytes = rest;
        Some(taken)
    }

    fn long(&mut self) -> Option<usize> {
        let bytes = self.take(4)?;
        Some(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize)
    }

    fn table(&mut self, depth: usize) -> Option<bool> {
        let size = self.long()?;
        let mut inner = Walker {
            bytes: self.take(size)?,
        };
        while let Some(size) = inner.take(1) {
            inner.take(usize::from(size[0]))?;
            if !inner.value(depth)? {
                return Some(false);
            }
        }
        Some(true)
    }

    fn array(&mut self, depth: usize) -> Option<bool> {
        let size = self.long()?;
        let mut inner = Walker {
            bytes: self.take(size)?,
        };
        while !inner.bytes.is_empty() {
            if !inner.value(depth)? {
                return Some(false);
            }
        }
        Some(true)
    }

    fn value(&mut self, depth: usize) -> Option<bool> {
        if depth >= MAX_DEPTH {
            return Some(false);
        }
        let size = match self.take(1)?[0] {
            b'F' => return self.table(depth + 1),
            b'A' => return self.array(depth + 1),
            b'S' | b'x' => self.long()?,
            b't' | b'b' | b'B' => 1,
            b's' | b'u' | b'U' => 2,
            b'I' | b'i' | b'f' => 4,
            b'D' => 5,
            b'l' | b'L' | b'd' | b'T' => 8,
            b'V' => 0,
            _ => return None,
        };
        self.take(size)?;
        Some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> Vec<u8> {
        let mut table = vec![0, 0, 0, 0];
        for _ in 0..levels {
            let mut outer = vec![0, b'F'];
            outer.extend_from_slice(&table);
            table = u32::try_from(outer.len()).unwrap().to_be_bytes().to_vec();
            table.extend_from_slice(&outer);
        }
        table
    }

    #[test]
    fn a_table_of_a_few_levels_passes_and_one_of_thousands_does_not() {
        assert!(table_is_shallow(&nested(0)));
        assert!(table_is_shallow(&nested(60)));
        assert!(!table_is_shallow(&nested(65)));
        assert!(!table_is_shallow(&nested(20_000)));
    }

    #[test]
    fn garbage_is_left_to_the_codec() {
        assert!(table_is_shallow(&[]));
        assert!(table_is_shallow(&[0, 0, 0, 9, 1]));
        assert!(table_is_shallow(&[0, 0, 0, 3, 0, b'?', 1]));
    }
}
