//! A private RabbitMQ node for programs that are no Rust tests: prints its URL when it serves, and is
//! gone when its standard input ends.
//!
//! ```text
//! $ GARENNE_RABBITMQ=4 cargo run -p garenne-testing --example rabbit-node
//! amqp://guest:guest@127.0.0.1:21000/%2F
//! ```

use std::io::{self, Read, Write};

use garenne_testing::RabbitNode;

#[tokio::main]
async fn main() -> io::Result<()> {
    let node = RabbitNode::start().await;
    writeln!(io::stdout(), "{}", node.url("/"))?;
    let ended = tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new()));
    ended.await.map_err(io::Error::other)??;
    drop(node);
    Ok(())
}
