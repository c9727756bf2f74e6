//! Consumers, and a producer, written by hand on lapin.
//!
//! | argument | what |
//! |---|---|
//! | `await-ack` | one message, one handler call, one `ack().await` |
//! | `best` | handlers run concurrently; one `multiple` ack for all that have ended in a row |
//! | `no-ack` | no acks: what the client can take in; it loses messages when it dies |
//!
//! Told to publish, it keeps a window of confirms; told to recover, it connects again every second.

mod best;
mod order;
mod publish;
mod recover;
mod setting;

use std::sync::Arc;

use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, ConfirmSelectOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties, Consumer};
use tokio::task::JoinSet;

use crate::order::{Charge, Progress};
use crate::setting::{finish, queues, setting};

#[tokio::main]
async fn main() {
    let mode = std::env::args().nth(1).expect("await-ack, best or no-ack");
    setting::start();
    let act: String = setting("BENCH_ACT");
    // A task on the runtime's own threads, as in a service; the main one is on none of them.
    let work = match act.as_str() {
        "publish" => tokio::spawn(publish::all()),
        "recover" => tokio::spawn(recover::forever()),
        _ => tokio::spawn(consume_all(mode)),
    };
    let connection = work.await.expect("it does everything");
    finish().await;
    // All is settled; channels of workers that have just ended may be closing at the same time.
    let _ = connection.close(200, "done".into()).await;
}

/// Consumes until everything is handled; gives the connection.
async fn consume_all(mode: String) -> Connection {
    let connection = connect().await;
    let progress = Progress::new();
    // They end with it.
    let mut workers = JoinSet::new();
    for queue in queues() {
        for _ in 0..setting::<u16>("BENCH_WORKERS") {
            let channel = connection.create_channel().await.expect("a channel");
            let charge = Charge::new(Arc::clone(&progress), retries(&connection).await);
            let consumer = consume(&channel, &queue, mode == "no-ack").await;
            match mode.as_str() {
                "await-ack" => workers.spawn(await_ack(consumer, charge)),
                "best" => workers.spawn(best::consume(channel, consumer, charge)),
                "no-ack" => workers.spawn(no_ack(consumer, charge)),
                other => panic!("{other}: await-ack, best or no-ack"),
            };
        }
    }
    tokio::select! {
        () = progress.last.notified() => {}
        ended = workers.join_next() => panic!("a worker ended: {ended:?}"),
    }
    progress.done();
    connection
}

/// A channel with confirms for messages that fail, if some do.
async fn retries(connection: &Connection) -> Option<Channel> {
    if setting::<u64>("BENCH_FAIL_EVERY") == 0 {
        return None;
    }
    Some(confirming(connection).await)
}

async fn confirming(connection: &Connection) -> Channel {
    let channel = connection.create_channel().await.expect("a channel");
    let confirms = channel.confirm_select(ConfirmSelectOptions::default());
    confirms.await.expect("confirms");
    channel
}

#[expect(
    clippy::disallowed_methods,
    reason = "as whoever has lapin alone connects"
)]
async fn connect() -> Connection {
    let url: String = setting("BENCH_URL");
    Connection::connect(&url, ConnectionProperties::default())
        .await
        .expect("a broker")
}

async fn consume(channel: &Channel, queue: &str, no_ack: bool) -> Consumer {
    let qos = channel.basic_qos(setting("BENCH_PREFETCH"), BasicQosOptions::default());
    qos.await.expect("a prefetch");
    let options = BasicConsumeOptions {
        no_ack,
        ..BasicConsumeOptions::default()
    };
    channel
        .basic_consume(queue.into(), "".into(), options, FieldTable::default())
        .await
        .expect("a consumer")
}

/// The next message.
async fn next(consumer: &mut Consumer, progress: &Progress) -> Delivery {
    let delivery = consumer.next().await.expect("the queue stays");
    progress.seen();
    delivery.expect("the broker stays")
}

async fn await_ack(mut consumer: Consumer, charge: Charge) {
    loop {
        let delivery = next(&mut consumer, &charge.progress).await;
        let acker = delivery.acker.clone();
        charge.handle(delivery).await;
        acker.ack(BasicAckOptions::default()).await.expect("an ack");
        charge.progress.settled(1);
    }
}

async fn no_ack(mut consumer: Consumer, charge: Charge) {
    loop {
        let delivery = next(&mut consumer, &charge.progress).await;
        charge.handle(delivery).await;
        charge.progress.settled(1);
    }
}
