//! How much the broker writes on a copy.

use garenne_core::{DurationExt, Headers, Properties, Queue, Value};

use crate::wire::bytes::encoded;

/// The headers of a copy that came out of its lane and was then parked by the broker, as RabbitMQ
/// 4 writes them.
fn after_its_lane(queue: &str, lane: &str, is_quorum: bool) -> Headers {
    let death = |queue: &str, reason: &str| {
        Value::from(Headers::from([
            ("count".into(), 1_i64.into()),
            ("reason".into(), reason.into()),
            ("queue".into(), queue.into()),
            ("time".into(), Value::Timestamp(1_790_000_000)),
            ("exchange".into(), "".into()),
            ("routing-keys".into(), vec![Value::from(queue)].into()),
        ]))
    };
    let mut deaths = vec![death(lane, "expired")];
    let mut last = (lane, "expired");
    if is_quorum {
        last = (queue, "delivery_limit");
        deaths.insert(0, death(last.0, last.1));
    }
    let mut headers = Headers::from([
        ("x-death".into(), deaths.into()),
        ("x-first-death-queue".into(), lane.into()),
        ("x-first-death-exchange".into(), "".into()),
        ("x-first-death-reason".into(), "expired".into()),
        ("x-last-death-queue".into(), last.0.into()),
        ("x-last-death-exchange".into(), "".into()),
        ("x-last-death-reason".into(), last.1.into()),
    ]);
    if is_quorum {
        headers.extend([
            ("x-delivery-count".into(), 20_i64.into()),
            ("x-acquired-count".into(), 20_i64.into()),
        ]);
    }
    headers
}

#[test]
fn a_copy_has_room_for_what_the_broker_writes_on_it() {
    for name in ["q", "orders", &"o".repeat(200)] {
        for (queue, is_quorum) in [(Queue::quorum(name), true), (Queue::classic(name), false)] {
            let delay = 20.secs();
            let mut copy = Properties {
                headers: [("tenant".into(), "acme".into())].into(),
                ..Properties::default()
            };
            let before = encoded(&copy).len();
            copy.headers
                .extend(after_its_lane(name, &queue.lane_name(delay), is_quorum));
            let added = encoded(&copy).len() - before;
            let room = queue.death_room(delay);
            assert!(added <= room && room <= added + 32, "{added}, {room}");
        }
    }
}
