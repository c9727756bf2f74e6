//! A message and what happened to it: one value, shared by all queues that hold it.

use std::sync::Arc;
use std::time::Duration;

use amq_protocol::protocol::BasicProperties;
use amq_protocol::types::{AMQPValue, FieldArray, FieldTable, LongString, ShortString};
use bytes::Bytes;

use super::{Name, Time};
use crate::exception::{Exception, precondition_failed};
use crate::wire::encode_properties;

/// A published message. Never changed: dead-lettering makes a new one that shares the body.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) exchange: Name,
    pub(crate) key: Name,
    /// Further routing keys, from the `CC` header.
    pub(crate) copies: Vec<Name>,
    /// Further routing keys that no receiver may see, from the `BCC` header.
    pub(crate) blind_copies: Vec<Name>,
    pub(crate) properties: BasicProperties,
    /// The properties as they travel.
    pub(crate) encoded: Bytes,
    pub(crate) body: Bytes,
    /// What its own `expiration` allows it.
    pub(crate) ttl: Option<Duration>,
    pub(crate) deaths: Deaths,
    /// How often a quorum queue that it died in saw it fail; the next quorum queue tells it.
    pub(crate) failures: u32,
}

/// Why a message left its queue other than by an ack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Rejected,
    Expired,
    MaxLen,
    DeliveryLimit,
}

impl Reason {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::MaxLen => "maxlen",
            Self::DeliveryLimit => "delivery_limit",
        }
    }
}

/// The history behind `x-death`, most recent first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deaths {
    records: Vec<Death>,
    first: Option<Mark>,
    last: Option<Mark>,
}

/// All the times that a message left one queue for one reason.
#[derive(Clone, Debug)]
struct Death {
    queue: Name,
    reason: Reason,
    exchange: Name,
    keys: Vec<Name>,
    count: i64,
    first_at: u64,
    ttl: Option<Duration>,
}

/// What `x-first-death-*` and `x-last-death-*` tell.
#[derive(Clone, Debug)]
struct Mark {
    queue: Name,
    reason: Reason,
    exchange: Name,
}

impl Message {
    /// Builds a message from what a client published.
    pub(crate) fn published(
        exchange: Name,
        key: Name,
        mut properties: BasicProperties,
        mut encoded: Bytes,
        body: Bytes,
    ) -> Result<Self, Exception> {
        let ttl = match properties.expiration() {
            Some(text) => Some(parse_expiration(text.as_str())?),
            None => None,
        };
        let (mut copies, mut blind_copies) = (Vec::new(), Vec::new());
        if let Some(headers) = properties.headers() {
            copies = header_routes(headers, "CC")?;
            blind_copies = header_routes(headers, "BCC")?;
            if headers.contains_key("BCC") {
                let mut seen = headers.inner().clone();
                seen.remove("BCC");
                properties = properties.with_headers(seen.into());
                encoded = encode_properties(&properties);
            }
        }
        let deaths = Deaths::default();
        Ok(Self {
            exchange,
            key,
            copies,
            blind_copies,
            properties,
            encoded,
            body,
            ttl,
            deaths,
            failures: 0,
        })
    }

    /// Whether it survives a restart in a durable classic queue.
    pub(crate) fn is_persistent(&self) -> bool {
        *self.properties.delivery_mode() == Some(2)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &Name> {
        std::iter::once(&self.key)
            .chain(&self.copies)
            .chain(&self.blind_copies)
    }

    /// The copy that is sent to a dead-letter exchange, with this death in its headers.
    pub(crate) fn dead_lettered(&self, death: &DeathNotice, exchange: Name) -> Self {
        let mut deaths = self.deaths.clone();
        deaths.record(self, death);
        let headers = self.properties.headers().clone().unwrap_or_default();
        let headers = deaths.write_to(headers);
        let properties = without_expiration(&self.properties).with_headers(headers);
        let (key, copies, blind_copies) = match &death.key {
            Some(key) => (Arc::clone(key), Vec::new(), Vec::new()),
            None => (
                Arc::clone(&self.key),
                self.copies.clone(),
                self.blind_copies.clone(),
            ),
        };
        Self {
            exchange,
            key,
            copies,
            blind_copies,
            encoded: encode_properties(&properties),
            properties,
            body: self.body.clone(),
            ttl: None,
            deaths,
            failures: match death.failures {
                0 => self.failures,
                failures => failures,
            },
        }
    }

    /// The encoded properties with one more header, for what a queue tells about a delivery.
    pub(crate) fn encoded_with(&self, header: &str, value: i64) -> Bytes {
        let mut headers = self.properties.headers().clone().unwrap_or_default();
        headers.insert(header.into(), AMQPValue::LongLongInt(value));
        encode_properties(&self.properties.clone().with_headers(headers))
    }

    /// Whether sending it to `target` would close a circle that no client broke by a reject.
    pub(crate) fn is_cycle(&self, target: &str) -> bool {
        let records = &self.deaths.records;
        match records.iter().position(|death| &*death.queue == target) {
            Some(last) => records[..=last]
                .iter()
                .all(|death| death.reason != Reason::Rejected),
            None => false,
        }
    }
}

/// What a queue knows about a message that leaves it.
#[derive(Clone, Debug)]
pub(crate) struct DeathNotice {
    pub(crate) queue: Name,
    pub(crate) reason: Reason,
    /// The queue's `x-dead-letter-routing-key`.
    pub(crate) key: Option<Name>,
    /// Seconds since 1970.
    pub(crate) at: u64,
    /// How often the queue saw it fail, if that is a queue which counts.
    pub(crate) failures: u32,
}

impl Deaths {
    fn record(&mut self, message: &Message, notice: &DeathNotice) {
        let same = |death: &Death| death.queue == notice.queue && death.reason == notice.reason;
        let death = match self.records.iter().position(same) {
            Some(at) => {
                let mut death = self.records.remove(at);
                death.count += 1;
                death
            }
            None => Death {
                queue: Arc::clone(&notice.queue),
                reason: notice.reason,
                exchange: Arc::clone(&message.exchange),
                keys: std::iter::once(&message.key)
                    .chain(&message.copies)
                    .cloned()
                    .collect(),
                count: 1,
                first_at: notice.at,
                ttl: message.ttl,
            },
        };
        self.records.insert(0, death);
        let mark = Mark {
            queue: Arc::clone(&notice.queue),
            reason: notice.reason,
            exchange: Arc::clone(&message.exchange),
        };
        self.first.get_or_insert_with(|| mark.clone());
        self.last = Some(mark);
    }

    /// Replaces whatever a client said about deaths: the broker's word is the one that counts.
    fn write_to(&self, mut headers: FieldTable) -> FieldTable {
        let deaths: Vec<AMQPValue> = self.records.iter().map(Death::to_value).collect();
        headers.insert(
            "x-death".into(),
            AMQPValue::FieldArray(FieldArray::from(deaths)),
        );
        for (place, mark) in [("first", &self.first), ("last", &self.last)] {
            if let Some(mark) = mark {
                let mut put = |what: &str, value: &str| {
                    headers.insert(
                        ShortString::from(format!("x-{place}-death-{what}")),
                        text(value),
                    );
                };
                put("queue", &mark.queue);
                put("reason", mark.reason.name());
                put("exchange", &mark.exchange);
            }
        }
        headers
    }
}

impl Death {
    fn to_value(&self) -> AMQPValue {
        let keys: Vec<AMQPValue> = self.keys.iter().map(|key| text(key)).collect();
        let mut table = FieldTable::default();
        table.insert("count".into(), AMQPValue::LongLongInt(self.count));
        table.insert("reason".into(), text(self.reason.name()));
        table.insert("queue".into(), text(&self.queue));
        table.insert("time".into(), AMQPValue::Timestamp(self.first_at));
        table.insert("exchange".into(), text(&self.exchange));
        table.insert(
            "routing-keys".into(),
            AMQPValue::FieldArray(FieldArray::from(keys)),
        );
        if let Some(ttl) = self.ttl {
            table.insert(
                "original-expiration".into(),
                text(&ttl.as_millis().to_string()),
            );
        }
        AMQPValue::FieldTable(table)
    }
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(value))
}

/// The properties with everything but the expiration, which counts for one queue only.
fn without_expiration(properties: &BasicProperties) -> BasicProperties {
    if properties.expiration().is_none() {
        return properties.clone();
    }
    macro_rules! rebuild {
        ($($get:ident => $with:ident),* $(,)?) => {{
            let mut kept = BasicProperties::default();
            $(if let Some(value) = properties.$get().clone() {
                kept = kept.$with(value);
            })*
            kept
        }};
    }
    rebuild! {
        content_type => with_content_type,
        content_encoding => with_content_encoding,
        headers => with_headers,
        delivery_mode => with_delivery_mode,
        priority => with_priority,
        correlation_id => with_correlation_id,
        reply_to => with_reply_to,
        message_id => with_message_id,
        timestamp => with_timestamp,
        kind => with_type,
        user_id => with_user_id,
        app_id => with_app_id,
        cluster_id => with_cluster_id,
    }
}

/// The routing keys in a `CC` or `BCC` header.
fn header_routes(headers: &FieldTable, header: &str) -> Result<Vec<Name>, Exception> {
    match headers.inner().get(header) {
        None => Ok(Vec::new()),
        Some(AMQPValue::FieldArray(keys)) => {
            let keys = keys.as_slice().iter();
            Ok(keys
                .filter_map(|key| match key {
                    AMQPValue::LongString(key) => Some(Name::from(key.to_string())),
                    // Whatever else stands there is no routing key, and nobody minds.
                    _ => None,
                })
                .collect())
        }
        Some(other) => {
            let type_name = super::values::type_name(other);
            Err(precondition_failed(format!(
                "invalid message: {{unacceptable_type_in_header,\"{header}\",{type_name}}}"
            )))
        }
    }
}

/// Reads an `expiration` as RabbitMQ does, with its words for what is wrong.
fn parse_expiration(text: &str) -> Result<Duration, Exception> {
    let refuse = |why: String| precondition_failed(format!("invalid expiration '{text}': {why}"));
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let count = digits.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(text.len() - digits.len() + count);
    let Ok(value) = number.parse::<i128>() else {
        return Err(refuse("no_integer".to_owned()));
    };
    if !rest.is_empty() {
        return Err(refuse(format!("{{leftover_string,\"{rest}\"}}")));
    }
    match super::arguments::expiry(value) {
        Ok(ttl) => Ok(ttl),
        Err(why) => Err(refuse(why)),
    }
}

/// A message in one queue.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) message: Arc<Message>,
    /// Its place in the queue; a message that comes back takes it again.
    pub(crate) position: u64,
    pub(crate) priority: u8,
    pub(crate) expires: Option<Time>,
    pub(crate) redelivered: bool,
    /// How often a quorum queue got it back.
    pub(crate) returns: u32,
    /// How often it was lost with its consumer, or rejected for good: what a client merely gave
    /// back has not failed.
    pub(crate) failures: u32,
}
