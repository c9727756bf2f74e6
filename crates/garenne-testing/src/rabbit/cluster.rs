//! Three nodes that know each other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::SemaphorePermit;

use crate::ports::PortBlock;
use crate::process::ProcessGroup;
use crate::rabbit::command::NodePorts;
use crate::rabbit::control::binary;
use crate::rabbit::lifecycle::{Place, node_name, permits};
use crate::rabbit::{NodeOptions, RabbitNode, RabbitVersion};
use crate::wait::eventually;

/// How many nodes a cluster has: a quorum queue survives the loss of one.
const NODES: usize = 3;

/// How long the nodes may take to find each other.
const PATIENCE: Duration = Duration::from_secs(300);

/// Three private RabbitMQ nodes that form a cluster on loopback; killed when dropped.
///
/// It counts as all the nodes that may run at once: nobody starts another while it lives, and it is
/// not started by a test that holds a [`RabbitNode`]. A start takes ten to twenty seconds.
///
/// Virtual hosts, users and queues belong to the cluster: make and look at them through any node.
#[derive(Debug)]
pub struct RabbitCluster {
    nodes: Vec<RabbitNode>,
    _permits: SemaphorePermit<'static>,
}

impl RabbitCluster {
    /// Starts three plain nodes and waits until each sees the others.
    pub async fn start() -> Self {
        Self::start_with(&NodeOptions::new()).await
    }

    /// The same with options, which all nodes get.
    ///
    /// # Panics
    ///
    /// When the nodes have not found each other after five minutes.
    pub async fn start_with(options: &NodeOptions) -> Self {
        let permits = permits(u32::MAX).await;
        let mut nodes = prepare(options);
        // A node of 4 waits for the others. Three of 3.10 that start at once wait for each other's
        // locks: for half a minute, on a busy machine for more than two.
        let founders = match options.version {
            RabbitVersion::V3 => 1,
            RabbitVersion::V4 => NODES,
        };
        let (founders, others) = nodes.split_at_mut(founders);
        for nodes in [founders, others] {
            for node in &mut *nodes {
                node.launch();
            }
            for node in nodes {
                node.wait_ready().await;
            }
        }
        let cluster = Self {
            nodes,
            _permits: permits,
        };
        cluster.formed().await;
        cluster
    }

    /// How many nodes there are, running or not.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there is no empty cluster")]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The `i`th node, from 0.
    ///
    /// # Panics
    ///
    /// When there are not so many.
    #[must_use]
    pub fn node(&self, i: usize) -> &RabbitNode {
        &self.nodes[i]
    }

    /// The `i`th node, to be stopped or paused.
    ///
    /// # Panics
    ///
    /// When there are not so many.
    pub fn node_mut(&mut self, i: usize) -> &mut RabbitNode {
        &mut self.nodes[i]
    }

    /// SIGKILL to the `i`th node, as [`RabbitNode::kill`].
    ///
    /// # Panics
    ///
    /// When there are not so many.
    pub async fn kill(&mut self, i: usize) {
        self.nodes[i].kill().await;
    }

    /// Starts the `i`th node again with its data and waits until it is a member that serves.
    ///
    /// # Panics
    ///
    /// When there are not so many, or it does not serve after five minutes.
    pub async fn restart(&mut self, i: usize) -> Instant {
        let accepted = self.nodes[i].restart().await;
        self.formed().await;
        accepted
    }

    /// The URLs of a virtual host on each node, for the user `guest`.
    #[must_use]
    pub fn urls(&self, vhost: &str) -> Vec<String> {
        self.nodes.iter().map(|node| node.url(vhost)).collect()
    }

    /// The same as one text, separated by commas: what `AMQP_URL` takes.
    #[must_use]
    pub fn url_list(&self, vhost: &str) -> String {
        self.urls(vhost).join(",")
    }

    /// The number of the node that leads a quorum queue.
    ///
    /// # Errors
    ///
    /// When there is no such queue, or nobody leads it now; with a text for
    /// [`eventually`](crate::eventually).
    pub async fn leader(&mut self, vhost: &str, queue: &str) -> Result<usize, String> {
        let (vhost, queue) = (binary(vhost), binary(queue));
        // The members themselves are asked: the queue's record may name a leader who is dead.
        let ask = format!(
            "{{ok, Q}} = rabbit_amqqueue:lookup(rabbit_misc:r({vhost}, queue, {queue})), \
             {{Name, _}} = amqqueue:get_pid(Q), \
             {{ok, _, {{_, Node}}}} = ra:members({{Name, node()}}, 2000), \
             atom_to_list(Node)"
        );
        let leader = self.running()?.eval(&ask).await?;
        let found = self.nodes.iter().position(|node| node.name == leader);
        found.ok_or_else(|| format!("led by {leader}"))
    }

    /// Makes the `i`th node, which must run, lead a quorum queue, and waits until it does.
    ///
    /// # Panics
    ///
    /// When it does not lead after a minute.
    pub async fn lead(&mut self, vhost: &str, queue: &str, i: usize) {
        let name = self.nodes[i].name.clone();
        let of = format!("rabbit_misc:r({}, queue, {})", binary(vhost), binary(queue));
        let ask = format!(
            "{{ok, Q}} = rabbit_amqqueue:lookup({of}), {{Name, _}} = Any = amqqueue:get_pid(Q), \
             {{ok, _, Leader}} = ra:members(Any, 2000), \
             ra:transfer_leadership(Leader, {{Name, '{name}'}}), ok"
        );
        let what = format!("node {i} leads `{queue}`");
        eventually(Duration::from_secs(60), &what, async || {
            match self.leader(vhost, queue).await {
                Ok(leader) if leader == i => Ok(()),
                other => {
                    // Asked again: an election in between undoes it.
                    self.nodes[i].eval(&ask).await?;
                    Err(format!("{other:?}"))
                }
            }
        })
        .await;
    }

    /// The numbers of the nodes to which clients of a virtual host are connected.
    ///
    /// # Errors
    ///
    /// When a running node does not answer.
    pub async fn connected(&mut self, vhost: &str) -> Result<Vec<usize>, String> {
        let mut connected = Vec::new();
        for (i, node) in self.nodes.iter_mut().enumerate() {
            if node.runs() && node.connections(vhost).await? > 0 {
                connected.push(i);
            }
        }
        Ok(connected)
    }

    fn running(&mut self) -> Result<&RabbitNode, String> {
        let running = self.nodes.iter_mut().position(|node| node.runs());
        let running = running.ok_or_else(|| "no node runs".to_owned())?;
        Ok(&self.nodes[running])
    }

    /// Waits until every running node sees every other.
    async fn formed(&self) {
        eventually(PATIENCE, "the nodes see each other", async || {
            for node in &self.nodes {
                let seen = node.eval("length(nodes())").await;
                if seen.as_deref() != Ok("2") {
                    return Err(format!("{} sees {seen:?}", node.name));
                }
            }
            Ok(())
        })
        .await;
    }
}

/// Three nodes that share a cookie and an epmd, and name each other in their configuration.
fn prepare(options: &NodeOptions) -> Vec<RabbitNode> {
    let blocks: Vec<_> = (0..NODES).map(|_| PortBlock::claim()).collect();
    let mut options = options.clone();
    options = options.config("cluster_formation.peer_discovery_backend = classic_config");
    for (i, block) in blocks.iter().enumerate() {
        let line = format!(
            "cluster_formation.classic_config.nodes.{} = {}",
            i + 1,
            node_name(block)
        );
        options = options.config(&line);
    }
    if options.version == RabbitVersion::V3 {
        // Or they wait up to a minute, lest all of them start at once.
        for line in ["min = 0", "max = 1"] {
            options = options.config(&format!(
                "cluster_formation.randomized_startup_delay_range.{line}"
            ));
        }
    }
    let first = NodePorts::of(&blocks[0]);
    let cookie = format!("GARENNE{}", blocks[0].number());
    let epmd = Arc::new(ProcessGroup::spawn("epmd", &mut first.epmd_command()));
    let places = blocks.into_iter().map(|block| Place {
        name: node_name(&block),
        cookie: cookie.clone(),
        ports: NodePorts {
            epmd: first.epmd,
            ..NodePorts::of(&block)
        },
        epmd: Arc::clone(&epmd),
        block: Arc::new(block),
    });
    places
        .map(|place| RabbitNode::prepare_at(place, &options, None))
        .collect()
}
