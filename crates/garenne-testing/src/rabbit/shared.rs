//! One node for all tests that do not hurt it.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::OnceCell;

use crate::rabbit::{QueueDepth, RabbitNode};

/// The node that the tests of this process share; it is started by the first who asks, and killed
/// when the process ends. Whoever kills, pauses or alarms a node starts one of their own.
pub async fn shared_node() -> &'static RabbitNode {
    static NODE: OnceCell<RabbitNode> = OnceCell::const_new();
    NODE.get_or_init(RabbitNode::start_shared).await
}

/// A virtual host of the shared node, for one test alone.
#[derive(Clone, Debug)]
pub struct Vhost {
    node: &'static RabbitNode,
    name: String,
}

impl Vhost {
    /// Makes a new one.
    pub async fn new() -> Self {
        let (node, name) = Self::next().await;
        node.add_vhost(&name).await;
        Self { node, name }
    }

    /// Makes a new one in which a queue is of this type (`classic`, `quorum`) when its declaration
    /// does not say which.
    pub async fn with_default_queue_type(kind: &str) -> Self {
        let (node, name) = Self::next().await;
        node.add_vhost_with_default_queue_type(&name, kind).await;
        Self { node, name }
    }

    async fn next() -> (&'static RabbitNode, String) {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("test{}", NEXT.fetch_add(1, Ordering::Relaxed));
        (shared_node().await, name)
    }

    /// The node it is on.
    #[must_use]
    pub fn node(&self) -> &'static RabbitNode {
        self.node
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        self.node.url(&self.name)
    }

    /// Waits until a queue and its retry lanes hold nothing, in nobody's hands either.
    #[track_caller]
    pub fn drained(&self, queue: &str) -> impl Future<Output = ()> {
        self.node.drained(&self.name, queue)
    }

    /// One of its queues.
    ///
    /// # Errors
    ///
    /// When there is no such queue.
    pub async fn queue(&self, name: &str) -> Result<QueueDepth, String> {
        self.node.queue(&self.name, name).await
    }
}
