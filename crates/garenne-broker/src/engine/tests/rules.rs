use std::time::Duration;

use amq_protocol::protocol::{AMQPClass, BasicProperties, basic, channel, connection};
use amq_protocol::types::AMQPValue;

use super::client::World;
use crate::wire::Output;

/// The codes of all closes that were sent, channels first by nature.
fn closes(sent: &[Output]) -> Vec<(u16, String)> {
    let close = |output: &Output| match output {
        Output::Method(_, AMQPClass::Channel(channel::AMQPMethod::Close(close))) => {
            Some((close.reply_code, close.reply_text.to_string()))
        }
        Output::Method(_, AMQPClass::Connection(connection::AMQPMethod::Close(close))) => {
            Some((close.reply_code, close.reply_text.to_string()))
        }
        _ => None,
    };
    sent.iter().filter_map(close).collect()
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

#[test]
fn a_channel_that_was_closed_ignores_everything_until_the_answer() {
    let mut world = World::new();
    let client = world.client();
    world.ack(client, 9);
    assert_eq!(
        closes(&world.sent()),
        [(
            406,
            "PRECONDITION_FAILED - unknown delivery tag 9".to_owned()
        )]
    );
    world.declare(client, "q", &[]);
    world.publish(client, "q", "m");
    assert!(world.sent().is_empty());
    let close_ok = channel::AMQPMethod::CloseOk(channel::CloseOk {});
    world.method(client, 1, AMQPClass::Channel(close_ok));
    world.open(client, 1);
    world.declare(client, "q", &[]);
    assert_eq!(world.sent().len(), 2);
}

#[test]
fn an_expiration_is_checked_with_the_words_of_rabbitmq() {
    for (expiration, why) in [
        ("abc", "no_integer"),
        ("", "no_integer"),
        ("-1", "{value_negative,-1}"),
        ("12a", "{leftover_string,\"a\"}"),
        ("99999999999999", "{value_too_large,99999999999999}"),
    ] {
        let mut world = World::new();
        let client = world.client();
        world.declare(client, "q", &[]);
        world.sent();
        let properties = BasicProperties::default().with_expiration(expiration.into());
        world.publish_with(client, "q", "m", &properties);
        let expected = format!("PRECONDITION_FAILED - invalid expiration '{expiration}': {why}");
        assert_eq!(closes(&world.sent()), [(406, expected)]);
    }
}

#[test]
fn more_channels_than_agreed_end_the_connection() {
    let mut world = World::new();
    let client = world.client();
    for number in 2..=17 {
        world.open(client, number);
    }
    let closes = closes(&world.sent());
    assert_eq!(
        closes,
        [(
            530,
            "NOT_ALLOWED - number of channels opened (16) has reached the negotiated channel_max \
             (16)"
                .to_owned()
        )]
    );
}

#[test]
fn the_end_of_a_connection_leaves_nothing_of_it() {
    let mut world = World::new();
    let keeper = world.client();
    world.declare(keeper, "q", &[("x-expires", AMQPValue::LongInt(60_000))]);
    for round in 0..100 {
        let client = world.client();
        world.select_confirms(client);
        for number in 2..8 {
            world.open(client, number);
        }
        world.consume(client, "q", 5);
        world.publish(client, "q", "m");
        if round % 3 == 0 {
            let close = connection::Close {
                reply_code: 200,
                reply_text: "".into(),
                class_id: 0,
                method_id: 0,
            };
            let close = connection::AMQPMethod::Close(close);
            world.method(client, 0, AMQPClass::Connection(close));
        }
        world.engine.disconnected(client, world.now);
        world.sent();
    }
    world.engine.disconnected(keeper, world.now);
    world.sent();
    assert!(world.engine.is_deserted());
    assert_eq!(world.waiting("q").len(), 100);
    world.pass(Duration::from_secs(60));
    assert_eq!(world.engine.timers(), 0);
    assert!(world.engine.messages("q").is_none());
}

#[test]
fn a_dead_letter_to_a_missing_exchange_is_lost_as_in_rabbitmq() {
    let mut world = World::new();
    let client = world.client();
    let arguments = [
        ("x-message-ttl", AMQPValue::LongInt(5)),
        ("x-dead-letter-exchange", text("no")),
    ];
    world.declare(client, "q", &arguments);
    world.publish(client, "q", "m");
    world.pass(Duration::from_millis(5));
    assert!(world.waiting("q").is_empty());
}

#[test]
fn a_message_that_comes_back_to_a_full_queue_is_the_first_to_go() {
    let mut world = World::new();
    let client = world.client();
    world.declare(client, "q", &[("x-max-length", AMQPValue::LongInt(1))]);
    world.publish(client, "q", "a");
    let get = basic::Get {
        queue: "q".into(),
        no_ack: false,
    };
    world.basic(client, basic::AMQPMethod::Get(get));
    world.publish(client, "q", "b");
    assert_eq!(world.waiting("q"), ["b"]);
    world.requeue(client, 1);
    assert_eq!(world.waiting("q"), ["b"]);
}

#[test]
fn overflow_reject_publish_dlx_dead_letters_what_it_refuses() {
    let mut world = World::new();
    let client = world.client();
    world.declare(client, "dead", &[]);
    let arguments = [
        ("x-max-length", AMQPValue::LongInt(1)),
        ("x-overflow", text("reject-publish-dlx")),
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text("dead")),
    ];
    world.declare(client, "q", &arguments);
    world.publish(client, "q", "kept");
    world.publish(client, "q", "refused");
    assert_eq!(world.waiting("q"), ["kept"]);
    assert_eq!(world.waiting("dead"), ["refused"]);
}

#[test]
fn a_user_may_not_publish_as_somebody_else() {
    let mut world = World::new();
    let client = world.client();
    world.declare(client, "q", &[]);
    world.publish_with(
        client,
        "q",
        "m",
        &BasicProperties::default().with_user_id("guest".into()),
    );
    assert_eq!(world.waiting("q"), ["m"]);
    world.sent();
    world.publish_with(
        client,
        "q",
        "m",
        &BasicProperties::default().with_user_id("bob".into()),
    );
    assert_eq!(
        closes(&world.sent()),
        [(
            406,
            "PRECONDITION_FAILED - user_id property set to 'bob' but authenticated user was \
             'guest'"
                .to_owned()
        )]
    );
}

#[test]
fn an_alarm_blocks_a_connection_at_its_first_publish() {
    let mut world = World::new();
    let (publisher, quiet) = (world.client(), world.client());
    world.declare(publisher, "q", &[]);
    world.publish(publisher, "q", "before");
    world.engine.block("low", world.now);
    assert!(world.engine.is_blocked(publisher));
    assert!(!world.engine.is_blocked(quiet));
    world.publish(quiet, "q", "first");
    assert!(world.engine.is_blocked(quiet));
    assert_eq!(world.waiting("q"), ["before", "first"]);
    world.sent();
    world.engine.unblock(world.now);
    let unblocked = |output: &Output| {
        use connection::AMQPMethod::Unblocked;
        matches!(
            output,
            Output::Method(0, AMQPClass::Connection(Unblocked(_)))
        )
    };
    assert_eq!(
        world
            .sent()
            .iter()
            .filter(|output| unblocked(output))
            .count(),
        2
    );
}

#[test]
fn unknown_tags_are_refused_also_with_multiple() {
    for (tag, multiple, fine) in [
        (0, true, true),
        (0, false, false),
        (3, true, false),
        (2, true, true),
    ] {
        let mut world = World::new();
        let client = world.client();
        world.declare(client, "q", &[]);
        for _ in 0..2 {
            world.publish(client, "q", "m");
        }
        world.consume(client, "q", 10);
        world.sent();
        let ack = basic::Ack {
            delivery_tag: tag,
            multiple,
        };
        world.basic(client, basic::AMQPMethod::Ack(ack));
        assert_eq!(closes(&world.sent()).is_empty(), fine, "{tag} {multiple}");
        let messages = world.engine.messages("q").unwrap();
        assert_eq!(messages.is_empty(), fine);
    }
}
