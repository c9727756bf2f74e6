//! Whether a producer may have made a record up.

use std::fmt::Write;

use super::FailedMessage;
use super::deaths::Death;
use crate::copy::{Origin, acting};
use crate::death::ToldDeaths;
use crate::header::{self, is_ours};
use crate::naming;
use crate::properties::Properties;
use crate::value::Value;
use crate::wire::readable;

/// The most bytes of a doubt. It quotes texts of producers, and must fit into a parked message's header.
const MAX: usize = 500;

/// The most bytes of a name in a doubt.
const NAME_MAX: usize = 80;

impl FailedMessage {
    /// Why the record is in doubt, in words; `None` where there is no contradiction.
    ///
    /// A record is in doubt when one of these holds:
    ///
    /// - it names another queue than the owner of the parking queue;
    /// - it came there in another way than garenne's or the broker's;
    /// - it lacks a header that garenne always writes, or has a property that garenne always puts aside;
    /// - the broker moved the message there, and it has headers of garenne's that its producer must have
    ///   written.
    ///
    /// A replay sends the message to the owner of the parking queue, whatever the record says. The rest of
    /// the record may be made up, so ask for a [`Replay`](FailedMessage::replay_properties) only knowingly. A
    /// store keeps the doubt with the record.
    #[must_use]
    pub fn doubt(&self) -> Option<&str> {
        self.properties.headers.get(header::FAIL_DOUBT)?.as_str()
    }

    /// Whether a search by content may miss the record: it is in doubt, or its reason is unknown.
    #[must_use]
    pub fn is_unclear(&self) -> bool {
        self.doubt().is_some() || self.reason == crate::outcome::FailReason::Unknown
    }

    /// Whether the broker has parked the message, and so says when and why.
    pub(super) fn is_parked_by_broker(&self) -> bool {
        use crate::outcome::FailReason::{DeliveryLimit, Expired, MaxLength, Rejected};
        matches!(self.reason, DeliveryLimit | Expired | MaxLength | Rejected)
    }

    pub(super) fn put_in_doubt(&mut self, doubt: &str) {
        let name = header::FAIL_DOUBT.to_owned();
        self.properties.headers.insert(name, cut(doubt, MAX).into());
    }
}

/// The doubts about a message that lies in the parking queue of `lay_in.queue`.
pub(super) fn of_parked(
    deaths: &ToldDeaths,
    lay_in: Origin<'_>,
    parked: &Properties,
) -> Option<String> {
    let mut doubts = Vec::new();
    doubts.extend(earlier(parked));
    if deaths.are_told {
        doubts.extend(of_dead(deaths, lay_in, parked));
    } else if parked.has_header(header::FAIL_REASON) {
        doubts.extend(of_record(lay_in, parked));
    } else {
        doubts.extend(of_claims(parked, &|name| name != header::RETRY_NUMS));
    }
    (!doubts.is_empty()).then(|| doubts.join("; "))
}

/// The doubt that was stored with a record. A producer that makes it up puts only its own message in doubt.
fn earlier(parked: &Properties) -> Option<String> {
    if !parked.has_header(header::FAIL_DOUBT) {
        return None;
    }
    let text = parked.headers.get(header::FAIL_DOUBT);
    let text = text.and_then(Value::as_str).filter(|text| !text.is_empty());
    Some(text.unwrap_or("it was in doubt before").to_owned())
}

/// Doubts about a message that the broker has put there.
fn of_dead(deaths: &ToldDeaths, lay_in: Origin<'_>, parked: &Properties) -> Vec<String> {
    let mut doubts = Vec::new();
    let whose = Some(lay_in.queue).filter(|queue| !queue.is_empty());
    let death = Death::of(deaths, whose);
    match (death.told, whose) {
        (None, _) => doubts.push("its `x-death` cannot be read".to_owned()),
        (Some(told), Some(queue)) if told.queue != queue => doubts.push(format!(
            "it lies in the parking queue of {}, and the broker took it out of {}",
            name(queue),
            name(&told.queue)
        )),
        _ => {}
    }
    let queue = whose.or(death.told.map(|told| &*told.queue));
    let came = queue.and_then(|queue| death.came_to(queue));
    let was_a_copy = came.is_some_and(|came| death.was_a_copy(came));
    // A copy of garenne's that died has these headers; only a message that garenne parked has the rest.
    let belongs = |name: &str| {
        matches!(
            name,
            header::RETRY_NUMS
                | header::FAIL_FIRST_AT
                | header::ORIG_QUEUE
                | header::ORIG_EXCHANGE
                | header::ORIG_ROUTING_KEY
                | header::ORIG_EXPIRATION
                | header::ORIG_USER_ID
                | header::ORIG_CC
                | header::ORIG_BCC
                | header::ORIG_UNREAD
        )
    };
    let is_invented = |name: &str| match was_a_copy {
        true => !belongs(name),
        false => name != header::RETRY_NUMS,
    };
    doubts.extend(of_claims(parked, &is_invented));
    if was_a_copy {
        doubts.extend(of_queue(lay_in, parked));
    }
    doubts
}

/// Doubts about a message with a record: garenne has parked it, or another program has made it up.
fn of_record(lay_in: Origin<'_>, parked: &Properties) -> Vec<String> {
    let mut doubts = Vec::new();
    doubts.extend(of_queue(lay_in, parked));
    let is_known = !lay_in.queue.is_empty();
    if is_known
        && (!lay_in.exchange.is_empty() || lay_in.routing_key != naming::parking(lay_in.queue))
    {
        doubts.push(format!(
            "garenne parks through the default exchange, and it came through {} with the key {}",
            name(lay_in.exchange),
            name(lay_in.routing_key)
        ));
    }
    let always = [
        header::FAIL_LAST_AT,
        header::FAIL_ATTEMPTS,
        header::ORIG_QUEUE,
        header::ORIG_EXCHANGE,
        header::ORIG_ROUTING_KEY,
    ];
    let lacking = always
        .into_iter()
        .find(|name| !parked.headers.contains_key(*name));
    if let Some(lacking) = lacking {
        doubts.push(format!("it lacks `{lacking}`, which garenne always writes"));
    }
    if let Some(acting) = acting(parked) {
        doubts.push(format!("it has `{acting}`, which garenne puts aside"));
    }
    doubts
}

/// A doubt when the record names another queue.
fn of_queue(lay_in: Origin<'_>, parked: &Properties) -> Option<String> {
    let said = parked.headers.get(header::ORIG_QUEUE)?.as_str();
    let differs = !lay_in.queue.is_empty() && said != Some(lay_in.queue);
    differs.then(|| {
        format!(
            "it lies in the parking queue of {}, and says that it failed in {}",
            name(lay_in.queue),
            name(said.unwrap_or_default())
        )
    })
}

/// A doubt when there are headers of garenne's that garenne did not write.
fn of_claims(parked: &Properties, is_invented: &dyn Fn(&str) -> bool) -> Option<String> {
    let unread = parked.unread.iter().filter_map(|part| {
        let name = part.header_name()?;
        std::str::from_utf8(name).ok()
    });
    let names = parked.headers.keys().map(String::as_str).chain(unread);
    let is_claim = |name: &&str| is_ours(name) && *name != header::FAIL_DOUBT && is_invented(name);
    let claims: Vec<_> = names.filter(is_claim).collect();
    let mut doubt = format!(
        "its producer has written headers of garenne's on it, which are not believed ({}",
        claims.first()?
    );
    if claims.len() > 1 {
        // Writing to a string does not fail.
        let _ = write!(doubt, " and {} more", claims.len() - 1);
    }
    doubt.push(')');
    let queue = parked
        .headers
        .get(header::ORIG_QUEUE)
        .and_then(Value::as_str);
    if let Some(queue) = queue.filter(|_| claims.contains(&header::ORIG_QUEUE)) {
        let _ = write!(doubt, "; they name the queue {}", name(queue));
    }
    Some(doubt)
}

/// A name that anybody may have written, made readable and cut to the room in a line.
fn name(name: &str) -> String {
    let shown = readable(name.as_bytes());
    format!("`{}`", cut(&shown, NAME_MAX))
}

fn cut(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let mut at = max;
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    format!("{}…", &text[..at])
}
