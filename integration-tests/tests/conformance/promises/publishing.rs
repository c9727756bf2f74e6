//! What the publisher says, sinks, and systems that do not start.

use garenne::prelude::*;

use super::stage::{Diary, Stage, obeys, work};
use crate::conformance::case::cases;
use crate::conformance::lab::{Lab, SOON};
use crate::conformance::tools::{int, quorum, text};

cases![
    a_send_that_is_ok_lies_in_its_queue,
    a_send_to_nobody_is_unroutable,
    a_send_to_a_missing_exchange_is_unroutable,
    a_send_that_is_refused_is_nacked,
    good_sends_among_bad_ones_are_answered_truthfully,
    an_own_sink_gets_the_record,
    what_a_sink_does_not_store_is_parked,
    a_queue_that_exists_otherwise_is_adopted_when_told,
    a_queue_that_exists_otherwise_is_a_fault,
    a_wrong_password_is_a_fault,
    a_missing_vhost_is_a_fault,
];

fn told(result: Result<(), PublishError>) -> String {
    match result {
        Ok(()) => "ok".to_owned(),
        Err(error) => fault(&error.to_string()).to_owned(),
    }
}

/// What is wrong, without the advice that follows it.
fn fault(text: &str) -> &str {
    text.split_once(';').map_or(text, |(fault, _)| fault)
}

async fn a_send_that_is_ok_lies_in_its_queue(lab: Lab) {
    let stage = Stage::obeying(&lab, work()).await;
    stage.client.declare("outbox", &[quorum()]).await;
    let message = Outgoing::to_queue("outbox", Text("hello".into()))
        .message_id("m-1")
        .header("kind", "greeting")
        .priority(3);
    lab.note("sent", told(stage.system.publisher().send(message).await));
    let message = crate::conformance::tools::take(&stage.client, "outbox").await;
    let stamped = message.properties.timestamp().is_some();
    lab.note("stamped", stamped);
    lab.note("body", crate::conformance::show::body(&message.data));
    lab.note("mode", format!("{:?}", message.properties.delivery_mode()));
    lab.note("id", format!("{:?}", message.properties.message_id()));
    stage.end(&["work"]).await;
}

async fn a_send_to_nobody_is_unroutable(lab: Lab) {
    let stage = Stage::obeying(&lab, work()).await;
    let publisher = stage.system.publisher();
    lab.note(
        "sent",
        told(
            publisher
                .send(Outgoing::to_queue("nobody", Text("m".into())))
                .await,
        ),
    );
    let unheard = Outgoing::to_queue("nobody", Text("m".into())).not_mandatory();
    lab.note("not mandatory", told(publisher.send(unheard).await));
    stage.end(&["work"]).await;
}

async fn a_send_to_a_missing_exchange_is_unroutable(lab: Lab) {
    let stage = Stage::obeying(&lab, work()).await;
    let publisher = stage.system.publisher();
    let lost = Outgoing::to_exchange("missing", "k", Text("m".into()));
    lab.note("sent", told(publisher.send(lost).await));
    lab.note(
        "next",
        told(
            publisher
                .send(Outgoing::to_queue("work", Text("ok".into())))
                .await,
        ),
    );
    stage.note_runs(1).await;
    stage.end(&["work"]).await;
}

async fn a_send_that_is_refused_is_nacked(lab: Lab) {
    let stage = Stage::obeying(&lab, work()).await;
    let full = [
        ("x-max-length", int(1)),
        ("x-overflow", text("reject-publish")),
    ];
    stage.client.declare("full", &full).await;
    let publisher = stage.system.publisher();
    for _ in 0..2 {
        let message = Outgoing::to_queue("full", Text("m".into()));
        lab.note("sent", told(publisher.send(message).await));
    }
    stage.end(&["work", "full"]).await;
}

async fn good_sends_among_bad_ones_are_answered_truthfully(lab: Lab) {
    let stage = Stage::obeying(&lab, work()).await;
    stage.client.declare("outbox", &[]).await;
    let publisher = stage.system.publisher();
    let sends = (0..300).map(|id| {
        let publisher = publisher.clone();
        async move {
            let message = match id % 3 {
                0 => Outgoing::to_queue("nobody", Text("m".into())),
                1 if id % 50 == 1 => Outgoing::to_exchange("missing", "k", Text("m".into())),
                _ => Outgoing::to_queue("outbox", Text("m".into())),
            };
            publisher.send(message).await
        }
    });
    let answers = futures_util::future::join_all(sends).await;
    let count = |wanted: fn(&PublishError) -> bool| {
        answers
            .iter()
            .filter(|answer| answer.as_ref().is_err_and(wanted))
            .count()
    };
    let ok = answers.iter().filter(|answer| answer.is_ok()).count();
    lab.note("ok", ok);
    lab.note(
        "unroutable",
        count(|error| matches!(error, PublishError::Unroutable { .. })),
    );
    let (stored, _) = crate::conformance::tools::count(stage.client.channel(), "outbox").await;
    lab.note("every ok is stored", stored as usize >= ok);
    stage.end(&["work"]).await;
}

/// A sink that writes down what it gets, or fails.
struct Archive {
    diary: Diary,
    works: bool,
}

impl Actor for Archive {
    type Context = Context<Self>;
}

impl Handler<FailedMessage> for Archive {
    type Result = Result<(), SinkError>;

    fn handle(&mut self, failed: FailedMessage, _: &mut Self::Context) -> Self::Result {
        if !self.works {
            return Err(SinkError::new("the disk is full"));
        }
        let body = String::from_utf8_lossy(&failed.body).into_owned();
        let (reason, error, attempts) = (failed.reason, &failed.error, failed.attempts);
        let line = format!("{body} stored: {reason}, '{error}', {attempts} attempts");
        self.diary.add(line);
        Ok(())
    }
}

async fn with_sink(lab: &Lab, works: bool) -> Stage {
    let diary = Diary::default();
    let (handler, writes) = (obeys(&diary), diary.clone());
    let sink = move || Archive {
        diary: writes.clone(),
        works,
    };
    Stage::of(lab, diary, |builder| {
        builder.consume_fn(work(), handler).fail_sink(sink)
    })
    .await
}

async fn an_own_sink_gets_the_record(lab: Lab) {
    let stage = with_sink(&lab, true).await;
    stage.send(&["permanent", "fail"]).await;
    stage.counts(|status| status.failed == 2).await;
    stage.note_runs(6).await;
    stage.end(&["work", "work.failed"]).await;
}

async fn what_a_sink_does_not_store_is_parked(lab: Lab) {
    let stage = with_sink(&lab, false).await;
    stage.send(&["permanent"]).await;
    stage.note_next("work.failed").await;
    stage.end(&["work"]).await;
}

async fn a_queue_that_exists_otherwise_is_adopted_when_told(lab: Lab) {
    let client = lab.client().await;
    client.declare("work", &[("x-max-length", int(1000))]).await;
    // Who may declare nothing has everything else made by somebody else.
    client.declare("work.failed", &[]).await;
    let lane = [
        ("x-message-ttl", int(50)),
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text("work")),
    ];
    client.declare("work.retry.50ms", &lane).await;
    let stage = Stage::obeying(&lab, work().declare(Declare::Verify)).await;
    stage.send(&["ok", "fail once"]).await;
    stage.note_runs(3).await;
    stage.counts(|status| status.acked == 3).await;
    stage.end(&["work"]).await;
}

/// Starts a system that cannot, and notes why.
async fn fails_to_start(lab: &Lab, url: &str) {
    let handler = obeys(&Diary::default());
    let system = SystemBuilder::new(url)
        .consume_fn(work(), handler)
        .build()
        .expect("what the case sets up")
        .start();
    let reason = tokio::time::timeout(SOON, system.expect("what the case sets up").stopped())
        .await
        .expect("it stops");
    let text = reason
        .to_string()
        .replace(&format!("127.0.0.1:{}", lab.port()), "HOST");
    lab.note(&format!("exit code {}", reason.code()), fault(&text));
}

async fn a_queue_that_exists_otherwise_is_a_fault(lab: Lab) {
    let client = lab.client().await;
    client
        .declare("work", &[quorum(), ("x-max-length", int(1000))])
        .await;
    fails_to_start(&lab, &lab.url()).await;
}

async fn a_wrong_password_is_a_fault(lab: Lab) {
    fails_to_start(&lab, &lab.url().replace(":guest@", ":wrong@")).await;
}

async fn a_missing_vhost_is_a_fault(lab: Lab) {
    let (before, _) = lab
        .url()
        .rsplit_once('/')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .expect("what the case sets up");
    fails_to_start(&lab, &format!("{before}/nowhere")).await;
}
