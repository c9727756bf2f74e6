//! What comes last is read last.

use garenne_broker::Broker;

use crate::client::{Client, Seen, short};

/// A client with a consumer of `q` on channel 1 that has its first message in hand.
async fn consuming() -> (Broker, Client) {
    let broker = Broker::start().await.unwrap();
    let mut client = Client::connect(&broker).await;
    client.open(1).await;
    client.declare(1, "q").await;
    client.publish(1, "q", &[0, 0], b"first").await;
    assert_eq!(client.next().await, Seen::Confirmed(1, 1, false, true));
    client.consume(1, "q").await;
    let first = client.next().await;
    assert_eq!(body(&first), (b"first".to_vec(), false));
    (broker, client)
}

/// A delivery's body, and whether it was handed out before.
fn body(seen: &Seen) -> (Vec<u8>, bool) {
    match seen {
        Seen::Delivered(1, message) => (message.body.clone(), message.redelivered),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_message_that_was_given_back_comes_again_and_says_so() {
    let (_broker, mut client) = consuming().await;
    let requeue = [&1_u64.to_be_bytes()[..], &[0b10]].concat();
    client.method(1, 60, 120, &requeue).await;
    let again = client.next().await;
    assert_eq!(body(&again), (b"first".to_vec(), true));
    client.check();
}

#[tokio::test]
async fn a_consumer_that_we_cancel_ends_with_its_answer() {
    let (_broker, mut client) = consuming().await;
    client
        .method(1, 60, 30, &[short("tag"), vec![0]].concat())
        .await;
    assert_eq!(client.next().await, Seen::ConsumerEnded(1));
    client.expect(1, 60, 31).await;
    client.check();
}

#[tokio::test]
async fn a_consumer_whose_queue_is_gone_ends_with_the_brokers_word() {
    let (broker, mut client) = consuming().await;
    let mut other = Client::connect(&broker).await;
    other.open(1).await;
    let delete = [vec![0, 0], short("q"), vec![0]].concat();
    other.method(1, 50, 40, &delete).await;
    other.expect(1, 50, 41).await;
    assert_eq!(client.next().await, Seen::ConsumerEnded(1));
    client.expect(1, 60, 30).await;
    client.check();
}

#[tokio::test]
async fn a_channel_that_the_broker_closes_is_closed_behind_its_last_message() {
    let (_broker, mut client) = consuming().await;
    client.publish(1, "q", &[0, 0], b"second").await;
    let passive = [vec![0, 0], short("nowhere"), vec![1], vec![0; 4]].concat();
    client.method(1, 50, 10, &passive).await;
    let mut delivered = 0;
    loop {
        match client.next().await {
            Seen::Delivered(1, message) => {
                assert_eq!(message.body, b"second");
                delivered += 1;
            }
            Seen::Confirmed(1, 2, false, true) => {}
            Seen::ChannelClosed(1, 404) => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(delivered <= 1);
    client.expect(1, 20, 40).await;
    client.method(1, 20, 41, &[]).await;
    // Its number may be used again.
    client.open(1).await;
    client.check();
}

#[tokio::test]
async fn a_connection_that_the_broker_closes_says_why() {
    let (_broker, mut client) = consuming().await;
    // `basic.consume` on a channel that is not open.
    let arguments = [vec![0, 0], short("q"), short(""), vec![0; 5]].concat();
    client.method(77, 60, 20, &arguments).await;
    assert_eq!(client.next().await, Seen::ConnectionClosed(504));
    client.expect(0, 10, 50).await;
    client.check();
}
