//! Requests and replies on RabbitMQ, whose direct reply-to has rules of its own.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use garenne::prelude::*;
use garenne::{PublishError, RequestError};
use integration_tests::FaultProxy;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions};
use lapin::types::FieldTable;

use super::support::{Gate, Place, Running, SOON, text};

async fn double(question: Delivery<Json<u64>>) -> Result<(), Failure> {
    if question.0 == 99 && question.attempt().number() == 1 {
        return Err(Failure::transient("not yet"));
    }
    question.reply(Json(question.0 * 2));
    Ok(())
}

fn question(number: u64) -> Outgoing {
    Outgoing::to_queue("questions", Json(number))
}

#[tokio::test(flavor = "multi_thread")]
async fn on_rabbitmq_requests_get_their_replies_or_are_told_at_once_why_not() {
    let place = Place::new().await;
    let queue = Queue::quorum("questions").retry(Retry::every(100.millis()).times(2));
    let running = Running::consuming(place.system().consume_fn(queue, double)).await;
    let publisher = Publisher::connect(place.vhost.url()).await.unwrap();
    let asks = (0..200).map(|number| publisher.request::<Json<u64>>(question(number), SOON));
    for (number, answer) in (0..200).zip(join_all(asks).await) {
        assert_eq!(answer.map(|Json(answer)| answer), Ok(number * 2));
    }
    // The system's own publisher asks as well.
    let own = running.publisher();
    let Json(answer): Json<u64> = own.request(question(4), SOON).await.unwrap();
    assert_eq!(answer, 8);
    for message in [
        Outgoing::to_queue("nowhere", "x"),
        Outgoing::to_exchange("no-such-exchange", "k", "x"),
    ] {
        let answer = publisher.request::<Text>(message, Duration::MAX).await;
        let error = answer.unwrap_err();
        assert!(
            matches!(
                error,
                RequestError::Publish(PublishError::Unroutable { .. })
            ),
            "{error:?}"
        );
    }
    // A reply that nobody waits for any more is dropped, and its request acked.
    running.acked(202).await;
    publisher
        .send(question(1).reply_to("amq.gen-nobody"))
        .await
        .unwrap();
    let counts = running.acked(203).await;
    assert_eq!((counts.retried, counts.failed), (1, 0), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_goes_to_no_queue_that_a_producer_only_names() {
    let place = Place::new().await;
    for queue in ["admin-commands", "prices.replies.7"] {
        place.client.declare(queue, &[]).await;
    }
    let queue = Queue::quorum("questions").retry(Retry::every(100.millis()).times(2));
    let system = place.system().allow_replies_to("prices.replies.*");
    let running = Running::consuming(system.consume_fn(queue, double)).await;
    let publisher = running.publisher();
    for (number, reply_to) in [(1, "admin-commands"), (2, "prices.replies.7")] {
        publisher
            .send(question(number).reply_to(reply_to))
            .await
            .unwrap();
    }
    let refused = place.take_one("questions.failed").await;
    assert_eq!(text(&refused, "fail-reason"), "permanent");
    let error = text(&refused, "fail-error");
    assert!(
        error.contains("`admin-commands`") && error.contains("allow_replies_to"),
        "{error}"
    );
    let reply = place.take_one("prices.replies.7").await;
    assert_eq!(reply.delivery.data, b"4");
    place.holds("admin-commands", 0).await;
    running.stop().await;
}

/// Addresses that somebody made up, from one that the broker has given. Many end the connection of whoever sends
/// there.
async fn made_up(place: &Place) -> Vec<String> {
    let asker = integration_tests::Client::connect(&place.vhost.url()).await;
    let consuming = asker.channel().basic_consume(
        "amq.rabbitmq.reply-to".into(),
        "".into(),
        BasicConsumeOptions {
            no_ack: true,
            ..BasicConsumeOptions::default()
        },
        FieldTable::default(),
    );
    let _replies = consuming.await.unwrap();
    place.client.declare("addresses", &[]).await;
    let properties =
        lapin::BasicProperties::default().with_reply_to("amq.rabbitmq.reply-to".into());
    asker.publish("", "addresses", b"", properties).await;
    let told = place.take_one("addresses").await;
    let address = told
        .delivery
        .properties
        .reply_to()
        .clone()
        .unwrap()
        .to_string();
    let direct = address.strip_prefix("amq.rabbitmq.reply-to.").unwrap();
    let (requester, key) = direct.split_once('.').unwrap();
    let mut addresses = vec![
        "!!!!.x".to_owned(),
        "g2EB.x".to_owned(),
        String::new(),
        "x".to_owned(),
        format!("{requester}.!!"),
        format!("{requester}.{key}.x"),
        direct.to_owned(),
    ];
    for at in (3..requester.len()).step_by(3) {
        let mut bytes = requester.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'f' { b'g' } else { b'f' };
        addresses.push(format!("{}.{key}", String::from_utf8(bytes).unwrap()));
    }
    let whole = |direct| format!("amq.rabbitmq.reply-to.{direct}");
    addresses.into_iter().map(whole).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_for_replies_that_somebody_made_up_costs_its_own_request_alone() {
    let place = Place::new().await;
    let queue = Queue::quorum("questions").retry(Retry::none());
    let running = Running::consuming(place.system().consume_fn(queue, double)).await;
    let addresses = made_up(&place).await;
    let publisher = Publisher::connect(place.vhost.url()).await.unwrap();
    let link = running.status().publish;
    let forged = async {
        for address in &addresses {
            let request = question(1).reply_to(address.clone());
            publisher.send(request).await.unwrap();
        }
    };
    let asking = (0..90).map(|number| publisher.request::<Json<u64>>(question(number), SOON));
    let ((), answers) = futures_util::future::join(forged, join_all(asking)).await;
    for (number, answer) in (0..90).zip(answers) {
        assert_eq!(answer.map(|Json(answer)| answer), Ok(number * 2));
    }
    let counts = running.acked(90 + addresses.len() as u64).await;
    // Some are well formed, and nobody waits there: such a reply is dropped.
    let failed = counts.failed;
    assert!((2..=addresses.len() as u64).contains(&failed), "{counts:?}");
    assert_eq!(running.status().publish, link, "no link was lost over them");
    place.holds("questions.failed", failed).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_rabbitmq_a_request_fails_at_once_with_its_link_and_a_foreign_consumer_can_reply() {
    let place = Place::new().await;
    place.client.declare("questions", &[]).await;
    let proxy = FaultProxy::before(place.vhost.node()).await;
    let publisher = Publisher::connect(proxy.url(place.vhost.name()))
        .await
        .unwrap();
    let options = BasicConsumeOptions {
        no_ack: true,
        ..BasicConsumeOptions::default()
    };
    let channel = place.client.channel();
    let consuming = channel.basic_consume(
        "questions".into(),
        "".into(),
        options,
        FieldTable::default(),
    );
    let mut requests = consuming.await.unwrap();
    let gate = Gate::closed();
    let replying = async {
        // The first one is never answered: its link is cut.
        requests.next().await.unwrap().unwrap();
        proxy.cut().await;
        gate.open();
        let request = requests.next().await.unwrap().unwrap();
        let to = request.properties.reply_to().clone().unwrap();
        let id = request.properties.correlation_id().clone().unwrap();
        let properties = lapin::BasicProperties::default().with_correlation_id(id);
        let options = BasicPublishOptions::default();
        let sent = channel.basic_publish("".into(), to, options, b"pong", properties);
        sent.await.unwrap();
    };
    let asking = async {
        let lost = publisher.request::<Text>(question(1), Duration::MAX).await;
        let error = lost.unwrap_err();
        assert!(matches!(error, RequestError::LinkLost { .. }), "{error:?}");
        gate.pass().await;
        let patient = question(2).when_down(WhenDown::WaitUpTo(SOON));
        publisher.request::<Text>(patient, SOON).await
    };
    let both = async { tokio::join!(asking, replying) };
    let (answer, ()) = tokio::time::timeout(SOON, both)
        .await
        .expect("every request is answered");
    assert_eq!(answer.unwrap().0, "pong");
}
