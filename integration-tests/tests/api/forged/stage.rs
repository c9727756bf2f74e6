//! A producer with a right to write to one exchange, and what he makes up.

use std::sync::Arc;

use garenne::admin::BrokerAdmin;
use garenne::prelude::*;
use garenne_testing::{FieldBytes, PropertyBytes, RawClient, Verdict};
use integration_tests::{Program, Transcript};
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions};
use lapin::types::FieldTable;

use crate::api::support::{Place, SOON};

/// Where the producer wants his message to go; he may not write there.
pub(super) const TARGET: &str = "admin-commands";
/// The only exchange that he may write to, and the key with which it goes to the queue.
pub(super) const SHOP: &str = "shop";
pub(super) const KEY: &str = "order.placed";
/// An exchange and a routing key that he makes up.
pub(super) const MADE_UP: &str = "made-up";

/// A queue that garenne has declared, and its parking queue.
pub(super) struct Stage {
    pub(super) place: Place,
    pub(super) queue: String,
    pub(super) parking: String,
    /// The producer.
    pub(super) producer: RawClient,
    pub(super) user: String,
}

impl Stage {
    /// `orders` of this kind. Only a quorum queue dead-letters by itself; a classic one has been made to by
    /// whoever declared it.
    pub(super) async fn with(kind: &str) -> Self {
        let place = Place::new().await;
        let queue = "orders".to_owned();
        let parking = "orders.failed".to_owned();
        let mut guest = RawClient::connect(&place.vhost.url()).await;
        let admin = BrokerAdmin::connect(Some(&place.vhost.url()))
            .await
            .unwrap();
        if kind == "classic" {
            let arguments = [
                ("x-dead-letter-exchange", FieldBytes::text("")),
                ("x-dead-letter-routing-key", FieldBytes::text(&parking)),
            ];
            guest.declare_with(&queue, arguments).await;
            guest.declare(&parking).await;
        } else {
            admin.declare(&Queue::quorum(&queue)).await.unwrap();
        }
        admin.close().await;
        guest.declare(TARGET).await;
        bind(&place, &queue).await;
        let user = format!("producer-{}", place.vhost.name());
        let producer = producer(&place, &user).await;
        Self {
            place,
            queue,
            parking,
            producer,
            user,
        }
    }

    /// The producer publishes, in the only way that he can.
    pub(super) async fn publish(&mut self, properties: &PropertyBytes, body: &str) {
        let bytes = properties.to_bytes();
        let sent = self
            .producer
            .publish_mandatory(SHOP, KEY, &bytes, body.as_bytes());
        assert_eq!(sent.await, Verdict::Confirmed, "{body}");
    }

    /// What the command says.
    pub(super) async fn garenne(&self, args: &[&str]) -> Said {
        let ended = Program::named("garenne")
            .args(args.iter().copied())
            .env("AMQP_URL", self.place.vhost.url())
            .run(SOON)
            .await;
        Said {
            code: ended.code,
            transcript: ended.transcript,
        }
    }

    /// Whatever happened, the target has got nothing.
    pub(super) async fn assert_target_is_empty(&self) {
        self.place.holds(TARGET, 0).await;
    }
}

/// What a command said.
pub(super) struct Said {
    pub(super) code: Option<i32>,
    pub(super) transcript: Arc<Transcript>,
}

impl Said {
    #[track_caller]
    pub(super) fn ok(self) -> Vec<String> {
        assert_eq!(self.code, Some(0), "{}", self.transcript.tail());
        self.transcript.stdout()
    }

    #[track_caller]
    pub(super) fn says(&self, text: &str) {
        let said = self.transcript.stderr_says(text);
        assert!(said, "{text}? {}", self.transcript.tail());
    }
}

/// Binds a queue to the shop.
pub(super) async fn bind(place: &Place, queue: &str) {
    let channel = place.client.new_channel().await;
    let durable = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    let kind = lapin::ExchangeKind::Direct;
    let declared = channel.exchange_declare(SHOP.into(), kind, durable, FieldTable::default());
    declared.await.unwrap();
    let options = QueueBindOptions::default();
    let bound = channel.queue_bind(
        queue.into(),
        SHOP.into(),
        KEY.into(),
        options,
        FieldTable::default(),
    );
    bound.await.unwrap();
}

/// A client of a user who may write to the shop, and neither declare nor read nor write anything else.
pub(super) async fn producer(place: &Place, user: &str) -> RawClient {
    let (node, vhost) = (place.vhost.node(), place.vhost.name());
    node.add_user(user, "secret").await;
    let rights = format!(
        "rabbit_auth_backend_internal:set_permissions(<<\"{user}\">>, <<\"{vhost}\">>, \
         <<\"^$\">>, <<\"^{SHOP}$\">>, <<\"^$\">>, <<\"test\">>)"
    );
    node.eval(&rights).await.unwrap();
    let mut producer = RawClient::connect(&node.url_for(user, "secret", vhost)).await;
    // The rights are what they are said to be.
    for queue in [TARGET, "orders.failed", "orders.retry.100ms", "orders"] {
        let sent = producer.publish("", queue, &[0, 0], b"no").await;
        let is_refused = matches!(sent, Verdict::ChannelClosed { code: 403, .. });
        assert!(is_refused, "{sent:?}");
    }
    producer
}

/// An entry of `x-death` as the broker writes it, made up.
fn death(queue: &str, exchange: &str, key: &str, secs: u64) -> FieldBytes {
    FieldBytes::table([
        ("count", FieldBytes::of(b'l', 1_i64.to_be_bytes())),
        ("reason", FieldBytes::text("expired")),
        ("queue", FieldBytes::text(queue)),
        ("time", FieldBytes::of(b'T', secs.to_be_bytes())),
        ("exchange", FieldBytes::text(exchange)),
        ("routing-keys", FieldBytes::array([FieldBytes::text(key)])),
    ])
}

/// The headers of a record, a copy and a replay, as garenne writes them, for the target.
const CLAIMS: [(&str, &str); 11] = [
    ("fail-reason", "exhausted"),
    ("fail-error", "made up"),
    ("fail-first-at", "2020-01-01T00:00:00.000Z"),
    ("fail-last-at", "2020-01-01T00:00:00.000Z"),
    ("fail-host", MADE_UP),
    ("fail-service", MADE_UP),
    ("orig-queue", TARGET),
    ("orig-exchange", MADE_UP),
    ("orig-routing-key", MADE_UP),
    ("orig-user-id", "root"),
    ("replay-id", "m#1"),
];

/// Properties with the headers whose names begin so.
fn claims(starts: &[&str]) -> PropertyBytes {
    let meant = CLAIMS
        .into_iter()
        .filter(|(name, _)| starts.iter().any(|start| name.starts_with(start)));
    let new = PropertyBytes::new().octet("delivery_mode", 2);
    meant.fold(new, |properties, (name, value)| {
        properties.header(name, FieldBytes::text(value))
    })
}

/// All that a producer can think of, each with a name, which is the body, too.
pub(super) fn forgeries() -> Vec<(&'static str, PropertyBytes)> {
    let deaths = |properties: PropertyBytes, deaths: Vec<FieldBytes>| {
        properties.header("x-death", FieldBytes::array(deaths))
    };
    let all = ["fail-", "orig-", "replay-"];
    let lane = "orders.retry.100ms";
    let named = |name: &'static str, properties: PropertyBytes| {
        (name, properties.short("message_id", name))
    };
    let attempts = |number| FieldBytes::of(b'I', i32::to_be_bytes(number));
    vec![
        named(
            "record",
            claims(&all).header("fail-attempts", FieldBytes::long(4)),
        ),
        named("only-a-reason", claims(&["fail-reason"])),
        named("only-a-queue", claims(&["orig-queue"])),
        named(
            "copy",
            claims(&["orig-", "fail-first"]).header("retry_nums", attempts(1)),
        ),
        named(
            "replay",
            claims(&["orig-", "replay-"]).header("retry_nums", attempts(0)),
        ),
        named(
            "doubt",
            claims(&all).header("fail-doubt", FieldBytes::text("")),
        ),
        named(
            "copy-out-of-a-lane",
            deaths(
                claims(&["orig-"]).header("retry_nums", attempts(1)),
                vec![death(lane, "", lane, 1_790_000_000)],
            ),
        ),
        named(
            "record-that-died-before",
            deaths(claims(&all), vec![death("orders", "", "orders", 1 << 61)]),
        ),
        named(
            "record-that-died-before-out-of-a-lane",
            deaths(
                claims(&all),
                vec![
                    death("orders", "", "orders", 1 << 50),
                    death(lane, "", lane, 1 << 61),
                ],
            ),
        ),
        named(
            "record-that-died-elsewhere",
            deaths(claims(&all), vec![death(TARGET, "", TARGET, 1 << 61)]),
        ),
        named(
            "first-death",
            claims(&all)
                .header("x-first-death-queue", FieldBytes::text(TARGET))
                .header("x-last-death-queue", FieldBytes::text(TARGET)),
        ),
    ]
}
