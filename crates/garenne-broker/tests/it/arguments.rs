use lapin::options::{BasicConsumeOptions, QueueDeclareOptions};
use lapin::types::AMQPValue;

use crate::support::{broker, channel, connect, declare, int, reason, table, text, try_declare};

#[tokio::test]
async fn a_redeclaration_with_other_arguments_names_both_values() {
    let broker = broker().await;
    let connection = connect(&broker).await;
    let channel = connection.create_channel().await.unwrap();
    declare(&channel, "q", &[("x-message-ttl", int(1000))]).await;
    let other = try_declare(&channel, "q", &[("x-message-ttl", int(2000))])
        .await
        .unwrap_err();
    assert_eq!(
        reason(&other),
        (
            406,
            "PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': \
             received '2000' but current is '1000'"
                .to_owned()
        )
    );
    let channel = connection.create_channel().await.unwrap();
    let none = try_declare(&channel, "q", &[]).await.unwrap_err();
    assert_eq!(
        reason(&none).1,
        "PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': \
         received none but current is the value '1000' of type 'signedint'"
    );
    let channel = connection.create_channel().await.unwrap();
    let transient = QueueDeclareOptions::default();
    let arguments = table(&[("x-message-ttl", int(1000))]);
    let error = channel
        .queue_declare("q".into(), transient, arguments)
        .await
        .unwrap_err();
    assert_eq!(
        reason(&error).1,
        "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q' in vhost '/': \
         received 'false' but current is 'true'"
    );
}

#[tokio::test]
async fn invalid_arguments_are_refused() {
    let broker = broker().await;
    let connection = connect(&broker).await;
    for (key, value, why) in [
        ("x-message-ttl", int(-1), "{value_negative,-1}"),
        ("x-expires", int(0), "{value_zero,0}"),
        ("x-overflow", text("explode"), "invalid_overflow"),
        (
            "x-queue-type",
            text("stream"),
            "\"unsupported queue type 'stream'\"",
        ),
        (
            "x-dead-letter-routing-key",
            text("k"),
            "routing_key_but_no_dlx_defined",
        ),
        ("x-max-priority", int(256), "{max_value_exceeded,256}"),
    ] {
        let channel = connection.create_channel().await.unwrap();
        let error = try_declare(&channel, "new", &[(key, value)])
            .await
            .unwrap_err();
        let expected = format!(
            "PRECONDITION_FAILED - invalid arg '{key}' for queue 'new' in vhost '/': {why}"
        );
        assert_eq!(reason(&error), (406, expected));
    }
}

#[tokio::test]
async fn an_untyped_queue_is_a_classic_one_to_a_redeclaration() {
    let broker = broker().await;
    let connection = connect(&broker).await;
    let (classic, quorum) = (text("classic"), text("quorum"));
    let channel = connection.create_channel().await.unwrap();
    declare(&channel, "untyped", &[]).await;
    declare(&channel, "untyped", &[("x-queue-type", classic)]).await;
    declare(&channel, "quorum", &[("x-queue-type", quorum.clone())]).await;
    for (queue, arguments, why) in [
        (
            "untyped",
            vec![("x-queue-type", quorum)],
            "received 'quorum' but current is 'classic'",
        ),
        (
            "quorum",
            vec![],
            "received 'classic' but current is 'quorum'",
        ),
    ] {
        let channel = connection.create_channel().await.unwrap();
        let error = try_declare(&channel, queue, &arguments).await.unwrap_err();
        let expected = format!(
            "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue '{queue}' in vhost \
             '/': {why}"
        );
        assert_eq!(reason(&error), (406, expected));
    }
}

#[tokio::test]
async fn arguments_that_rabbitmq_does_not_look_at_may_be_anything() {
    let broker = broker().await;
    let (_connection, channel) = channel(&broker).await;
    let quorum = ("x-queue-type", text("quorum"));
    for limit in [text("1"), int(-2), AMQPValue::Void] {
        let queue = format!("q {limit:?}");
        let arguments = [quorum.clone(), ("x-delivery-limit", limit)];
        declare(&channel, &queue, &arguments).await;
    }
    declare(&channel, "q", &[]).await;
    let options = BasicConsumeOptions::default();
    let arguments = [("x-cancel-on-ha-failover", text("yes"))];
    crate::support::consume_with(&channel, "q", options, &arguments).await;
}
