//! The record of a message that failed for good.

mod condition;
mod deaths;
mod doubt;
mod fit;
mod group;
mod query;
mod replay;

pub use condition::{Condition, ConditionError, Field, Test};
pub use group::{FailureGroup, FailureGroups, GroupBy, UnknownGrouping, error_kind};
pub use query::{FailedQuery, Verdict};

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::copy::{Origin, original_of, put_aside};
use crate::death::ToldDeaths;
use crate::header;
use crate::outcome::FailReason;
use crate::properties::Properties;
use crate::stamp::{read_stamp, stamp};
use crate::trace::TraceContext;
use crate::unread::TextProperty;
use crate::value::{Headers, Value};

/// A message that failed for good, with everything needed to understand it and to send it again.
///
/// Fail sinks get it. The reader of a parking queue makes it again with [`FailedMessage::from_parked`]. A
/// clone copies the texts and shares the body.
#[derive(Clone, Debug, PartialEq)]
pub struct FailedMessage {
    /// The identity of the message: the producer's id, or the id that its first copy was given. It is stable,
    /// so a sink can recognise a record that it has already stored. For an id that is not UTF-8, this is the
    /// readable form; see [`Properties::readable_message_id`].
    pub message_id: String,
    /// The queue that the message failed in.
    pub queue: String,
    /// The exchange that the producer published to.
    pub exchange: String,
    /// The routing key that the producer published with.
    pub routing_key: String,
    /// The bytes. They are copied out of the delivery once, and shared after that.
    pub body: Arc<[u8]>,
    /// The properties as the producer set them, with two exceptions: the message id (see above), and the
    /// delivery mode, which is persistent once the message has been stored again. Properties that could not
    /// be read are in [`Properties::unread`]. A record in [doubt](FailedMessage::doubt) also has the header
    /// `fail-doubt`.
    pub properties: Properties,
    /// How many attempts were made.
    pub attempts: u32,
    /// When the first attempt failed.
    pub first_failed_at: SystemTime,
    /// When the last attempt failed.
    pub last_failed_at: SystemTime,
    /// Why the message failed for good.
    pub reason: FailReason,
    /// The text of the last error.
    pub error: String,
    /// The texts of that error's sources, outermost first.
    pub error_chain: Vec<String>,
    /// The host on which the last attempt failed.
    pub host: String,
    /// The service in which the last attempt failed.
    pub service: String,
    /// The version of that service; empty where it is not known.
    pub version: String,
}

impl FailedMessage {
    /// The properties of the message as it is parked. They are its own, made persistent. Those that would act
    /// on the parked message are put aside, and `fail-*` and `orig-*` headers hold the failure. The body is
    /// parked unchanged.
    ///
    /// `max_header_bytes` is the bound of [`Properties::encoded_len`]: the connection's `frame_max` less 8. A
    /// broker refuses a header that does not fit in one frame, so a record that is too large is cut, in this
    /// order:
    ///
    /// 1. the end of the error's chain;
    /// 2. the error's text behind its first 512 bytes;
    /// 3. the message's own headers, readable or not, largest first; `fail-dropped-headers` names them;
    /// 4. the rest of the error's text, the list of those names, and the names of host, service and version.
    ///
    /// A cut part is marked. The result always fits if `max_header_bytes` is at least 4088, the room in the
    /// smallest frame that AMQP allows.
    #[must_use]
    pub fn parking_properties(&self, max_header_bytes: usize) -> Properties {
        let mut parked = put_aside(self.properties.clone());
        if !self.message_id.is_empty() && parked.unread_text(TextProperty::MessageId).is_none() {
            parked.message_id = Some(self.message_id.clone());
        }
        parked.headers.extend(self.record());
        if let Some(doubt) = self.doubt() {
            parked
                .headers
                .insert(header::FAIL_DOUBT.to_owned(), doubt.into());
        }
        fit::fit(parked, max_header_bytes)
    }

    /// The same without the headers that are the message's own; `fail-dropped-headers` names them. It is for
    /// a record that no broker takes, for whatever reason.
    #[must_use]
    pub fn bare_parking_properties(&self, max_header_bytes: usize) -> Properties {
        fit::bare(self.parking_properties(usize::MAX), max_header_bytes)
    }

    /// The trace that the message belongs to, if its producer set the W3C headers `traceparent` and
    /// `tracestate`. They are ordinary headers of the message: a store keeps them, and a replay sends them
    /// again.
    #[must_use]
    pub fn trace_context(&self) -> Option<TraceContext<'_>> {
        TraceContext::of(&self.properties.headers)
    }

    fn record(&self) -> impl Iterator<Item = (String, Value)> {
        let chain: Vec<_> = self.error_chain.iter().map(Value::from).collect();
        let record = [
            (header::FAIL_REASON, self.reason.as_str().into()),
            (header::FAIL_ERROR, Value::from(&self.error)),
            (header::FAIL_CHAIN, chain.into()),
            (header::FAIL_ATTEMPTS, i64::from(self.attempts).into()),
            (header::FAIL_FIRST_AT, stamp(self.first_failed_at)),
            (header::FAIL_LAST_AT, stamp(self.last_failed_at)),
            (header::FAIL_HOST, Value::from(&self.host)),
            (header::FAIL_SERVICE, Value::from(&self.service)),
            (header::FAIL_VERSION, Value::from(&self.version)),
            (header::ORIG_QUEUE, Value::from(&self.queue)),
            (header::ORIG_EXCHANGE, Value::from(&self.exchange)),
            (header::ORIG_ROUTING_KEY, Value::from(&self.routing_key)),
        ];
        let is_said = |(name, value): &(_, Value)| {
            *name != header::FAIL_VERSION || value.as_str().is_some_and(|text| !text.is_empty())
        };
        record
            .into_iter()
            .filter(is_said)
            .map(|(name, value)| (name.to_owned(), value))
    }

    /// Makes the record of a message that was read from a parking queue.
    ///
    /// `queue` is the queue that the parking queue belongs to; `exchange` and `routing_key` are those of the
    /// delivery. A message in a parking queue belongs to that queue, whatever its headers say: a producer can
    /// have its own message dead-lettered there, with headers that it made up. Without `queue`, the owner is
    /// unknown, and the headers decide.
    ///
    /// There are three sorts:
    ///
    /// - garenne has parked it, straight through the default exchange: there is a record;
    /// - the broker has put it there: its `x-death` says why, and a record beside that is not believed;
    /// - neither did: another program has put it there, and the reason is [`FailReason::Unknown`].
    ///
    /// A record that contradicts itself is in [doubt](FailedMessage::doubt). Times that are not recorded are
    /// the Unix epoch.
    #[must_use]
    pub fn from_parked(
        queue: Option<&str>,
        exchange: &str,
        routing_key: &str,
        properties: &Properties,
        body: impl Into<Arc<[u8]>>,
    ) -> Self {
        let lay_in = Origin::new(queue.unwrap_or_default(), exchange, routing_key);
        let deaths = ToldDeaths::of(properties);
        let reason = properties.headers.get(header::FAIL_REASON);
        let mut failed = match reason.filter(|_| !deaths.are_told) {
            Some(reason) => Self::from_record(reason, lay_in, properties),
            None => deaths::from_deaths(&deaths, lay_in, properties),
        };
        if let Some(doubt) = doubt::of_parked(&deaths, lay_in, properties) {
            failed.put_in_doubt(&doubt);
        }
        Self {
            body: body.into(),
            ..failed
        }
    }

    fn from_record(reason: &Value, lay_in: Origin<'_>, parked: &Properties) -> Self {
        let headers = &parked.headers;
        let text = |name| text(headers, name);
        let said = headers.get(header::ORIG_QUEUE).and_then(Value::as_str);
        let told = Some(lay_in.queue).filter(|queue| !queue.is_empty());
        let original = original_of(parked.clone(), lay_in, true);
        let last_failed_at = headers.get(header::FAIL_LAST_AT).and_then(read_stamp);
        let first_failed_at = original
            .first_failed_at
            .or(last_failed_at)
            .unwrap_or(UNIX_EPOCH);
        let attempts = headers
            .get(header::FAIL_ATTEMPTS)
            .and_then(Value::as_integer);
        let chain = match headers.get(header::FAIL_CHAIN) {
            Some(Value::Array(texts)) => texts.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        Self {
            message_id: id_of(&original.properties),
            queue: told.or(said).unwrap_or_default().to_owned(),
            exchange: original.exchange,
            routing_key: original.routing_key,
            body: Arc::default(),
            properties: original.properties,
            attempts: attempts.and_then(|n| n.try_into().ok()).unwrap_or(1),
            first_failed_at,
            last_failed_at: last_failed_at.unwrap_or(first_failed_at),
            // A newer garenne may write reasons that this version does not know.
            reason: reason
                .as_str()
                .and_then(|r| r.parse().ok())
                .unwrap_or(FailReason::Unknown),
            error: text(header::FAIL_ERROR),
            error_chain: chain.into_iter().map(str::to_owned).collect(),
            host: text(header::FAIL_HOST),
            service: text(header::FAIL_SERVICE),
            version: text(header::FAIL_VERSION),
        }
    }
}

/// The identity of the message; empty when it has no id.
fn id_of(properties: &Properties) -> String {
    let id = properties.readable_message_id();
    id.unwrap_or_default().into_owned()
}

fn text(headers: &Headers, name: &str) -> String {
    headers
        .get(name)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}
