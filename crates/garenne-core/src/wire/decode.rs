//! All properties at once.

use std::collections::BTreeSet;

use super::list::{HEADERS, flag, places};
use super::{DELIVERY_MODE, Entry, PRIORITY, PropertyList, TIMESTAMP, split_property};
use crate::properties::Properties;
use crate::unread::{TextProperty, Unread, UnreadPart};

impl Properties {
    /// Reads the bytes of a content header behind the size of the body. It never fails: unreadable parts are
    /// kept in [`Properties::unread`].
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Self {
        let mut properties = Self::default();
        if let [only] = bytes {
            properties.keep(UnreadPart::Rest, &[*only]);
            return properties;
        }
        let list = PropertyList::new(bytes);
        let mut rest = list.list();
        let mut missing = list.flags();
        for place in places(list.flags()) {
            let Some((content, behind)) = split_property(place, rest) else {
                break;
            };
            properties.read(place, content);
            rest = behind;
            missing &= !flag(place);
        }
        if missing != 0 || !rest.is_empty() {
            let bytes = [&missing.to_be_bytes(), rest].concat();
            properties.keep(UnreadPart::Rest, &bytes);
        }
        properties
    }

    fn read(&mut self, place: u32, content: &[u8]) {
        match (TextProperty::at(place), place) {
            (Some(property), _) => match std::str::from_utf8(content) {
                Ok(text) => *self.text_mut(property) = Some(text.to_owned()),
                Err(_) => self.keep(UnreadPart::Property(property), content),
            },
            (None, HEADERS) => self.read_headers(content),
            (None, DELIVERY_MODE) => self.delivery_mode = content.first().copied(),
            (None, PRIORITY) => self.priority = content.first().copied(),
            (None, TIMESTAMP) => self.timestamp = content.try_into().ok().map(u64::from_be_bytes),
            (None, _) => {}
        }
    }

    fn read_headers(&mut self, mut table: &[u8]) {
        // The first header of a name counts, even when it cannot be read.
        let mut unreadable = BTreeSet::new();
        while !table.is_empty() {
            let Some((entry, rest)) = Entry::split(table) else {
                self.keep(UnreadPart::Headers, table);
                return;
            };
            if unreadable.contains(entry.name) || !self.read_header(entry) {
                unreadable.insert(entry.name);
                self.keep(UnreadPart::Header, &table[..table.len() - rest.len()]);
            }
            table = rest;
        }
    }

    /// Returns whether the header could be read.
    fn read_header(&mut self, entry: Entry<'_>) -> bool {
        let Ok(name) = std::str::from_utf8(entry.name) else {
            return false;
        };
        if self.headers.contains_key(name) {
            return false;
        }
        let value = entry.value.decode();
        value.is_ok_and(|value| self.headers.insert(name.to_owned(), value).is_none())
    }

    fn keep(&mut self, part: UnreadPart, bytes: &[u8]) {
        let bytes = bytes.to_vec();
        self.unread.push(Unread { part, bytes });
    }
}
