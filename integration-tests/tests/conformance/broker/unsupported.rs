//! What the protocol has and RabbitMQ has not: 540 and its relatives.

use amq_protocol::protocol::{AMQPClass, basic, connection};

use crate::conformance::case::cases;
use crate::conformance::lab::Lab;
use crate::conformance::tools::quorum;
use crate::conformance::trials::Trials;
use crate::conformance::wire::METHOD;
use crate::conformance::{say, show};

cases![
    immediate_is_not_implemented,
    recovering_to_the_same_consumer_is_not_implemented,
    stopping_the_flow_is_not_implemented,
    a_prefetch_in_bytes_is_not_implemented,
    a_shared_prefetch_and_a_quorum_queue_exclude_each_other,
    access_is_granted_to_everybody,
    methods_that_only_brokers_send_are_refused,
];

async fn immediate_is_not_implemented(lab: Lab) {
    let mut wire = lab.wire().await;
    wire.call(1, say::declare("q", &[])).await;
    let publish = basic::Publish {
        immediate: true,
        ..say::to("", "q")
    };
    wire.publish(1, publish, &Default::default(), b"m").await;
    lab.note("immediate", show::all(&wire.settle(1).await));
    lab.note("after", show::heard(&wire.hear().await));
}

async fn recovering_to_the_same_consumer_is_not_implemented(lab: Lab) {
    let mut trials = Trials::new(&lab).await;
    trials.attempt("recover", &[say::recover(false)]).await;
    trials
        .attempt("recover with requeue", &[say::recover(true)])
        .await;
    let old = |requeue| {
        AMQPClass::Basic(basic::AMQPMethod::RecoverAsync(basic::RecoverAsync {
            requeue,
        }))
    };
    trials.attempt("the old recover", &[old(false)]).await;
    trials
        .attempt("the old recover with requeue", &[old(true)])
        .await;
}

async fn stopping_the_flow_is_not_implemented(lab: Lab) {
    let mut trials = Trials::new(&lab).await;
    trials.attempt("flow on", &[say::flow(true)]).await;
    trials.attempt("flow off", &[say::flow(false)]).await;
}

async fn a_prefetch_in_bytes_is_not_implemented(lab: Lab) {
    let mut wire = lab.wire().await;
    // Class 60, method 10, a prefetch of 1000 bytes and 1 message.
    wire.send_frame(METHOD, 1, &[0, 60, 0, 10, 0, 0, 3, 232, 0, 1, 0])
        .await;
    lab.note("qos", show::all(&wire.settle(1).await));
}

async fn a_shared_prefetch_and_a_quorum_queue_exclude_each_other(lab: Lab) {
    let mut trials = Trials::new(&lab).await;
    trials
        .given(&[say::declare("q", &[quorum()]), say::declare("c", &[])])
        .await;
    trials
        .attempt(
            "shared, quorum",
            &[say::qos(5, true), say::consume("q", "")],
        )
        .await;
    trials
        .attempt(
            "shared, classic",
            &[say::qos(5, true), say::consume("c", "a")],
        )
        .await;
    trials
        .attempt("own, quorum", &[say::qos(5, false), say::consume("q", "b")])
        .await;
    trials
        .attempt("shared, none", &[say::qos(0, true), say::consume("q", "c")])
        .await;
}

async fn access_is_granted_to_everybody(lab: Lab) {
    let mut wire = lab.wire().await;
    lab.note(
        "access.request",
        show::heard(&wire.call(1, say::access()).await),
    );
}

async fn methods_that_only_brokers_send_are_refused(lab: Lab) {
    let mut trials = Trials::new(&lab).await;
    let deliver = AMQPClass::Basic(basic::AMQPMethod::GetEmpty(basic::GetEmpty {}));
    trials.attempt("get-empty", &[deliver]).await;
    let ok = AMQPClass::Basic(basic::AMQPMethod::QosOk(basic::QosOk {}));
    trials.attempt("qos-ok", &[ok]).await;
    let ok = AMQPClass::Connection(connection::AMQPMethod::OpenOk(connection::OpenOk {}));
    trials
        .attempt("connection.open-ok on a channel", &[ok])
        .await;
}
