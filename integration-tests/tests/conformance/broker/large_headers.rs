//! Headers as large as a frame, and those that outgrow it because the broker adds to them.

use garenne_testing::{FieldBytes, PropertyBytes, RawClient, Verdict};

use super::unreadable::said;
use crate::conformance::case::cases;
use crate::conformance::lab::Lab;
use crate::conformance::say;
use crate::conformance::wire::Wire;

cases![
    headers_may_be_as_large_as_a_frame,
    larger_headers_come_in_frames_larger_than_agreed,
    what_dies_may_outgrow_its_frame,
    what_dies_in_a_quorum_queue_may_outgrow_its_frame,
    what_a_quorum_queue_counts_may_outgrow_its_frame,
];

/// What a frame of a content header has beside the properties.
const BESIDE: usize = 8 + 12;

/// Properties that make a content header's frame so many bytes long.
fn filling(frame: usize) -> Vec<u8> {
    let empty = PropertyBytes::new().header("k", FieldBytes::text(""));
    let room = frame - BESIDE - empty.to_bytes().len();
    let full = PropertyBytes::new().header("k", FieldBytes::text(vec![b'v'; room]));
    let bytes = full.to_bytes();
    assert_eq!(bytes.len() + BESIDE, frame);
    bytes
}

async fn client(lab: &Lab) -> RawClient {
    let mut client = RawClient::connect(&lab.url()).await;
    client.declare("q").await;
    client
}

async fn headers_may_be_as_large_as_a_frame(lab: Lab) {
    let mut client = client(&lab).await;
    let frame_max = client.frame_max() as usize;
    lab.note("frame_max", frame_max);
    // RabbitMQ forgives those who count the payload only.
    for frame in [frame_max - 1, frame_max, frame_max + 8, frame_max + 9] {
        let sent = filling(frame);
        let verdict = client.publish("", "q", &sent, b"m").await;
        lab.note(&frame.to_string(), said(&verdict));
        if verdict != Verdict::Confirmed {
            continue;
        }
        let got = client.get("q").await.expect("what was confirmed is there");
        lab.note("the frame of a get", got.header_frame);
        let returned = client.publish_mandatory("", "nowhere", &sent, b"m").await;
        if let Verdict::Returned { message, .. } = returned {
            lab.note("the frame of a return", message.header_frame);
        }
        client.publish("", "q", &sent, b"m").await;
        lab.note("the frame of a delivery", delivered(&lab, "q").await);
    }
}

/// How large the frame of a content header is that a consumer gets.
async fn delivered(lab: &Lab, queue: &str) -> usize {
    let mut wire = lab.wire().await;
    wire.call(1, say::consume(queue, "c")).await;
    let (_, properties, _) = wire.hear_content().await;
    wire.send(1, say::ack(1, false)).await;
    // What comes next is not for this consumer, however long the broker takes to notice that it is gone.
    wire.call(1, say::cancel("c")).await;
    properties.len() + BESIDE
}

async fn larger_headers_come_in_frames_larger_than_agreed(lab: Lab) {
    let mut client = client(&lab).await;
    client.publish("", "q", &filling(20_000), b"m").await;
    client.publish("", "q", &filling(20_000), b"m").await;
    let mut small = RawClient::connect_with_frame_max(&lab.url(), 8192).await;
    let got = small.get("q").await.expect("two messages are there");
    lab.note("the frame of a get", got.header_frame);
    let mut wire = Wire::connect_with(&lab, |tune| tune.frame_max = 8192).await;
    wire.open(1).await;
    wire.call(1, say::consume("q", "c")).await;
    let (_, properties, _) = wire.hear_content().await;
    lab.note("the frame of a delivery", properties.len() + BESIDE);
}

/// Publishes headers that fill a frame to queues whose messages die, and notes how large they are
/// when they are dead.
async fn note_outgrown(lab: &Lab, kind: Option<FieldBytes>) {
    let mut client = RawClient::connect(&lab.url()).await;
    let frame_max = client.frame_max() as usize;
    let dead_letters_to = |key: &str| {
        let mut arguments = vec![
            ("x-dead-letter-exchange", FieldBytes::text("")),
            ("x-dead-letter-routing-key", FieldBytes::text(key)),
            ("x-message-ttl", FieldBytes::long(10)),
        ];
        arguments.extend(kind.clone().map(|kind| ("x-queue-type", kind)));
        arguments
    };
    client.declare("dead").await;
    client.declare_with("once", dead_letters_to("dead")).await;
    client.declare_with("twice", dead_letters_to("once")).await;
    for queue in ["once", "twice"] {
        let sent = filling(frame_max);
        for _ in 0..2 {
            let verdict = client.publish("", queue, &sent, b"m").await;
            assert_eq!(verdict, Verdict::Confirmed);
        }
        lab.ready("dead", 2).await;
        let got = client.get("dead").await.expect("it is ready");
        lab.note(&format!("{queue}: the frame of a get"), got.header_frame);
        lab.note(
            &format!("{queue}: the frame of a delivery"),
            delivered(lab, "dead").await,
        );
    }
}

async fn what_dies_may_outgrow_its_frame(lab: Lab) {
    note_outgrown(&lab, None).await;
}

async fn what_dies_in_a_quorum_queue_may_outgrow_its_frame(lab: Lab) {
    note_outgrown(&lab, Some(FieldBytes::text("quorum"))).await;
}

async fn what_a_quorum_queue_counts_may_outgrow_its_frame(lab: Lab) {
    let mut client = RawClient::connect(&lab.url()).await;
    let kind = [("x-queue-type", FieldBytes::text("quorum"))];
    client.declare_with("q", kind).await;
    let sent = filling(client.frame_max() as usize);
    client.publish("", "q", &sent, b"m").await;
    let mut wire = lab.wire().await;
    wire.call(1, say::consume("q", "c")).await;
    let (_, properties, _) = wire.hear_content().await;
    lab.note("first", properties.len() + BESIDE);
    wire.send(1, say::nack(1, false, true)).await;
    let (_, properties, _) = wire.hear_content().await;
    lab.note("second", properties.len() + BESIDE);
}
