//! The links of a system: kept within the outage window, with the topology declared over them.

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use garenne_core::alert::OutageAlarm;
use garenne_core::{AtOnce, Ended, Epoch, OutageWindow, Phase, Redial};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tracing::info;

use super::plan::Plan;
use crate::alert::Desk;
use crate::link::{
    Destination, Keeper, KeptLink, Link, LinkError, LinkWatch, Prepare, Purpose, declare_queue,
    declare_topology,
};
use crate::quiet::{Quiet, millis};
use crate::status::{LinkState, OutageStatus};

/// This many queues are declared at the same time: the broker works on each in a channel of its own.
const DECLARES: usize = 8;

/// Both links, and the parts that need to know how long there was no consumption over them.
pub(super) struct Dialling {
    pub(super) keeper: Keeper,
    alarm: OutageAlarm,
    desk: Desk,
    log_ended: Quiet,
}

impl Dialling {
    /// Nothing is dialled yet. `publish` announces the publish link, to the user's own publisher as well.
    pub(super) fn new(
        plan: &Arc<Plan>,
        runtime: &Handle,
        publish: watch::Sender<Option<Arc<Link>>>,
        desk: Desk,
    ) -> Self {
        let to = |purpose: Purpose| Destination {
            brokers: plan.brokers.clone(),
            tls: plan.tls.clone(),
            name: plan.identity.link_name(purpose.as_str()),
            runtime: runtime.clone(),
        };
        let declared = Arc::clone(plan);
        let declare: Prepare = Arc::new(move |link| {
            let plan = Arc::clone(&declared);
            Box::pin(async move { declare(&plan, &link).await })
        });
        let (consume, none_yet) = (Purpose::Consume, watch::Sender::new(None));
        let links = vec![
            KeptLink::new(consume, to(consume), Some(declare), none_yet),
            KeptLink::new(Purpose::Publish, to(Purpose::Publish), None, publish),
        ];
        Self {
            keeper: keeper(links, plan.window),
            alarm: OutageAlarm::new(plan.outage_alert_after),
            desk,
            log_ended: Quiet::default(),
        }
    }

    /// The watches that announce the links: consume, publish.
    pub(super) fn watches(&self) -> (LinkWatch, LinkWatch) {
        let watch = |purpose| self.keeper.watch(purpose);
        watch(Purpose::Consume)
            .zip(watch(Purpose::Publish))
            .expect("it was made with both links")
    }

    /// The epoch in which workers may consume: both links are up.
    pub(super) fn epoch(&self) -> Option<Epoch> {
        let consume = self.keeper.link(Purpose::Consume)?;
        self.keeper.are_up().then_some(consume.epoch)
    }

    /// Tells the alerts of an outage that lasts.
    pub(super) fn look_at_the_alarm(&mut self) {
        let (outage, now) = self.keeper.outage();
        if let Some(news) = self.alarm.look(outage, now) {
            self.desk.tell(&news);
        }
    }

    /// An outage is over, or the start is.
    pub(super) fn ended(&mut self, ended: &Ended) {
        if let Some(news) = self.alarm.ended(ended) {
            self.desk.tell(&news);
        }
        let lasted_ms = millis(ended.lasted);
        if ended.losses == 0 && ended.attempts == 0 {
            info!(
                event = "stable",
                after_ms = lasted_ms,
                "consumption is stable"
            );
        } else {
            let (attempts, losses) = (ended.attempts, ended.losses);
            self.log_ended.log(|repeated| {
                info!(
                    event = "outage_ended",
                    lasted_ms,
                    attempts,
                    losses,
                    repeated,
                    "the outage is over; consumption is stable"
                );
            });
        }
    }

    /// The state of a link, for the status.
    pub(super) fn state(&self, purpose: Purpose) -> LinkState {
        LinkState::of(self.keeper.link(purpose).as_deref())
    }

    /// The current outage, for the status.
    pub(super) fn outage(&self) -> Option<OutageStatus> {
        let (outage, now) = self.keeper.outage();
        outage.summary().map(|summary| OutageStatus {
            lasting: now.saturating_since(summary.since),
            attempts: summary.attempts,
            last_error: summary.last_error,
        })
    }

    /// The phase of the system as far as the links show it, for the status.
    pub(super) fn phase(&self) -> crate::status::Phase {
        let (outage, _) = self.keeper.outage();
        match outage.phase() {
            Phase::Down { .. } if outage.had_started() => crate::status::Phase::Outage,
            Phase::Down { .. } => crate::status::Phase::Starting,
            _ => crate::status::Phase::Consuming,
        }
    }
}

/// A single ack makes consumption stable. Before that, the supervisor does not dial at once after a loss,
/// because the cause of the loss may end the next link too.
fn keeper(links: Vec<KeptLink>, window: OutageWindow) -> Keeper {
    Keeper::new(links, |now| {
        Redial::starting(window, AtOnce::AfterStable, now)
    })
}

/// Declares what all queues need.
async fn declare(plan: &Plan, link: &Arc<Link>) -> Result<(), LinkError> {
    declare_topology(link, &plan.topology).await?;
    let declares = (0..plan.queues.len()).map(|index| {
        let registration = &plan.queues[index];
        let (link, queue) = (Arc::clone(link), Arc::clone(&registration.queue));
        let sharing = Arc::clone(&registration.sharing);
        async move {
            let consumers = declare_queue(&link, &queue).await?;
            sharing.learn(consumers);
            Ok::<_, LinkError>(())
        }
    });
    // In order: the reported fault is that of the first faulty queue.
    let declared = stream::iter(declares).buffered(DECLARES);
    declared.try_collect::<()>().await
}
