//! The main job in one command: `cargo run -p quickstart`.
//!
//! Five orders are published. Most are handled at once, one succeeds at its third attempt, one never
//! does and ends in the parking queue `quickstart.failed`. It runs on the broker that `AMQP_URL`
//! names, or else on an embedded one that exists only as long as this program.

use std::fmt::Display;
use std::io::Write;

use garenne::prelude::*;
use garenne_broker::Broker;

#[derive(serde::Serialize, serde::Deserialize)]
struct Order {
    id: u32,
    declined: u32,
}

async fn charge(order: Delivery<Json<Order>>) -> Result<(), Failure> {
    let attempt = order.attempt().number();
    if attempt <= order.declined {
        say(format_args!(
            "order {}: attempt {attempt}: card declined",
            order.id
        ));
        return Err(Failure::transient("card declined"));
    }
    say(format_args!(
        "order {}: attempt {attempt}: charged",
        order.id
    ));
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    garenne::init_logging();
    let embedded;
    let url = match std::env::var("AMQP_URL") {
        Ok(url) => url,
        Err(_) => {
            embedded = Broker::start().await?;
            embedded.url()
        }
    };

    let queue = Queue::quorum("quickstart").retry(Retry::every(1.secs()).times(2));
    let system = SystemBuilder::new(url)
        .consume_fn(queue, charge)
        .build()?
        .start()?;
    system.wait_until(|status| status.is_ready()).await?;

    let publisher = system.publisher();
    for (id, declined) in [(1, 0), (2, 2), (3, 99), (4, 0), (5, 0)] {
        let order = Order { id, declined };
        publisher
            .send(Outgoing::to_queue("quickstart", Json(order)))
            .await?;
    }
    let end = system
        .wait_until(|s| s.queues[0].handled >= 4 && s.queues[0].failed >= 1)
        .await?;
    say(format_args!(
        "{} orders charged, {} parked in `quickstart.failed`",
        end.queues[0].handled, end.queues[0].failed
    ));
    system.stop();
    system.stopped().await;
    Ok(())
}

/// One line on standard output. Whoever has closed it does not want to read it, and no order fails of that.
fn say(line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
