//! The best consumer that can be written in a screenful.

use std::future::ready;

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use lapin::options::BasicAckOptions;
use lapin::{Channel, Consumer};

use crate::next;
use crate::order::Charge;
use crate::setting::setting;

/// Handlers run concurrently; one ack for all that have ended in a row.
pub async fn consume(channel: Channel, mut consumer: Consumer, charge: Charge) {
    let half = u64::max(setting::<u64>("BENCH_PREFETCH") / 2, 1);
    let mut running = FuturesOrdered::new();
    // Delivery tags count from 1 in the order of arrival.
    let (mut ended, mut acked) = (0, 0);
    loop {
        let before = acked;
        tokio::select! {
            biased;
            Some(tag) = running.next(), if !running.is_empty() => ended = tag,
            delivery = next(&mut consumer, &charge.progress) => running.push_back(charge.handle(delivery)),
            // Nothing else is ready: no reason to wait for more.
            () = ready(()), if ended > acked => acked = ack_to(&channel, ended).await,
        }
        // Waiting longer would let the broker run out of what it may send.
        if ended - acked >= half {
            acked = ack_to(&channel, ended).await;
        }
        charge.progress.settled(acked - before);
    }
}

/// Acks everything up to this tag, and gives it back.
async fn ack_to(channel: &Channel, tag: u64) -> u64 {
    let ack = channel.basic_ack(tag, BasicAckOptions { multiple: true });
    ack.await.expect("an ack");
    tag
}
