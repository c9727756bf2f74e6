//! Lists that are cut, changed or made up.

use garenne_core::{Properties, UnreadPart};
use proptest::prelude::*;

use super::bytes::{check, encoded, entry, every_type, list, long, short, with_headers};
use crate::generators::properties;

/// A list with every property and a header of every type.
pub(crate) fn everything() -> Vec<u8> {
    let headers: Vec<_> = every_type()
        .iter()
        .enumerate()
        .map(|(n, (kind, content, _))| entry(format!("h{n}").as_bytes(), *kind, content))
        .collect();
    let content = [
        short(b"text/plain"),
        short(b"gzip"),
        long(&headers.concat()),
        vec![2, 7],
        short(b"c-1"),
        short(b"answers"),
        short(b"60000"),
        short(b"m-1"),
        vec![0, 0, 0, 0, 1, 2, 3, 4],
        short(b"order"),
        short(b"till"),
        short("Größe".as_bytes()),
        short(b""),
    ];
    list(0xfffc, &content.concat())
}

#[test]
fn a_list_that_is_cut_anywhere_is_read_as_far_as_it_goes() {
    let whole = everything();
    assert!(Properties::decode(&whole).unread.is_empty());
    for end in 0..whole.len() {
        check(&whole[..end]);
        let properties = Properties::decode(&whole[..end]);
        assert_eq!(properties.can_be_sent(), end == 0, "at {end}");
        let rests = properties.unread.iter();
        let rests: Vec<_> = rests.filter(|u| u.part == UnreadPart::Rest).collect();
        for rest in &rests {
            let alone = Properties::decode(&rest.bytes);
            assert_eq!(alone.unread.as_slice(), [(*rest).clone()], "at {end}");
        }
    }
}

#[test]
fn bytes_behind_the_last_property_are_kept() {
    let bytes = [everything(), vec![1, 2, 3]].concat();
    check(&bytes);
    let properties = Properties::decode(&bytes);
    assert_eq!(properties.message_id.as_deref(), Some("m-1"));
    assert_eq!(properties.unread[0].bytes, [0, 0, 1, 2, 3]);
    assert_eq!(
        encoded(&properties),
        encoded(&Properties::decode(&everything()))
    );
}

#[test]
fn flags_that_mean_nothing_to_rabbitmq_mean_nothing() {
    for flags in 0x8000..=0x8003 {
        let properties = Properties::decode(&list(flags, &short(b"text/plain")));
        assert_eq!(properties.content_type.as_deref(), Some("text/plain"));
        assert_eq!(properties.unread, []);
    }
}

#[test]
fn a_header_whose_end_cannot_be_told_ends_the_table_and_nothing_else() {
    let odd: [&[u8]; 5] = [
        b"\x01aZ",
        b"\x01aS\0\0\0\x09x",
        b"\x09a",
        b"\x01al\0",
        b"\x01aA\xff\xff\xff\xff",
    ];
    for odd in odd {
        let table = [&entry(b"good", b't', b"\x01"), odd].concat();
        let bytes = list(0x2080, &[long(&table), short(b"m-1")].concat());
        check(&bytes);
        let properties = Properties::decode(&bytes);
        assert_eq!(properties.headers["good"], true.into());
        assert_eq!(properties.message_id.as_deref(), Some("m-1"));
        assert_eq!(properties.unread[0].part, UnreadPart::Headers);
        assert_eq!(properties.unread[0].bytes, odd);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&bytes);
    }

    #[test]
    fn any_bytes_are_read_as_headers(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&with_headers(&[bytes]));
    }

    #[test]
    fn whatever_is_written_is_read(properties in properties()) {
        let bytes = encoded(&properties);
        check(&bytes);
        prop_assert_eq!(Properties::decode(&bytes), properties);
    }
}

/// Numbers that look random and are the same each time (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(end).unwrap()).unwrap()
    }

    fn byte(&mut self) -> u8 {
        const LIKELY: &[u8] = b"\0\x01\x02\x04\x08\x7f\x80\xff\xc3AFSxVtl";
        match self.below(2) {
            0 => LIKELY[self.below(LIKELY.len())],
            _ => u8::try_from(self.below(256)).unwrap(),
        }
    }

    fn damage(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len().max(1)).min(bytes.len());
        match self.below(5) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, self.byte()),
            2 => {
                let from = self.below(at + 1);
                let part = bytes[from..at].to_vec();
                bytes.splice(at..at, part);
            }
            _ if bytes.is_empty() => bytes.push(self.byte()),
            3 => drop(bytes.remove(at)),
            _ => bytes[at] = self.byte(),
        }
    }
}

#[test]
fn twenty_thousand_damaged_lists_are_read() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut seen = [0; 4];
    for _ in 0..20_000 {
        let mut bytes = everything();
        for _ in 0..=numbers.below(6) {
            numbers.damage(&mut bytes);
        }
        check(&bytes);
        for unread in Properties::decode(&bytes).unread {
            seen[match unread.part {
                UnreadPart::Property(_) => 0,
                UnreadPart::Header => 1,
                UnreadPart::Headers => 2,
                UnreadPart::Rest => 3,
            }] += 1;
        }
    }
    assert!(seen.iter().all(|&times| times > 100), "{seen:?}");
}
