//! Links that are kept: dialled, announced, and dialled again whenever they are lost.
//!
//! A system keeps two links, a stand-alone publisher keeps one. Both own a [`Keeper`] and ask it for events.
//! [`Redial`] decides when to dial; it gets every failure and every loss. The owner decides what follows from
//! the keeper's end.

mod attempt;
mod kept;
mod losses;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use garenne_core::{Ended, GaveUp, Moment, Outage, Redial};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::time::Sleep;
use tracing::{info, warn};

use self::attempt::Attempt;
pub(crate) use self::kept::KeptLink;
use super::{Link, LinkError, LinkEvent, LinkNews, LinkWatch, Purpose};
use crate::quiet::Quiet;

/// The work over a new link before the link is announced: declarations.
pub(crate) type Prepare =
    Arc<dyn Fn(Arc<Link>) -> BoxFuture<'static, Result<(), LinkError>> + Send + Sync>;

/// Keeps links, until it is told to [stop dialling](Keeper::stop_dialling) or dropped.
///
/// It runs where its owner runs, which polls it for events; links and attempts live on their own runtime.
pub(crate) struct Keeper {
    links: Vec<KeptLink>,
    redial: Redial,
    /// At most one attempt runs at a time, for all missing links.
    work: Work,
    news: (UnboundedSender<LinkNews>, UnboundedReceiver<LinkNews>),
    happened: VecDeque<Happened>,
    /// Wakes the task that waits for events.
    waker: Option<Waker>,
    log_attempt: Quiet,
    origin: Instant,
}

/// The current work of the keeper.
enum Work {
    Nothing,
    /// The pause before the next attempt.
    Pause(Pin<Box<Sleep>>),
    Attempt {
        attempt: Attempt,
        /// The error that ended a link before its consumption was stable, while the other link was being
        /// made.
        lost_meanwhile: Option<LinkError>,
    },
    /// It dials no more.
    Ended,
}

/// An event for the owner.
#[derive(Debug)]
pub(crate) enum Happened {
    /// A link came or went, its broker blocks or takes messages again, or an attempt failed.
    Changed,
    /// Consumption is stable: an outage is over.
    Stable(Ended),
    /// The keeper dials no more: somebody must change the configuration first.
    Misconfigured(LinkError),
    /// The keeper dials no more: the outage window is over.
    GaveUp(GaveUp, LinkError),
}

impl Keeper {
    /// At first all links are missing, and nothing is dialled. The outage in `redial` begins now.
    pub(crate) fn new(links: Vec<KeptLink>, redial: impl FnOnce(Moment) -> Redial) -> Self {
        Self {
            links,
            redial: redial(Moment::default()),
            work: Work::Nothing,
            news: mpsc::unbounded_channel(),
            happened: VecDeque::new(),
            waker: None,
            log_attempt: Quiet::default(),
            origin: Instant::now(),
        }
    }

    /// Waits for the next event. The owner must always await it, because the keeper works inside this call.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Happened {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// See [`Keeper::next`].
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Happened> {
        self.waker = None;
        loop {
            if let Some(happened) = self.happened.pop_front() {
                return Poll::Ready(happened);
            }
            // This keeper holds the sender, so the news never end.
            if let Poll::Ready(Some(news)) = self.news.1.poll_recv(cx) {
                self.on_news(news);
                continue;
            }
            match &mut self.work {
                Work::Pause(pause) => {
                    if pause.as_mut().poll(cx).is_ready() {
                        self.dial();
                        continue;
                    }
                }
                Work::Attempt { attempt, .. } => {
                    if let Poll::Ready(brought) = attempt.poll(cx) {
                        self.on_attempt(brought);
                        continue;
                    }
                }
                Work::Nothing | Work::Ended => {}
            }
            self.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
    }

    /// Starts to make every missing link again, unless an attempt runs already.
    pub(crate) fn dial(&mut self) {
        if matches!(self.work, Work::Attempt { .. } | Work::Ended) {
            return;
        }
        let missing = self.links.iter_mut().filter_map(KeptLink::missing);
        self.work = match Attempt::start(missing.collect(), self.news.0.clone()) {
            Some(attempt) => Work::Attempt {
                attempt,
                lost_meanwhile: None,
            },
            None => Work::Nothing,
        };
        self.wake();
    }

    /// Links that are up stay up; a lost link is not made again.
    pub(crate) fn stop_dialling(&mut self) {
        self.work = Work::Ended;
    }

    /// Dials no more and withdraws the announced links, for the caller that closes them.
    pub(crate) fn take_links(&mut self) -> Vec<Arc<Link>> {
        self.stop_dialling();
        self.links.iter().filter_map(KeptLink::withdraw).collect()
    }

    /// The link of this purpose, while it is up.
    pub(crate) fn link(&self, purpose: Purpose) -> Option<Arc<Link>> {
        self.kept(purpose)?.link()
    }

    /// Watches the link of this purpose come and go.
    pub(crate) fn watch(&self, purpose: Purpose) -> Option<LinkWatch> {
        Some(self.kept(purpose)?.watch())
    }

    pub(crate) fn are_up(&self) -> bool {
        self.links.iter().all(|kept| kept.link().is_some())
    }

    /// The outage, read-only, and the current moment in it.
    pub(crate) fn outage(&self) -> (&Outage, Moment) {
        (self.redial.outage(), self.now())
    }

    /// The links are in use: consumption has begun.
    pub(crate) fn consuming(&mut self) {
        let now = self.now();
        self.redial.consuming(now);
    }

    /// The links have proved that they work.
    pub(crate) fn progress(&mut self) {
        let ended = self.redial.progress(self.now());
        self.stable(ended);
    }

    /// Lets time pass: links that have worked for long enough become stable.
    pub(crate) fn tick(&mut self) {
        let ended = self.redial.tick(self.now());
        self.stable(ended);
    }

    /// From now on the keeper never gives up.
    pub(crate) fn never_give_up(&mut self) {
        self.redial.never_give_up();
    }

    /// Something that works over the links is lost, but the links are not.
    pub(crate) fn lost(&mut self, error: &LinkError) {
        let now = self.now();
        let (ended, gave_up) = self.redial.lost(now, &error.to_string());
        self.stable(ended);
        self.tell(Happened::Changed);
        if let Some(gave_up) = gave_up {
            self.end(Happened::GaveUp(gave_up, error.clone()));
        }
    }

    /// The broker refuses a call over a link that works, and the caller tries again by itself. Returns false
    /// if the keeper dials no more, so the caller need not try again.
    pub(crate) fn refused(&mut self, error: &LinkError) -> bool {
        if matches!(self.work, Work::Ended) {
            return false;
        }
        let after = self.fail(Duration::ZERO, error);
        self.judge(after, error).is_some()
    }

    fn on_news(&mut self, news: LinkNews) {
        let kept = self.kept(news.purpose);
        if kept.is_none_or(|kept| kept.epoch != news.epoch) {
            return;
        }
        let purpose = news.purpose.as_str();
        match news.event {
            LinkEvent::Lost(error) => self.on_loss(news.purpose, &error),
            LinkEvent::Blocked(reason) => {
                warn!(
                    event = "link_blocked",
                    purpose,
                    %reason,
                    "the broker blocks publishers; retries and sends wait until its alarm clears"
                );
            }
            LinkEvent::Unblocked => {
                info!(
                    event = "link_unblocked",
                    purpose, "the broker takes messages again"
                );
            }
        }
        self.tell(Happened::Changed);
    }

    fn end(&mut self, why: Happened) {
        self.stop_dialling();
        self.tell(why);
    }

    fn stable(&mut self, ended: Option<Ended>) {
        if let Some(ended) = ended {
            for kept in &mut self.links {
                kept.was_stable = true;
            }
            self.tell(Happened::Stable(ended));
        }
    }

    fn tell(&mut self, happened: Happened) {
        self.happened.push_back(happened);
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn kept(&self, purpose: Purpose) -> Option<&KeptLink> {
        self.links.iter().find(|kept| kept.purpose == purpose)
    }

    fn kept_mut(&mut self, purpose: Purpose) -> Option<&mut KeptLink> {
        self.links.iter_mut().find(|kept| kept.purpose == purpose)
    }

    fn now(&self) -> Moment {
        Moment::from_origin(self.origin.elapsed())
    }
}
