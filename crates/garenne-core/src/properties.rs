//! The properties of a message.

use crate::value::{Headers, headers_len};

/// The properties that a message carries beside its body: AMQP 0-9-1's fourteen, all optional.
///
/// Texts are short strings on the wire: at most 255 bytes each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Properties {
    /// The MIME type of the body.
    pub content_type: Option<String>,
    /// The MIME encoding of the body, such as `gzip`.
    pub content_encoding: Option<String>,
    /// The headers. An empty table is not sent at all.
    pub headers: Headers,
    /// 1 = transient, lost when the broker restarts; 2 = persistent.
    pub delivery_mode: Option<u8>,
    /// The priority in a queue that has priorities, from 0.
    pub priority: Option<u8>,
    /// What the message answers, in a request–reply exchange.
    pub correlation_id: Option<String>,
    /// The queue that an answer should go to.
    pub reply_to: Option<String>,
    /// How long the message may wait in a queue: whole milliseconds, as text.
    pub expiration: Option<String>,
    /// The identity of the message; retries keep it.
    pub message_id: Option<String>,
    /// When the producer says it sent the message: seconds since the Unix epoch.
    pub timestamp: Option<u64>,
    /// What AMQP calls `type`: the producer's name for this sort of message.
    pub kind: Option<String>,
    /// The user who published. The broker refuses any but the user of the connection.
    pub user_id: Option<String>,
    /// The application that published.
    pub app_id: Option<String>,
    /// Deprecated by AMQP; carried so that a copy is complete.
    pub cluster_id: Option<String>,
}

impl Properties {
    /// How many bytes the content header frame of a message with these properties carries. It must
    /// fit in one frame: compare it with the connection's `frame_max` less 8 for the frame itself.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        const CLASS_WEIGHT_BODY_SIZE_FLAGS: usize = 2 + 2 + 8 + 2;
        let texts = [
            &self.content_type,
            &self.content_encoding,
            &self.correlation_id,
            &self.reply_to,
            &self.expiration,
            &self.message_id,
            &self.kind,
            &self.user_id,
            &self.app_id,
            &self.cluster_id,
        ];
        let texts: usize = texts.into_iter().flatten().map(|text| 1 + text.len()).sum();
        let octets = [self.delivery_mode, self.priority]
            .into_iter()
            .flatten()
            .count();
        let timestamp = self.timestamp.map_or(0, |_| 8);
        let headers = if self.headers.is_empty() {
            0
        } else {
            headers_len(&self.headers)
        };
        CLASS_WEIGHT_BODY_SIZE_FLAGS + texts + octets + timestamp + headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_without_properties_still_has_a_content_header() {
        assert_eq!(Properties::default().encoded_len(), 14);
    }

    #[test]
    fn every_property_that_is_set_counts() {
        let properties = Properties {
            content_type: Some("text/plain".into()),
            headers: Headers::from([("a".into(), true.into())]),
            delivery_mode: Some(2),
            timestamp: Some(0),
            ..Properties::default()
        };
        assert_eq!(properties.encoded_len(), 14 + 11 + (4 + 1 + 1 + 2) + 1 + 8);
    }
}
