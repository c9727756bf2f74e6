//! The supervisor's state, and what it does when something happens.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, AsyncContext, Context, Handler, Message, SpawnHandle, StreamHandler};
use garenne_core::alert::OutageAlarm;
use garenne_core::{
    Backoff, Ended, Epoch, Moment, Outage, OutageWindow, RestartLimit, STABLE_AFTER, StopReason,
    Topology,
};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use super::loss::at_once;
use super::words::{millis, starting};
use super::workers::{Registration, WorkerSlot, WorkerThread};
use super::zombie::Sight;
use crate::alert::{Desk, Tellers};
use crate::consumer::{Mode, Replies, WorkerId};
use crate::identity::Identity;
use crate::link::{BrokerUrl, Link, LinkError, LinkEvent, LinkNews, Purpose, Tls};
use crate::publish::{ConfirmChannel, Limits, Publisher};
use crate::quiet::Quiet;
use crate::resources::no_thread;
use crate::sink::Sinks;
use crate::status::{Board, LinkState, OutageStatus, Phase};

/// How often the supervisor looks around.
const TICK: Duration = Duration::from_secs(1);

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
    /// What is declared besides those.
    pub(crate) topology: Topology,
    pub(crate) sinks: Sinks,
    /// How long an outage lasts before people are told.
    pub(crate) outage_alert_after: Duration,
}

/// One of the two links, as the supervisor holds it.
pub(super) struct Slot {
    pub(super) epoch: Epoch,
    pub(super) announce: watch::Sender<Option<Arc<Link>>>,
    /// Consumption was stable with this incarnation.
    pub(super) was_stable: bool,
    log_up: Quiet,
    pub(super) log_lost: Quiet,
}

impl Slot {
    fn new(announce: watch::Sender<Option<Arc<Link>>>) -> Self {
        Self {
            epoch: Epoch(0),
            announce,
            was_stable: false,
            log_up: Quiet::default(),
            log_lost: Quiet::default(),
        }
    }

    /// A new incarnation is up.
    pub(super) fn announce(&mut self, link: Arc<Link>) {
        let purpose = link.purpose.as_str();
        self.log_up.log(|repeated| {
            info!(event = "link_up", purpose, epoch = link.epoch.0, broker = %link.broker, repeated, "the {purpose} link is up");
        });
        link.warn_without_heartbeat();
        self.epoch = link.epoch;
        self.was_stable = false;
        self.announce.send_replace(Some(link));
    }

    pub(super) fn link(&self) -> Option<Arc<Link>> {
        self.announce.borrow().clone()
    }
}

/// Owns both links. Its children follow the links that it announces; whatever is lost, it tries to
/// get back within the outage window, and past it ends the system with a reason.
pub(crate) struct ConnectionSupervisor {
    pub(super) plan: Arc<Plan>,
    /// The links' own runtime: no handler can starve a heartbeat.
    pub(super) runtime: Handle,
    pub(super) board: Arc<Board>,
    pub(super) consume: Slot,
    pub(super) publish: Slot,
    pub(super) outage: Outage,
    alarm: OutageAlarm,
    pub(super) desk: Desk,
    pub(super) tellers: Tellers,
    pub(super) backoff: Backoff,
    pub(super) connecting: bool,
    /// What took a link away, before consumption was stable with it, while the other was being made.
    pub(super) lost_meanwhile: Option<LinkError>,
    pub(super) retry_timer: Option<SpawnHandle>,
    pub(super) at_once: RestartLimit,
    pub(super) log_attempt: Quiet,
    log_ended: Quiet,
    pub(super) workers: BTreeMap<WorkerId, WorkerSlot>,
    pub(super) threads: Vec<WorkerThread>,
    pub(super) mode: watch::Sender<Mode>,
    pub(super) stopping: Option<StopReason>,
    pub(super) finishing: bool,
    /// How long the alerts may still speak when the system ends; not at all without a time.
    pub(super) last_words: Option<Instant>,
    pub(super) stopped: watch::Sender<Option<StopReason>>,
    pub(super) news: mpsc::UnboundedSender<LinkNews>,
    news_in: Option<mpsc::UnboundedReceiver<LinkNews>>,
    /// The channel that parked messages go through.
    pub(super) parked: ConfirmChannel,
    /// The user's own.
    pub(super) publisher: Publisher,
    pub(super) last_watch: Instant,
    pub(super) sights: HashMap<usize, Sight>,
    origin: Instant,
}

impl ConnectionSupervisor {
    /// `publish` announces the publish link, to the user's own publisher as well.
    pub(crate) fn new(
        plan: Arc<Plan>,
        runtime: Handle,
        board: Arc<Board>,
        publish: watch::Sender<Option<Arc<Link>>>,
        publisher: Publisher,
        (desk, tellers): (Desk, Tellers),
        stopped: watch::Sender<Option<StopReason>>,
    ) -> Self {
        let (news, news_in) = mpsc::unbounded_channel();
        let (parked, jobs) = crate::publish::channel();
        crate::publish::start(&runtime, jobs, publish.subscribe(), plan.limits);
        Self {
            outage: Outage::starting(plan.window, STABLE_AFTER, Moment::default()),
            alarm: OutageAlarm::new(plan.outage_alert_after),
            desk,
            tellers,
            plan,
            runtime,
            board,
            consume: Slot::new(watch::Sender::new(None)),
            publish: Slot::new(publish),
            backoff: Backoff::default(),
            connecting: false,
            lost_meanwhile: None,
            retry_timer: None,
            at_once: at_once(),
            log_attempt: Quiet::default(),
            log_ended: Quiet::default(),
            workers: BTreeMap::new(),
            threads: Vec::new(),
            mode: watch::Sender::new(Mode::Run),
            stopping: None,
            finishing: false,
            last_words: None,
            stopped,
            news,
            news_in: Some(news_in),
            parked,
            publisher,
            last_watch: Instant::now(),
            sights: HashMap::new(),
            origin: Instant::now(),
        }
    }

    pub(super) fn now(&self) -> Moment {
        Moment::from_origin(self.origin.elapsed())
    }

    pub(super) fn slot(&mut self, purpose: Purpose) -> &mut Slot {
        match purpose {
            Purpose::Consume => &mut self.consume,
            Purpose::Publish => &mut self.publish,
        }
    }

    /// A link or a worker is lost: opens an outage, or adds to the one that is going on.
    pub(super) fn lost(&mut self, reason: &str, ctx: &mut Context<Self>) {
        let now = self.now();
        if let Some(ended) = self.outage.lost(now, reason) {
            self.on_stable(&ended);
        }
        if let Some(gave_up) = self.outage.verdict(now) {
            self.stop(StopReason::GaveUp(gave_up), ctx);
        }
        self.show();
    }

    /// With both links up and every worker subscribed, consumption is provisional.
    pub(super) fn look_whether_consuming(&mut self) {
        if self.is_consuming() {
            self.outage.consuming(self.now());
            self.show();
        }
    }

    pub(super) fn is_consuming(&self) -> bool {
        let epoch = self.consume.link().map(|link| link.epoch);
        epoch.is_some()
            && self.publish.link().is_some()
            && self
                .workers
                .values()
                .all(|worker| worker.consuming == epoch)
    }

    pub(super) fn on_stable(&mut self, ended: &Ended) {
        self.backoff.reset();
        self.consume.was_stable = true;
        self.publish.was_stable = true;
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

    /// Writes the state down for whoever asks.
    pub(super) fn show(&self) {
        let now = self.now();
        let phase = match (&self.stopping, self.outage.phase()) {
            (Some(_), _) => Phase::Stopping,
            (None, garenne_core::Phase::Down { .. }) if self.outage.had_started() => Phase::Outage,
            (None, garenne_core::Phase::Down { .. }) => Phase::Starting,
            (None, _) => Phase::Consuming,
        };
        let outage = self.outage.summary().map(|summary| OutageStatus {
            lasting: now.saturating_since(summary.since),
            attempts: summary.attempts,
            last_error: summary.last_error,
        });
        let state = |slot: &Slot| LinkState::of(slot.link().as_deref());
        let (consume, publish) = (state(&self.consume), state(&self.publish));
        self.board.update(|status| {
            *status = crate::status::Status {
                phase,
                consume,
                publish,
                outage,
                ..crate::status::Status::default()
            };
        });
    }

    fn tick(&mut self, ctx: &mut Context<Self>) {
        if self.stopping.is_some() {
            return;
        }
        if let Some(ended) = self.outage.tick(self.now()) {
            self.on_stable(&ended);
        }
        if let Some(news) = self.alarm.look(&self.outage, self.now()) {
            self.desk.tell(&news);
        }
        self.watch_children(ctx);
        self.watch_for_zombies(ctx);
        self.show();
    }
}

impl Actor for ConnectionSupervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if let Some(mut news) = self.news_in.take() {
            ctx.add_stream(futures_util::stream::poll_fn(move |cx| news.poll_recv(cx)));
        }
        starting(&self.plan);
        if let Err(error) = self.start_children(ctx) {
            let why = no_thread("the threads of workers", &error);
            return self.stop(StopReason::Internal(why), ctx);
        }
        ctx.run_interval(TICK, Self::tick);
        self.connect(ctx);
    }
}

impl StreamHandler<LinkNews> for ConnectionSupervisor {
    fn handle(&mut self, news: LinkNews, ctx: &mut Self::Context) {
        if self.slot(news.purpose).epoch != news.epoch {
            return;
        }
        let purpose = news.purpose.as_str();
        match news.event {
            LinkEvent::Lost(error) => self.link_lost(news.purpose, &error, ctx),
            LinkEvent::Blocked(reason) => {
                warn!(event = "link_blocked", purpose, %reason, "the broker blocks publishers; retries and sends wait until its alarm clears");
                self.show();
            }
            LinkEvent::Unblocked => {
                info!(
                    event = "link_unblocked",
                    purpose, "the broker takes messages again"
                );
                self.show();
            }
        }
    }

    /// The sender is our own: the stream does not end before we do.
    fn finished(&mut self, _: &mut Self::Context) {}
}

/// Ends the system: drain, then exit. The first reason counts.
pub(crate) struct Stop(pub(crate) StopReason);

impl Message for Stop {
    type Result = ();
}

impl Handler<Stop> for ConnectionSupervisor {
    type Result = ();

    fn handle(&mut self, Stop(reason): Stop, ctx: &mut Self::Context) {
        self.stop(reason, ctx);
    }
}

/// Ends the system without waiting for anything.
pub(crate) struct StopNow;

impl Message for StopNow {
    type Result = ();
}

impl Handler<StopNow> for ConnectionSupervisor {
    type Result = ();

    fn handle(&mut self, _: StopNow, ctx: &mut Self::Context) {
        self.stop(StopReason::Requested, ctx);
        self.last_words = None;
        self.abandon(ctx);
    }
}
