//! Links that are lost, brokers that close, queues that vanish.

use garenne::prelude::*;

use super::stage::{Diary, Gate, Stage, work};
use crate::conformance::case::cases;
use crate::conformance::lab::{Depth, Lab, SOON};
use crate::conformance::show;
use crate::conformance::tools::take;

cases![
    what_has_not_begun_is_requeued_at_a_stop,
    what_succeeded_while_the_link_was_lost_does_not_run_again,
    what_has_no_id_runs_again_after_a_lost_link,
    a_connection_closed_by_an_operator_comes_back,
    a_deleted_queue_is_declared_again,
    a_deleted_lane_is_declared_again,
    a_message_that_keeps_losing_its_link_is_parked,
    nothing_is_lost_while_links_are_cut,
];

/// A system whose handlers wait at a gate.
async fn waiting(lab: &Lab, queue: Queue) -> (Stage, Gate) {
    let (diary, gate) = (Diary::default(), Gate::closed());
    let (writes, door) = (diary.clone(), gate.clone());
    let handler = move |order: Delivery<Text>| {
        writes.add(format!("{} begins", order.0));
        let passed = door.passed();
        async move {
            passed.await;
            Ok::<(), Failure>(())
        }
    };
    (
        Stage::of(lab, diary, |builder| builder.consume_fn(queue, handler)).await,
        gate,
    )
}

async fn what_has_not_begun_is_requeued_at_a_stop(lab: Lab) {
    let (stage, gate) = waiting(&lab, work().concurrency(1).prefetch(10)).await;
    stage.send(&["a", "b", "c", "d"]).await;
    // It begins with a prefetch of one; the full window opens with the first message.
    lab.until("work", |depth| depth.unacked == 4).await;
    stage.diary.has(1).await;
    stage.system.stop();
    lab.until("work", |depth| depth.unacked == 1).await;
    gate.open();
    let reason = tokio::time::timeout(SOON, stage.system.stopped())
        .await
        .expect("it stops");
    lab.note("stop", reason);
    stage.note_runs(1).await;
    lab.until("work", |depth| depth.unacked == 0).await;
    // Each queue has its own order for what comes back.
    let mut requeued = Vec::new();
    for _ in 0..3 {
        let message = take(&stage.client, "work").await;
        requeued.push(show::body(&message.data));
    }
    requeued.sort();
    lab.note("requeued", requeued.join(", "));
}

async fn what_succeeded_while_the_link_was_lost_does_not_run_again(lab: Lab) {
    let (stage, gate) = waiting(&lab, work()).await;
    stage.send(&["a"]).await;
    stage.diary.has(1).await;
    lab.reset_connections().await;
    // The system has noticed: an ack that is written before that is lost unseen, and the message runs
    // again.
    stage.counts(|status| status.delivered == 2).await;
    gate.open();
    let status = stage.counts(|status| status.acked == 1).await;
    lab.note("delivered", status.delivered);
    lab.note("recalled", status.recalled);
    stage.note_runs(1).await;
    let client = lab.client().await;
    Stage { client, ..stage }
        .end(&["work", "work.failed"])
        .await;
}

async fn what_has_no_id_runs_again_after_a_lost_link(lab: Lab) {
    let (stage, gate) = waiting(&lab, work()).await;
    stage
        .client
        .publish("", "work", b"a", Default::default())
        .await;
    stage.diary.has(1).await;
    lab.reset_connections().await;
    stage.note_runs(2).await;
    gate.open();
    stage.counts(|status| status.acked == 1).await;
    let client = lab.client().await;
    Stage { client, ..stage }
        .end(&["work", "work.failed"])
        .await;
}

async fn a_connection_closed_by_an_operator_comes_back(lab: Lab) {
    let stage = Stage::obeying(&lab, work()).await;
    stage.send(&["before"]).await;
    stage.counts(|status| status.acked == 1).await;
    // The ack is written; the broker shall have read it before the connection goes.
    lab.until("work", |depth| depth.unacked == 0).await;
    lab.close_connections().await;
    let client = lab.client().await;
    let stage = Stage { client, ..stage };
    stage.send(&["after", "fail once"]).await;
    stage.note_runs(4).await;
    stage.counts(|status| status.acked == 4).await;
    stage.end(&["work", "work.failed"]).await;
}

async fn a_deleted_queue_is_declared_again(lab: Lab) {
    let stage = Stage::obeying(&lab, work()).await;
    stage.send(&["before"]).await;
    stage.counts(|status| status.acked == 1).await;
    stage
        .client
        .channel()
        .queue_delete("work".into(), Default::default())
        .await
        .expect("what the case sets up");
    integration_tests::eventually(SOON, "the queue is consumed again", async || {
        match lab.depth("work").await?.consumers {
            0 => Err("no consumer".to_owned()),
            _ => Ok(()),
        }
    })
    .await;
    stage.send(&["after"]).await;
    stage.note_runs(2).await;
    stage.end(&["work", "work.failed"]).await;
}

async fn a_deleted_lane_is_declared_again(lab: Lab) {
    let stage = Stage::obeying(&lab, work()).await;
    stage
        .client
        .channel()
        .queue_delete("work.retry.50ms".into(), Default::default())
        .await
        .expect("what the case sets up");
    stage.send(&["fail once"]).await;
    stage.note_runs(2).await;
    stage.counts(|status| status.acked == 2).await;
    stage.end(&["work", "work.retry.50ms", "work.failed"]).await;
}

async fn a_message_that_keeps_losing_its_link_is_parked(lab: Lab) {
    let (stage, gate) = waiting(&lab, work().delivery_limit(2)).await;
    stage
        .client
        .publish("", "work", b"poison", Default::default())
        .await;
    for run in 1..=3 {
        stage.diary.has(run).await;
        lab.reset_connections().await;
    }
    let client = lab.client().await;
    let stage = Stage { client, ..stage };
    stage.note_next("work.failed").await;
    stage.note_runs(3).await;
    gate.open();
    stage.end(&["work", "work.retry.50ms"]).await;
}

async fn nothing_is_lost_while_links_are_cut(lab: Lab) {
    let stage = Stage::obeying(&lab, work()).await;
    let names: Vec<String> = (0..100).map(|id| format!("message {id}")).collect();
    for part in names.chunks(25) {
        let names: Vec<&str> = part.iter().map(String::as_str).collect();
        let client = lab.client().await;
        for name in names {
            let properties = lapin::BasicProperties::default().with_message_id(name.into());
            client
                .publish("", "work", name.as_bytes(), properties)
                .await;
        }
        lab.reset_connections().await;
    }
    let diary = stage.diary.clone();
    integration_tests::eventually(SOON, "all were handled", async || {
        let mut seen = diary.lines();
        seen.sort();
        seen.dedup();
        if seen.len() == 100 {
            Ok(())
        } else {
            Err(format!("{} of 100", seen.len()))
        }
    })
    .await;
    lab.note("handled", "all");
    // What was handled when its link was lost is on its way again, to be acked without a run.
    let is_empty = |depth: &Depth| (depth.ready, depth.unacked) == (0, 0);
    lab.until("work", is_empty).await;
    let client = lab.client().await;
    Stage { client, ..stage }
        .end(&["work", "work.failed"])
        .await;
}
