//! One broker for one run of one case.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use garenne_broker::Broker;
use integration_tests::{Client, RabbitNode, Vhost, eventually, stays};

use super::tools;
use super::wire::Wire;

/// For what happens within milliseconds unless it never does.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// A broker with nothing in it, and a notebook. Clones are the same lab.
#[derive(Clone, Debug)]
pub(crate) struct Lab {
    place: Arc<Place>,
    notes: Arc<Mutex<Vec<String>>>,
}

#[derive(Debug)]
enum Place {
    /// A virtual host of the node that all tests share.
    Shared(Vhost),
    /// A node of its own, for what hurts others.
    Own(Box<RabbitNode>),
    Embedded(Broker),
}

/// Where a case runs on RabbitMQ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    Vhost,
    Node,
}

/// How many messages a queue holds, and for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Depth {
    pub(crate) ready: u64,
    pub(crate) unacked: u64,
    pub(crate) consumers: u64,
}

impl Lab {
    pub(crate) async fn rabbit(needs: Needs) -> Self {
        Self::at(match needs {
            Needs::Vhost => Place::Shared(Vhost::new().await),
            Needs::Node => Place::Own(Box::new(RabbitNode::start().await)),
        })
    }

    /// An embedded broker of its own: it costs less than cleaning up.
    pub(crate) async fn embedded() -> Self {
        let builder = Broker::builder().vhost("embedded");
        Self::at(Place::Embedded(
            builder.start().await.expect("what the case sets up"),
        ))
    }

    fn at(place: Place) -> Self {
        Self {
            place: Arc::new(place),
            notes: Arc::default(),
        }
    }

    /// Where clients connect to.
    pub(crate) fn url(&self) -> String {
        match &*self.place {
            Place::Shared(vhost) => vhost.url(),
            Place::Own(node) => node.url("/"),
            Place::Embedded(broker) => broker.url_for("embedded"),
        }
    }

    /// The virtual host that is at [`Lab::url`].
    pub(crate) fn vhost(&self) -> &str {
        match &*self.place {
            Place::Shared(vhost) => vhost.name(),
            Place::Own(_) => "/",
            Place::Embedded(_) => "embedded",
        }
    }

    pub(crate) fn port(&self) -> u16 {
        match &*self.place {
            Place::Shared(vhost) => vhost.node().port(),
            Place::Own(node) => node.port(),
            Place::Embedded(broker) => broker.addr().port(),
        }
    }

    /// A lapin client with a channel that confirms.
    pub(crate) async fn client(&self) -> Client {
        Client::connect(&self.url()).await
    }

    /// A client made of frames, with channel 1 open.
    pub(crate) async fn wire(&self) -> Wire {
        let mut wire = Wire::connect(self).await;
        wire.open(1).await;
        wire
    }

    /// Writes down what was seen; what differs from run to run is masked.
    pub(crate) fn note(&self, what: &str, seen: impl std::fmt::Display) {
        let seen = match seen.to_string() {
            seen if seen.is_empty() => "(nothing)".to_owned(),
            seen => seen,
        };
        let line = mask(&format!("{what}: {seen}"), self.vhost());
        self.notes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line.replace('\n', "\\n"));
    }

    pub(crate) fn notes(&self) -> Vec<String> {
        self.notes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Looks into a queue from behind.
    pub(crate) async fn depth(&self, queue: &str) -> Result<Depth, String> {
        let (node, vhost) = match &*self.place {
            Place::Shared(vhost) => (vhost.node(), vhost.name()),
            Place::Own(node) => (&**node, "/"),
            Place::Embedded(broker) => {
                let queue = broker
                    .queue(queue)
                    .await
                    .map_err(|error| error.to_string())?;
                let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
                return Ok(Depth {
                    ready: count(queue.ready),
                    unacked: count(queue.unacked),
                    consumers: count(queue.consumers),
                });
            }
        };
        let depth = node.queue(vhost, queue).await?;
        Ok(Depth {
            ready: depth.ready,
            unacked: depth.unacked,
            consumers: depth.consumers,
        })
    }

    /// Waits until a queue looks as wanted.
    pub(crate) async fn until(&self, queue: &str, wanted: impl Fn(&Depth) -> bool) {
        eventually(SOON, "the queue looks as wanted", async || {
            let depth = self.depth(queue).await?;
            if wanted(&depth) {
                Ok(())
            } else {
                Err(format!("{queue}: {depth:?}"))
            }
        })
        .await;
    }

    /// Waits until so many messages wait in a queue.
    pub(crate) async fn ready(&self, queue: &str, count: u32) {
        if let Place::Embedded(_) = &*self.place {
            return self
                .until(queue, |depth| depth.ready == u64::from(count))
                .await;
        }
        // A look at RabbitMQ from behind costs more than to ask as a client asks.
        let watcher = self.client().await;
        eventually(SOON, "so many messages wait", async || {
            let (ready, consumers) = tools::count(watcher.channel(), queue).await;
            let seen = || format!("{queue}: {ready} ready, {consumers} consumers");
            if ready == count { Ok(()) } else { Err(seen()) }
        })
        .await;
    }

    /// Waits until a queue is gone.
    pub(crate) async fn gone(&self, queue: &str) {
        eventually(SOON, "the queue is gone", async || {
            match self.depth(queue).await {
                Err(_) => Ok(()),
                Ok(depth) => Err(format!("{queue}: {depth:?}")),
            }
        })
        .await;
    }

    /// Lets so much time pass; the embedded broker's own time passes at once.
    pub(crate) async fn passes(&self, span: Duration) {
        match &*self.place {
            Place::Shared(_) | Place::Own(_) => {
                stays(span, "time passes", async || Ok(())).await;
            }
            Place::Embedded(broker) => broker.advance(span).await.expect("what the case sets up"),
        }
    }

    /// Closes all connections, as an operator does.
    pub(crate) async fn close_connections(&self) {
        match &*self.place {
            Place::Shared(vhost) => vhost.node().close_connections(vhost.name()).await,
            Place::Own(node) => node.close_connections("/").await,
            Place::Embedded(broker) => {
                let text = "CONNECTION_FORCED - maintenance";
                broker
                    .faults()
                    .close_connections(320, text)
                    .await
                    .expect("what the case sets up");
            }
        }
    }

    /// Cuts all connections: clients see a TCP reset.
    pub(crate) async fn reset_connections(&self) {
        match &*self.place {
            Place::Shared(vhost) => vhost.node().reset_connections(vhost.name()).await,
            Place::Own(node) => node.reset_connections("/").await,
            Place::Embedded(broker) => {
                broker
                    .faults()
                    .drop_connections(garenne_broker::How::Reset)
                    .await
                    .expect("what the case sets up");
            }
        }
    }

    /// Raises the memory alarm.
    pub(crate) async fn alarm(&self) {
        match &*self.place {
            Place::Shared(_) => panic!("an alarm hurts others: the case needs its own node"),
            Place::Own(node) => node.raise_memory_alarm().await,
            Place::Embedded(broker) => broker
                .faults()
                .block("low on memory")
                .await
                .expect("what the case sets up"),
        }
    }

    /// Clears the memory alarm.
    pub(crate) async fn all_clear(&self) {
        match &*self.place {
            Place::Shared(_) => {}
            Place::Own(node) => node.clear_memory_alarm().await,
            Place::Embedded(broker) => broker
                .faults()
                .unblock()
                .await
                .expect("what the case sets up"),
        }
    }
}

/// Replaces names that differ from run to run.
fn mask(text: &str, vhost: &str) -> String {
    let mut text = if vhost == "/" {
        text.replace("'/'", "'V'")
    } else {
        text.replace(vhost, "V")
    };
    for made_up in ["amq.gen-", "amq.ctag-", "amq.rabbitmq.reply-to."] {
        let mut parts = text.split(made_up);
        let mut masked = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let of_name = |c: char| c.is_ascii_alphanumeric() || "-_=+/.".contains(c);
            masked = masked + made_up + "*" + part.trim_start_matches(of_name);
        }
        text = masked;
    }
    text
}
