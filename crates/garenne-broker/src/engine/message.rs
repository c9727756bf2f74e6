//! A message and what happened to it: one value, shared by all queues that hold it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{Name, Time};
use crate::exception::{Exception, erlang_list, latin1_or_utf8, precondition_failed};
use crate::wire::{Field, Properties, Table, Value};

/// A published message. Never changed: dead-lettering makes a new one that shares the body.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) exchange: Name,
    pub(crate) key: Name,
    /// Further routing keys, from the `CC` header.
    pub(crate) copies: Vec<Name>,
    /// Further routing keys that no receiver may see, from the `BCC` header.
    pub(crate) blind_copies: Vec<Name>,
    pub(crate) properties: Properties,
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
    keys: Vec<Bytes>,
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
        mut properties: Properties,
        body: Bytes,
    ) -> Result<Self, Exception> {
        let ttl = match properties.expiration() {
            Some(text) => Some(parse_expiration(text)?),
            None => None,
        };
        let (mut copies, mut blind_copies) = (Vec::new(), Vec::new());
        if let Some(headers) = properties.headers() {
            copies = header_routes(headers, "CC")?;
            blind_copies = header_routes(headers, "BCC")?;
            if headers.first("BCC").is_some() {
                properties = properties.without_header("BCC");
            }
        }
        let deaths = Deaths::default();
        Ok(Self {
            exchange,
            key,
            copies,
            blind_copies,
            properties,
            body,
            ttl,
            deaths,
            failures: 0,
        })
    }

    /// Whether it survives a restart in a durable classic queue.
    pub(crate) fn is_persistent(&self) -> bool {
        self.properties.delivery_mode() == Some(2)
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
        let properties = self.properties.without_expiration();
        let properties = properties.with_headers(&deaths.headers());
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

    /// The keys that tell a death: those that a receiver may see, whatever bytes they are.
    fn told_keys(&self) -> Vec<Bytes> {
        let key = Bytes::copy_from_slice(self.key.as_bytes());
        let headers = self
            .properties
            .headers()
            .filter(|_| !self.copies.is_empty());
        let copies = headers.and_then(|headers| headers.first("CC"));
        let copies = copies.into_iter().flat_map(Value::elements);
        let texts = copies.filter(|copy| copy.kind == b'S');
        let copies = texts.map(|copy| Bytes::copy_from_slice(copy.payload));
        std::iter::once(key).chain(copies).collect()
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
                keys: message.told_keys(),
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

    /// What replaces whatever a client said about deaths: the broker's word is the one that counts.
    fn headers(&self) -> Vec<(String, Field)> {
        let deaths = Field::array(self.records.iter().map(Death::to_field));
        let mut headers = vec![("x-death".to_owned(), deaths)];
        for (place, mark) in [("first", &self.first), ("last", &self.last)] {
            if let Some(mark) = mark {
                let mut put = |what: &str, value: &str| {
                    headers.push((format!("x-{place}-death-{what}"), Field::text(value)));
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
    /// In RabbitMQ's order.
    fn to_field(&self) -> Field {
        let expiration = self.ttl.map(|ttl| {
            let millis = Field::text(ttl.as_millis().to_string());
            ("original-expiration", millis)
        });
        let entries = [
            ("count", Field::long(self.count)),
            ("reason", Field::text(self.reason.name())),
            ("queue", Field::text(&*self.queue)),
            ("time", Field::time(self.first_at)),
            ("exchange", Field::text(&*self.exchange)),
            (
                "routing-keys",
                Field::array(self.keys.iter().map(Field::text)),
            ),
        ];
        Field::table(expiration.into_iter().chain(entries))
    }
}

/// The routing keys in a `CC` or `BCC` header.
fn header_routes(headers: Table<'_>, header: &str) -> Result<Vec<Name>, Exception> {
    let Some(keys) = headers.first(header) else {
        return Ok(Vec::new());
    };
    if keys.kind != b'A' {
        let type_name = super::values::type_name_of(keys.kind);
        return Err(precondition_failed(format!(
            "invalid message: {{unacceptable_type_in_header,\"{header}\",{type_name}}}"
        )));
    }
    // Whatever else stands there is no routing key, and nobody minds. What is not UTF-8 matches no
    // name of a queue here, but every pattern that takes any word.
    let keys = keys.elements().filter(|key| key.kind == b'S');
    let keys = keys.map(|key| Name::from(&*String::from_utf8_lossy(key.payload)));
    Ok(keys.collect())
}

/// Reads an `expiration` as RabbitMQ does, with its words for what is wrong.
fn parse_expiration(text: &[u8]) -> Result<Duration, Exception> {
    let refuse = |why: String| {
        let text = latin1_or_utf8(text);
        precondition_failed(format!("invalid expiration '{text}': {why}"))
    };
    let sign = usize::from(matches!(text, [b'-' | b'+', ..]));
    let digits = text[sign..].iter().take_while(|byte| byte.is_ascii_digit());
    let (number, rest) = text.split_at(sign + digits.count());
    let number = std::str::from_utf8(number).ok();
    let Some(value) = number.and_then(|number| number.parse::<i128>().ok()) else {
        return Err(refuse("no_integer".to_owned()));
    };
    if !rest.is_empty() {
        let rest = erlang_list(rest);
        return Err(refuse(format!("{{leftover_string,{rest}}}")));
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
