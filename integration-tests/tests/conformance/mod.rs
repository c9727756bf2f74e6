//! The same cases, written once, on the embedded broker and on RabbitMQ.
//!
//! A case is a function that does something to a broker and writes down what it saw. What it is to
//! see stands in a book: `recorded/` is what RabbitMQ 4.0 was seen to do, `promised/` is what
//! garenne promises whatever broker it runs on. Every broker is compared with the book, so that the
//! embedded one can be checked where there is no RabbitMQ. Where a broker legitimately does
//! something else is listed in [`differences`], and nowhere else.
//!
//! | part | what it is |
//! |---|---|
//! | [`suite`], [`case`] | runs cases on brokers; what a case is |
//! | [`book`], [`differences`] | what cases are to see; who sees something else, and why |
//! | [`table`] | compares, prints, fails |
//! | [`lab`] | one broker for one run of one case, and its notebook |
//! | [`wire`], [`say`] | a client made of frames, for what lapin does not show or would not send |
//! | [`trials`] | tries what a broker may refuse, and notes what it says |
//! | [`tools`], [`show`] | what lapin needs to be short; values as text |
//! | [`raw`] | properties as text, whatever bytes they are |
//! | [`broker`] | cases on the behaviour of the broker |
//! | [`promises`] | cases on what garenne promises |
//!
//! `CONFORMANCE_ONLY` runs the cases that have it in their titles, and fails where none has.
//! `GARENNE_RABBITMQ=4 cargo test -p integration-tests conformance::record -- --ignored` writes the
//! books anew from what RabbitMQ 4 does; read what has changed before you keep it.

mod book;
mod broker;
mod case;
mod differences;
mod lab;
mod promises;
mod raw;
mod say;
mod show;
mod suite;
mod table;
mod tools;
mod trials;
mod wire;

use suite::Suite;

fn of_the_broker() -> Suite {
    Suite::new(broker::cases(), "recorded")
}

fn of_the_promises() -> Suite {
    Suite::new(promises::cases(), "promised")
}

/// The titles of all cases.
fn titles() -> Vec<String> {
    let (broker, promises) = (of_the_broker(), of_the_promises());
    broker.titles().chain(promises.titles()).collect()
}

/// What needs nothing but this process.
mod embedded {
    use super::{differences, of_the_broker, of_the_promises, titles};

    #[tokio::test(flavor = "multi_thread")]
    async fn the_embedded_broker_does_what_was_seen_of_rabbitmq() {
        of_the_broker().on_embedded().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn garenne_keeps_its_promises_on_the_embedded_broker() {
        of_the_promises().on_embedded().await;
    }

    #[test]
    fn every_difference_that_is_listed_is_one_of_a_case() {
        let titles = titles();
        for listed in differences::titles() {
            assert!(
                titles.iter().any(|title| title == listed),
                "no case {listed}"
            );
        }
    }
}

/// What needs a RabbitMQ beside.
mod both {
    use super::{of_the_broker, of_the_promises};

    #[tokio::test(flavor = "multi_thread")]
    async fn both_brokers_do_what_was_seen_of_rabbitmq() {
        of_the_broker().on_both().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn garenne_keeps_its_promises_on_both_brokers() {
        of_the_promises().on_both().await;
    }
}

/// Writes the books; no test of anything, and run only when asked for by name.
mod record {
    use super::{of_the_broker, of_the_promises};

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "it writes what RabbitMQ 4 does into the sources"]
    async fn the_books() {
        of_the_broker().record().await;
        of_the_promises().record().await;
    }
}
