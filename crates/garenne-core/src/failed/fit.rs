//! Cuts a failure record until its message's header fits in a frame.

use std::collections::BTreeSet;

use super::text;
use crate::header::{self, is_ours};
use crate::properties::Properties;
use crate::unread::UnreadPart;
use crate::value::{Value, header_len};
use crate::wire::{SHORT_STRING_MAX, readable, short};

/// How many bytes of the error's text are cut only after the message's own headers.
const ERROR_FLOOR: usize = 512;

/// How many bytes the names of dropped headers get.
const NAMES_MAX: usize = 512;

/// How many bytes of the name of a host, a service or a version are kept when there is no other room.
const LABEL_MAX: usize = 128;

/// The most bytes that a mark such as `… (cut, 1234 bytes)` takes, as a value in an array.
const MARK_MAX: usize = 48;

/// A step that removes this many bytes of excess, or some of them.
type Step<'a> = &'a dyn Fn(&mut Properties, usize);

/// Cuts the parts that [`FailedMessage::parking_properties`](super::FailedMessage::parking_properties) lists,
/// in that order, and little more than needed.
pub(super) fn fit(mut parked: Properties, max: usize) -> Properties {
    cut_short_strings(&mut parked);
    let error = text(&parked.headers, header::FAIL_ERROR);
    let steps: [Step<'_>; 6] = [
        &|parked, excess| shorten_list(parked, header::FAIL_CHAIN, excess),
        &|parked, excess| shorten_text(parked, header::FAIL_ERROR, &error, excess, ERROR_FLOOR),
        &drop_headers,
        &|parked, excess| shorten_text(parked, header::FAIL_ERROR, &error, excess, 0),
        &|parked, excess| shorten_list(parked, header::FAIL_DROPPED_HEADERS, excess),
        &shorten_labels,
    ];
    for step in steps {
        match parked.encoded_len().saturating_sub(max) {
            0 => break,
            excess => step(&mut parked, excess),
        }
    }
    parked
}

/// Drops all headers that are the message's own, and cuts the rest as [`fit`] does.
pub(super) fn bare(mut parked: Properties, max: usize) -> Properties {
    let own = own_headers(&parked).iter().map(|(len, _)| len).sum();
    drop_headers(&mut parked, own);
    fit(parked, max)
}

/// Cuts short strings to 255 bytes. Strings from the wire are never longer; a program's own may be.
fn cut_short_strings(parked: &mut Properties) {
    let properties = [
        &mut parked.content_type,
        &mut parked.content_encoding,
        &mut parked.correlation_id,
        &mut parked.reply_to,
        &mut parked.message_id,
        &mut parked.kind,
        &mut parked.app_id,
        &mut parked.cluster_id,
    ];
    let headers = [
        header::ORIG_QUEUE,
        header::ORIG_EXCHANGE,
        header::ORIG_ROUTING_KEY,
        header::ORIG_EXPIRATION,
        header::ORIG_USER_ID,
    ];
    for unread in &mut parked.unread {
        if matches!(unread.part, UnreadPart::Property(_)) {
            unread.bytes.truncate(SHORT_STRING_MAX);
        }
    }
    for text in properties.into_iter().flatten() {
        text.truncate(short(text).len());
    }
    for name in headers {
        if let Some(Value::Text(text)) = parked.headers.get_mut(name) {
            text.truncate(short(text).len());
        }
    }
}

/// Drops the end of a list of texts, and writes how many were there.
fn shorten_list(parked: &mut Properties, name: &str, excess: usize) {
    let Some(Value::Array(texts)) = parked.headers.get_mut(name) else {
        return;
    };
    let len: usize = texts.iter().map(Value::encoded_len).sum();
    let room = len.saturating_sub(excess).saturating_sub(MARK_MAX);
    let mut used = 0;
    let fitting = texts.iter().take_while(|text| {
        used += text.encoded_len();
        used <= room
    });
    let kept = fitting.count();
    if kept < texts.len() {
        let more = texts.len() - kept;
        texts.truncate(kept);
        texts.push(format!("… ({more} more)").into());
    }
}

/// Replaces a text by the start of `whole`, cut so short that the excess is gone, but never shorter than
/// `floor`.
fn shorten_text(parked: &mut Properties, name: &str, whole: &str, excess: usize, floor: usize) {
    let Some(Value::Text(text)) = parked.headers.get_mut(name) else {
        return;
    };
    let max = text.len().saturating_sub(excess).max(floor);
    if whole.len() > max {
        let kept = char_boundary(whole, max.saturating_sub(MARK_MAX));
        *text = format!("{}… (cut, {} bytes)", &whole[..kept], whole.len() - kept);
    }
}

/// A header of the message's own: by its name, or by its place among the unreadable parts.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Own {
    Readable(String),
    Unread(usize),
}

/// Drops headers that are the message's own, the largest first, and lists their names.
fn drop_headers(parked: &mut Properties, excess: usize) {
    let mut own = own_headers(parked);
    if own.is_empty() {
        return;
    }
    own.sort_by(|a, b| b.cmp(a));

    let mut to_free = excess + NAMES_MAX;
    let mut dropped = Vec::new();
    let mut unread = BTreeSet::new();
    for (len, own) in own {
        if to_free == 0 {
            break;
        }
        to_free = to_free.saturating_sub(len);
        let name = match own {
            Own::Readable(name) => {
                parked.headers.remove(&name);
                name
            }
            Own::Unread(at) => {
                unread.insert(at);
                let name = parked.unread[at].header_name();
                name.map(readable).unwrap_or_default().into_owned()
            }
        };
        dropped.push(Value::Text(name));
    }
    let mut at = 0..;
    parked
        .unread
        .retain(|_| !at.next().is_some_and(|at| unread.contains(&at)));
    let over = dropped
        .iter()
        .map(Value::encoded_len)
        .sum::<usize>()
        .saturating_sub(NAMES_MAX);
    parked
        .headers
        .insert(header::FAIL_DROPPED_HEADERS.to_owned(), dropped.into());
    if over > 0 {
        shorten_list(parked, header::FAIL_DROPPED_HEADERS, over);
    }
}

/// The message's own headers, each with the bytes that it takes.
fn own_headers(parked: &Properties) -> Vec<(usize, Own)> {
    let readable = parked
        .headers
        .iter()
        .filter(|(name, _)| is_the_messages(name));
    let readable =
        readable.map(|(name, value)| (header_len(name, value), Own::Readable(name.clone())));
    let unread = parked.unread.iter().enumerate();
    let unread = unread
        .filter(|(_, unread)| unread.part == UnreadPart::Header)
        .map(|(at, unread)| (unread.bytes.len(), Own::Unread(at)));
    readable.chain(unread).collect()
}

/// The producer's lists `CC` and `BCC`, and parts that could not be sent in their place, are the message's
/// own too, under other names.
fn is_the_messages(name: &str) -> bool {
    !is_ours(name)
        || matches!(
            name,
            header::ORIG_CC | header::ORIG_BCC | header::ORIG_UNREAD
        )
}

fn shorten_labels(parked: &mut Properties, _excess: usize) {
    for name in [
        header::FAIL_HOST,
        header::FAIL_SERVICE,
        header::FAIL_VERSION,
    ] {
        let whole = text(&parked.headers, name);
        shorten_text(parked, name, &whole, whole.len(), LABEL_MAX);
    }
}

/// The last place at or before `max` where a text can be cut.
fn char_boundary(text: &str, max: usize) -> usize {
    let mut at = max.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
