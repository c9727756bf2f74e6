//! The same cases, written once, on the embedded broker and on RabbitMQ.
//!
//! A case is a function that does something to a broker and writes down what it saw. The suite runs
//! each case on both brokers and compares the notes; it prints one table of all cases, and line by
//! line what differs. What was seen of RabbitMQ 4 is kept in `recorded/`, so that the embedded
//! broker can be checked where there is no RabbitMQ.
//!
//! | part | what it is |
//! |---|---|
//! | [`suite`] | runs, compares, prints |
//! | [`lab`] | one broker for one run of one case, and its notebook |
//! | [`wire`], [`say`] | a client made of frames, for what lapin does not show or would not send |
//! | [`trials`] | tries what a broker may refuse, and notes what it says |
//! | [`tools`], [`show`] | what lapin needs to be short; values as text |
//! | [`broker`] | cases on the behaviour of the broker |
//! | [`promises`] | cases on what garenne promises |

mod broker;
mod lab;
mod promises;
mod record;
mod say;
mod show;
mod suite;
mod tools;
mod trials;
mod wire;

/// What needs nothing but this process.
mod embedded {
    #[tokio::test(flavor = "multi_thread")]
    async fn the_embedded_broker_does_what_was_seen_of_rabbitmq() {
        super::suite::check_embedded(super::broker::cases()).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn garenne_keeps_its_promises_on_the_embedded_broker() {
        super::suite::check_embedded(super::promises::cases()).await;
    }
}

/// What needs a RabbitMQ beside.
mod both {
    #[tokio::test(flavor = "multi_thread")]
    async fn the_embedded_broker_does_what_rabbitmq_does() {
        super::suite::compare(super::broker::cases()).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn garenne_keeps_its_promises_on_both_brokers() {
        super::suite::compare(super::promises::cases()).await;
    }
}
