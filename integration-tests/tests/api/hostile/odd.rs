//! One odd message, as the bytes that a producer sends.

use garenne_testing::{FieldBytes, PropertyBytes, RabbitVersion, RawClient, RawMessage, Verdict};

/// What the properties of a message may have in a frame of 128 KiB.
pub(super) const PROPERTIES_MAX: usize = 131_072 - 8 - 12;

/// How much of a frame a content header's body part may take.
pub(super) const BODY_PART: usize = 131_072 - 8;

/// A message that is odd, and what of it must be found again in every copy of it.
#[derive(Clone, Debug)]
pub(super) struct Odd {
    properties: PropertyBytes,
    body: Vec<u8>,
    kept: Vec<Kept>,
    way: Way,
    is_refused_by_3: bool,
}

/// Bytes that are still there in a copy, or whose loss the copy tells.
#[derive(Clone, Debug)]
struct Kept {
    bytes: Vec<u8>,
    /// The header that may have been dropped, and is then named, because it does not fit any more.
    droppable: Option<&'static str>,
}

/// How it gets into a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Published,
    /// It expired elsewhere first: the broker has added `x-death` to it.
    Expired,
}

impl Odd {
    /// A message on which nothing is odd yet.
    pub(super) fn new() -> Self {
        Self {
            properties: PropertyBytes::new()
                .octet("delivery_mode", 2)
                .short("message_id", "odd"),
            body: b"odd".to_vec(),
            kept: Vec::new(),
            way: Way::Published,
            is_refused_by_3: false,
        }
    }

    /// With a property that is a short string, and stays.
    pub(super) fn short(mut self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        let kept = short_string(bytes.as_ref());
        self.properties = self.properties.short(name, bytes);
        self.keeps(kept)
    }

    /// With a header, which stays.
    pub(super) fn header(self, name: impl AsRef<[u8]>, value: FieldBytes) -> Self {
        let mut kept = short_string(name.as_ref());
        kept.extend_from_slice(value.as_bytes());
        self.passing_header(name, value).keeps(kept)
    }

    /// With a header that a copy need not have, because it is garenne's or the broker's to write.
    pub(super) fn passing_header(mut self, name: impl AsRef<[u8]>, value: FieldBytes) -> Self {
        self.properties = self.properties.header(name, value);
        self
    }

    /// With properties that a copy need not have.
    pub(super) fn passing(mut self, change: impl FnOnce(PropertyBytes) -> PropertyBytes) -> Self {
        self.properties = change(self.properties);
        self
    }

    /// With a header so long that the properties have so many bytes.
    pub(super) fn filled_to(mut self, len: usize) -> Self {
        const NAME: &str = "filler";
        let empty = self.properties.clone().header(NAME, FieldBytes::text(""));
        let text = vec![b'f'; len - empty.to_bytes().len()];
        self.properties = self.properties.header(NAME, FieldBytes::text(&text));
        self.kept.push(Kept {
            bytes: text,
            droppable: Some(NAME),
        });
        self
    }

    pub(super) fn body(self, body: Vec<u8>) -> Self {
        Self { body, ..self }
    }

    /// It comes by way of a queue in which it expires.
    pub(super) fn expired(self) -> Self {
        Self {
            way: Way::Expired,
            ..self
        }
    }

    /// RabbitMQ 3 does not take it, RabbitMQ 4 does.
    pub(super) fn refused_by_rabbitmq_3(self) -> Self {
        Self {
            is_refused_by_3: true,
            ..self
        }
    }

    /// Whether the broker of these tests takes it.
    pub(super) fn can_be_sent(&self) -> bool {
        !self.is_refused_by_3 || RabbitVersion::from_env() != RabbitVersion::V3
    }

    /// Whether there is more to find again than its body.
    pub(super) fn must_keep_something(&self) -> bool {
        !self.kept.is_empty()
    }

    /// The broker closes the channel of whoever publishes it.
    pub(super) async fn assert_refused(&self, client: &mut RawClient, queue: &str) {
        let verdict = self.publish(client, queue).await;
        assert!(
            matches!(verdict, Verdict::ChannelClosed { code: 406, .. }),
            "{verdict:?}"
        );
    }

    fn keeps(mut self, bytes: Vec<u8>) -> Self {
        self.kept.push(Kept {
            bytes,
            droppable: None,
        });
        self
    }

    pub(super) fn bytes_of_body(&self) -> &[u8] {
        &self.body
    }

    /// Brings it into a queue.
    pub(super) async fn send(&self, client: &mut RawClient, queue: &str) {
        let first = match self.way {
            Way::Published => queue.to_owned(),
            Way::Expired => {
                let waiting = format!("expires-to-{queue}");
                let arguments = [
                    ("x-message-ttl", FieldBytes::long(0)),
                    ("x-dead-letter-exchange", FieldBytes::text("")),
                    ("x-dead-letter-routing-key", FieldBytes::text(queue)),
                ];
                client.declare_with(&waiting, arguments).await;
                waiting
            }
        };
        let verdict = self.publish(client, &first).await;
        assert_eq!(verdict, Verdict::Confirmed, "the broker takes it");
    }

    async fn publish(&self, client: &mut RawClient, queue: &str) -> Verdict {
        let properties = self.properties.to_bytes();
        assert!(properties.len() <= PROPERTIES_MAX, "it fits into a frame");
        client
            .publish_mandatory("", queue, &properties, &self.body)
            .await
    }

    /// A parked copy has everything that matters, or tells what did not fit.
    #[track_caller]
    pub(super) fn assert_parked(&self, copy: &RawMessage) {
        let is_named = |name| {
            has(&copy.properties, b"fail-dropped-headers")
                && has(&copy.properties, FieldBytes::text(name).as_bytes())
        };
        self.assert_kept(copy, |kept| kept.droppable.is_some_and(is_named));
    }

    /// A copy that was sent again has everything that matters but what did not fit.
    #[track_caller]
    pub(super) fn assert_replayed(&self, copy: &RawMessage) {
        self.assert_kept(copy, |kept| kept.droppable.is_some());
    }

    #[track_caller]
    fn assert_kept(&self, copy: &RawMessage, may_lack: impl Fn(&Kept) -> bool) {
        assert!(
            copy.body == self.body,
            "the body has {} bytes, not {}, or others",
            copy.body.len(),
            self.body.len()
        );
        for kept in &self.kept {
            assert!(
                has(&copy.properties, &kept.bytes) || may_lack(kept),
                "lost {:.200}\nof {:.2000}",
                kept.bytes.escape_ascii().to_string(),
                copy.properties.escape_ascii().to_string()
            );
        }
    }
}

/// A byte of length and the bytes.
fn short_string(bytes: &[u8]) -> Vec<u8> {
    let len = u8::try_from(bytes.len()).expect("a short string has at most 255 bytes");
    [&[len], bytes].concat()
}

fn has(all: &[u8], wanted: &[u8]) -> bool {
    wanted.is_empty() || all.windows(wanted.len()).any(|part| part == wanted)
}
