//! Lanes and parking queues that vanish under a running service.

use garenne::prelude::*;
use integration_tests::eventually;

use crate::api::logs;
use crate::api::support::{Place, Running, nothing};

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_deletes_lanes_and_parking_queue_is_told_of_and_they_are_made_again() {
    let place = Place::new().await;
    let name = format!("vanishing-{}", place.vhost.name());
    let running =
        Running::consuming(place.system().consume_fn(Queue::quorum(&name), nothing)).await;
    let vhost = place.vhost.name();
    let policy = |expires: &str| {
        format!(
            "rabbit_policy:parse_set(<<\"{vhost}\">>, <<\"tidy\">>, <<\".*\">>, <<\"{{\\\"expires\\\":{expires}}}\">>, <<\"0\">>, <<\"queues\">>, <<\"test\">>)"
        )
    };
    let node = place.vhost.node();
    node.eval(&policy("100")).await.unwrap();
    let (parking, lane) = (format!("{name}.failed"), format!("{name}.retry.20s"));
    let own = [parking.as_str(), lane.as_str()];
    eventually(240.secs(), "the policy has deleted them", async || {
        for queue in own {
            if place.vhost.queue(queue).await.is_ok() {
                return Err(format!("{queue} is there"));
            }
        }
        Ok(())
    })
    .await;
    node.eval(&policy("3600000")).await.unwrap();
    // They are looked for once a minute.
    eventually(240.secs(), "they are there again", async || {
        for queue in own {
            place.vhost.queue(queue).await?;
        }
        Ok(())
    })
    .await;
    // Told once they are there.
    eventually(60.secs(), "it is told", async || {
        match logs::lines_with(&["WARN", "queue_gone", &parking, "`expires`"]) {
            told if told.is_empty() => Err("not told".to_owned()),
            _ => Ok(()),
        }
    })
    .await;
    place.send(&name, ["x"]).await;
    running.acked(1).await;
}

/// A message that fails finds the parking queue gone, and has it made again with the lane: that the lane is
/// gone, with what it held, is told as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_is_made_again_beside_the_parking_queue_is_told_of() {
    async fn refuse(_: Delivery<Text>) -> Result<(), Failure> {
        Err(Failure::permanent("never"))
    }
    let place = Place::new().await;
    let name = format!("deleted-{}", place.vhost.name());
    let running = Running::consuming(place.system().consume_fn(Queue::quorum(&name), refuse)).await;
    let (parking, lane) = (format!("{name}.failed"), format!("{name}.retry.20s"));
    for queue in [&parking, &lane] {
        place.client.delete(queue).await;
    }
    place.send(&name, ["x"]).await;
    running.acked(1).await;
    place.holds(&parking, 1).await;
    place.vhost.queue(&lane).await.unwrap();
    let told = logs::lines_with(&["WARN", "queue_gone", &parking, &lane]);
    assert_eq!(told.len(), 1, "{told:?}");
    running.stop().await;
}
