//! Everything that a system was built with.

use std::sync::Arc;
use std::time::Duration;

use garenne_core::{OutageWindow, Queue, Topology};

use crate::consumer::{Recall, Replies, Settings, Sharing, StartWorker};
use crate::identity::Identity;
use crate::link::{BrokerUrl, Tls};
use crate::publish::Limits;
use crate::quiet::QueueLog;
use crate::sink::Sinks;
use crate::status::QueueCounters;

/// Everything that a system was built with.
pub(crate) struct Plan {
    pub(crate) brokers: Vec<BrokerUrl>,
    pub(crate) tls: Tls,
    pub(crate) window: OutageWindow,
    pub(crate) drain_deadline: Duration,
    pub(crate) limits: Limits,
    pub(crate) identity: Arc<Identity>,
    pub(crate) replies: Arc<Replies>,
    pub(crate) queues: Vec<Registration>,
    /// The topology that is declared besides the queues.
    pub(crate) topology: Topology,
    pub(crate) sinks: Sinks,
    /// How long an outage lasts before the alerts tell of it.
    pub(crate) outage_alert_after: Duration,
}

/// A queue with its handler, as it was registered.
pub(crate) struct Registration {
    pub(crate) queue: Arc<Queue>,
    pub(crate) settings: Settings,
    pub(crate) workers: u16,
    pub(crate) counters: Arc<QueueCounters>,
    pub(crate) recall: Arc<Recall>,
    pub(crate) log: Arc<QueueLog>,
    pub(crate) sharing: Arc<Sharing>,
    pub(crate) start: StartWorker,
}
