//! Getting links back: dial what is missing, declare the topology, announce.

use std::sync::Arc;
use std::time::Duration;

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use futures_util::{StreamExt, TryStreamExt, stream};
use garenne_core::Epoch;
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedSender;
use tracing::warn;

use super::ConnectionSupervisor;
use super::actor::Plan;
use super::words::millis;
use crate::link::{Brokers, Link, LinkError, LinkNews, Purpose, declare_queue, declare_topology};

/// What one attempt brought back: the links that came up, and why not all of them did.
struct Attempt {
    links: Vec<Arc<Link>>,
    error: Option<LinkError>,
    /// The broker is there, and what the queues need is not.
    unready: bool,
}

impl ConnectionSupervisor {
    /// Tries to get back every link that is missing, one attempt at a time.
    pub(super) fn connect(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.retry_timer.take() {
            ctx.cancel_future(timer);
        }
        if self.connecting || self.stopping.is_some() {
            return;
        }
        let mut missing = Vec::new();
        for purpose in [Purpose::Consume, Purpose::Publish] {
            let slot = self.slot(purpose);
            if slot.link().is_none() {
                missing.push((purpose, slot.epoch.next()));
            }
        }
        if missing.is_empty() {
            return;
        }
        self.connecting = true;
        let trying = connect(
            Arc::clone(&self.plan),
            self.runtime.clone(),
            self.news.clone(),
            missing,
        );
        let task = self.runtime.spawn(trying);
        ctx.spawn(task.into_actor(self).map(|attempt, supervisor, ctx| {
            supervisor.connecting = false;
            let attempt = attempt.unwrap_or_else(|_| Attempt {
                links: Vec::new(),
                error: Some(LinkError::transient("the attempt to connect panicked")),
                unready: false,
            });
            supervisor.attempted(attempt, ctx);
        }));
    }

    fn attempted(&mut self, mut attempt: Attempt, ctx: &mut Context<Self>) {
        for link in attempt.links {
            if self.stopping.is_some() {
                return;
            }
            // Its loss was told before anybody knew of the link.
            if !link.is_up() {
                attempt.error.get_or_insert_with(|| link.why_lost());
                continue;
            }
            self.slot(link.purpose).announce(link);
        }
        match attempt.error {
            Some(error) => {
                // The pause is for both.
                self.lost_meanwhile = None;
                if let Some(pause) = self.failed(&error, ctx) {
                    let now = self.now();
                    let outage = self.outage.summary();
                    let lasting = outage.as_ref().map(|o| now.saturating_since(o.since));
                    let what = if attempt.unready {
                        "the broker is there, but not what the queues need; trying again"
                    } else {
                        "no link to the broker; trying again"
                    };
                    self.log_attempt.log(|repeated| {
                        warn!(
                            event = "link_attempt_failed",
                            %error,
                            attempts = outage.map(|outage| outage.attempts),
                            lasting_ms = lasting.map(millis),
                            retry_in_ms = millis(pause),
                            gives_up_in_ms = self.outage.gives_up_in(now).map(millis),
                            repeated,
                            "{what}"
                        );
                    });
                    self.connect_later(pause, ctx);
                }
                self.show();
            }
            None => {
                self.look_whether_consuming();
                // One of them may have been lost while the other was dialled.
                match self.lost_meanwhile.take() {
                    Some(error) => self.went_meanwhile(&error, ctx),
                    None => self.connect(ctx),
                }
            }
        }
    }

    /// Tries again after a pause.
    pub(super) fn connect_later(&mut self, pause: Duration, ctx: &mut Context<Self>) {
        self.retry_timer = Some(ctx.run_later(pause, Self::connect));
    }
}

async fn connect(
    plan: Arc<Plan>,
    runtime: Handle,
    news: UnboundedSender<LinkNews>,
    missing: Vec<(Purpose, Epoch)>,
) -> Attempt {
    let mut links = Vec::new();
    for (purpose, epoch) in missing {
        match connect_one(&plan, &runtime, &news, purpose, epoch).await {
            Ok((link, Ok(()))) => links.push(link),
            Ok((link, Err(error))) => {
                let unready = link.is_up();
                let error = Some(error);
                return Attempt {
                    links,
                    error,
                    unready,
                };
            }
            Err(error) => {
                return Attempt {
                    links,
                    error: Some(error),
                    unready: false,
                };
            }
        }
    }
    Attempt {
        links,
        error: None,
        unready: false,
    }
}

/// So many queues are declared at the same time: the broker works on each in a channel of its own.
const DECLARES: usize = 8;

async fn connect_one(
    plan: &Plan,
    runtime: &Handle,
    news: &UnboundedSender<LinkNews>,
    purpose: Purpose,
    epoch: Epoch,
) -> Result<(Arc<Link>, Result<(), LinkError>), LinkError> {
    let name = plan.identity.link_name(purpose.as_str());
    let brokers = Brokers {
        urls: &plan.brokers,
        tls: &plan.tls,
    };
    let link = brokers.dial(&name, runtime, purpose, epoch).await?;
    // Watched from the first moment: what happens while the topology is declared counts as well.
    runtime.spawn(link.watch(news.clone()));
    let declared = match purpose {
        Purpose::Consume => declare(plan, &link).await,
        Purpose::Publish => Ok(()),
    };
    Ok((link, declared))
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
    // In order: the fault that is told is the first queue's that has one.
    let declared = stream::iter(declares).buffered(DECLARES);
    declared.try_collect::<()>().await
}
