//! The contender on amqprs: what lies in its consumer's channel is handled, then one ack settles all of it.
//!
//! One thread, since its tasks that read, distribute and write would else wake each other across threads.

#[path = "../../lapin/src/setting.rs"]
mod setting;

use amqprs::channel::{
    BasicAckArguments, BasicConsumeArguments, BasicQosArguments, Channel, ConsumerMessage,
};
use amqprs::connection::{Connection, OpenConnectionArguments};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::setting::{finish, queues, say, setting};

#[derive(serde::Deserialize)]
struct Order {
    order_id: u64,
    cents: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    setting::start();
    let url: String = setting("BENCH_URL");
    let place = OpenConnectionArguments::try_from(url.as_str()).expect("an address");
    let connection = Connection::open(&place).await.expect("a broker");
    let channel = connection.open_channel(None).await.expect("a channel");
    let messages = consume(&channel).await;
    handle_all(&channel, messages).await;
    // Its writer has the last ack; whoever measures looks whether it came.
    say("done", &[]);
    finish().await;
    let _ = connection.close().await;
}

async fn consume(channel: &Channel) -> UnboundedReceiver<ConsumerMessage> {
    let qos = BasicQosArguments::new(0, setting("BENCH_PREFETCH"), false);
    channel.basic_qos(qos).await.expect("a prefetch");
    let options = BasicConsumeArguments::new(&queues().remove(0), "");
    let (_tag, messages) = channel.basic_consume_rx(options).await.expect("a consumer");
    messages
}

async fn handle_all(channel: &Channel, mut messages: UnboundedReceiver<ConsumerMessage>) {
    let count: u64 = setting("BENCH_COUNT");
    // More would let the broker run out of what it may send.
    let half = usize::max(setting::<usize>("BENCH_PREFETCH") / 2, 1);
    let mut batch = Vec::with_capacity(half);
    // Delivery tags count from 1 in the order of arrival.
    let mut handled = 0;
    while handled < count {
        let came = messages.recv_many(&mut batch, half).await;
        assert!(came > 0, "the broker and the queue stay");
        if handled == 0 {
            say("first", &[]);
        }
        for message in batch.drain(..) {
            handled = handle(message);
        }
        let ack = channel.basic_ack(BasicAckArguments::new(handled, true));
        ack.await.expect("an ack");
    }
}

/// Handles it; gives the tag to ack.
fn handle(message: ConsumerMessage) -> u64 {
    let body = message.content.expect("a body");
    let order: Order = serde_json::from_slice(&body).expect("an order");
    std::hint::black_box((order.order_id, order.cents));
    message.deliver.expect("a delivery").delivery_tag()
}
