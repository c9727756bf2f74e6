//! Streams are refused, however little the service may see of them.

use garenne::prelude::*;
use lapin::types::AMQPValue;

use crate::api::support::{Place, Running, nothing};

async fn is_refused(place: &Place, url: &str, queue: Queue) {
    let running = Running::started(SystemBuilder::new(url).consume_fn(queue, nothing));
    let reason = running.stopped().await;
    assert_eq!(reason.code(), 78, "{reason}");
    let text = reason.to_string();
    assert!(text.contains("`events` is a stream"), "{text}");
    assert!(place.vhost.queue("events.failed").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_refused_with_78_whatever_is_declared() {
    let place = Place::new().await;
    let stream = ("x-queue-type", AMQPValue::LongString("stream".into()));
    place.client.declare("events", &[stream]).await;
    let url = place.vhost.url();
    for declare in [Declare::Create, Declare::Verify, Declare::Off] {
        is_refused(&place, &url, Queue::quorum("events").declare(declare)).await;
        is_refused(&place, &url, Queue::classic("events").declare(declare)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_refused_with_78_although_its_arguments_cannot_be_seen() {
    let place = Place::new().await;
    let stream = ("x-queue-type", AMQPValue::LongString("stream".into()));
    place.client.declare("events", &[stream]).await;
    let url = place.reader_url().await;
    // The lanes and the parking queue would be told of first.
    let off = Declare::Off;
    is_refused(&place, &url, Queue::quorum("events").declare(off)).await;
    is_refused(&place, &url, Queue::classic("events").declare(off)).await;
}
