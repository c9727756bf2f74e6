//! The properties of a delayed message.

use super::{Delay, DelayError, Destination, level_name};
use crate::death::{Death, EXPIRED, deaths_len};
use crate::entity::QueueKind;
use crate::header::{DELAYED_EXPIRATION, is_the_brokers};
use crate::properties::Properties;
use crate::unread::TextProperty;

/// The headers by which a producer has a message sent to further queues.
const SENDER_SELECTED: [&str; 2] = ["CC", "BCC"];

/// The properties with which a message goes through the levels: its own, with these exceptions:
///
/// - its `expiration` is put aside in [`DELAYED_EXPIRATION`]: it would end the wait in the first level too
///   early, and would be gone after that;
/// - headers that the broker owns, such as `x-death`, are left out. A message that was made from another
///   message would carry the other's deaths, and RabbitMQ drops a message that seems to expire in a circle.
///
/// Unreadable parts of the properties are treated alike.
///
/// # Errors
///
/// [`DelayError::SenderSelected`] for a message with `CC` or `BCC`.
pub fn delayed_properties(properties: Properties) -> Result<Properties, DelayError> {
    let mut delayed = properties;
    let selected = SENDER_SELECTED
        .into_iter()
        .find(|&header| delayed.has_header(header));
    if let Some(header) = selected {
        return Err(DelayError::SenderSelected { header });
    }
    delayed.retain_headers(|name| !is_the_brokers(name));
    if let Some(expiration) = delayed.take_text(TextProperty::Expiration) {
        delayed
            .headers
            .insert(DELAYED_EXPIRATION.to_owned(), expiration);
    }
    Ok(delayed)
}

impl Delay {
    /// The most bytes that the broker adds to the headers of a message on its way through the levels: it
    /// lists every queue that the message expired in. The headers must fit into a frame together with these
    /// bytes; otherwise no client can take the message when it is due.
    #[must_use]
    pub fn headers_len(self, destination: &Destination, kind: QueueKind) -> usize {
        let key = self.routing_key(destination);
        let names: Vec<_> = self.levels().map(|level| level_name(kind, level)).collect();
        let deaths = names.iter().map(|name| Death {
            queue: name,
            exchange: name,
            routing_key: &key,
            reason: EXPIRED,
        });
        deaths_len(&deaths.collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duration::DurationExt;
    use crate::unread::{Unread, UnreadPart};
    use crate::value::Value;

    fn with(headers: impl IntoIterator<Item = (&'static str, Value)>) -> Properties {
        let headers = headers.into_iter();
        Properties {
            headers: headers
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            ..Properties::default()
        }
    }

    #[test]
    fn everything_is_kept_that_does_not_break_the_delay() {
        let sent = Properties {
            content_type: Some("text/plain".into()),
            priority: Some(3),
            delivery_mode: Some(1),
            message_id: Some("m-1".into()),
            user_id: Some("shop".into()),
            ..with([("tenant", "eu".into()), ("retry_nums", 2.into())])
        };
        assert_eq!(delayed_properties(sent.clone()), Ok(sent));
    }

    #[test]
    fn an_expiry_is_put_aside_and_deaths_of_another_message_are_left_out() {
        let sent = Properties {
            expiration: Some("500".into()),
            ..with([
                ("x-death", Vec::new().into()),
                ("x-first-death-queue", "q".into()),
            ])
        };
        let expected = with([(DELAYED_EXPIRATION, "500".into())]);
        assert_eq!(delayed_properties(sent), Ok(expected));
    }

    #[test]
    fn copies_to_further_queues_are_refused() {
        for header in SENDER_SELECTED {
            let sent = with([(header, vec![Value::from("audit")].into())]);
            assert_eq!(
                delayed_properties(sent),
                Err(DelayError::SenderSelected { header })
            );
        }
    }

    #[test]
    fn what_cannot_be_read_is_treated_like_what_can() {
        let unread = |part, bytes: &[u8]| {
            let bytes = bytes.to_vec();
            Unread { part, bytes }
        };
        let app_id = unread(UnreadPart::Property(TextProperty::AppId), b"caf\xe9");
        let sent = Properties {
            unread: vec![
                unread(UnreadPart::Header, b"\x07x-deathF\0\0\0\x03\x01\xffV"),
                unread(UnreadPart::Property(TextProperty::Expiration), b"\xff"),
                app_id.clone(),
            ],
            ..Properties::default()
        };
        let expected = Properties {
            unread: vec![app_id],
            ..with([(DELAYED_EXPIRATION, Value::LongString(vec![0xff]))])
        };
        assert_eq!(delayed_properties(sent.clone()), Ok(expected));
        let copied = Properties {
            unread: vec![unread(UnreadPart::Header, b"\x02CCV")],
            ..sent
        };
        let header = "CC";
        assert_eq!(
            delayed_properties(copied),
            Err(DelayError::SenderSelected { header })
        );
    }

    #[test]
    fn every_hop_costs_headers() {
        let orders = Destination::queue("orders").unwrap();
        let len = |secs: u64| {
            Delay::after(secs.secs())
                .unwrap()
                .headers_len(&orders, QueueKind::Quorum)
        };
        assert_eq!(len(3) - len(1), len(7) - len(3));
        assert!((150..400).contains(&(len(3) - len(1))));
    }
}
