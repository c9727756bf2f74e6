//! The task that owns a confirm channel, across all epochs of its link.

use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use garenne_core::publishing::{Broke, LinkSeen, Step};
use tokio::runtime::Handle;
use tracing::{debug, error, warn};

use super::driver::Driver;
use super::jobs::{Jobs, stopped};
use super::limits::Limits;
use super::opening::{Opened, close, open};
use super::replies::Replies;
use super::session::{End, Session};
use crate::link::{Link, LinkError, LinkWatch};
use crate::quiet::Quiet;

/// How soon to check a dead link again: it can be dead before its loss is announced.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Starts the owner task on the links' runtime.
pub(crate) fn start(runtime: &Handle, jobs: Jobs, links: LinkWatch, limits: Limits) {
    runtime.spawn(own(jobs, links, limits, None));
}

/// Starts the owner task of requests. It opens its channel for the first request, because few programs make
/// requests.
pub(super) fn start_requests(
    runtime: &Handle,
    jobs: Jobs,
    links: LinkWatch,
    limits: Limits,
    replies: Replies,
) {
    runtime.spawn(own(jobs, links, limits, Some(replies)));
}

/// The owner task. It ends when no sender is left.
pub(super) async fn own(jobs: Jobs, links: LinkWatch, limits: Limits, replies: Option<Replies>) {
    let mut owner = Owner {
        links,
        driver: Driver::new(jobs, limits),
        replies,
        log_lost: Quiet::default(),
    };
    if owner.replies.is_some() {
        let first = owner.driver.jobs.recv().await;
        owner.take(first);
    }
    // A bug here must not silence every publisher for the rest of the process: the senders of the messages
    // that the task had get the error that the result is unknown, and the task continues.
    while AssertUnwindSafe(owner.run()).catch_unwind().await.is_err() {
        error!(
            event = "publisher_panicked",
            "the publisher's task panicked and was started again"
        );
        owner.driver.reset();
    }
    owner.farewell();
}

struct Owner {
    links: LinkWatch,
    driver: Driver,
    /// Where replies go, if the task's messages are requests.
    replies: Option<Replies>,
    log_lost: Quiet,
}

impl Owner {
    /// Runs until no sender is left, or no more links are made.
    async fn run(&mut self) {
        while let Some(link) = self.next_link().await {
            let opening = link.while_up(open(&link, self.replies.is_some()));
            match self.meanwhile(opening).await {
                None => return,
                Some(Ok(opened)) => {
                    if self.publish_on(&link, opened).await.is_break() {
                        return;
                    }
                }
                Some(Err(error)) => {
                    debug!(%error, "cannot open the confirm channel");
                    let now = self.driver.clock.now();
                    self.driver.machine.not_opened(now);
                }
            }
        }
    }

    /// Publishes on a channel until it is lost or left; breaks when no sender is left.
    async fn publish_on(&mut self, link: &Arc<Link>, mut opened: Opened) -> ControlFlow<()> {
        let (port, driver) = (&mut opened.port, &mut self.driver);
        let mut session = Session::new(link, port, driver, self.replies.as_ref());
        match session.run().await {
            Ok(End::Finished) => return ControlFlow::Break(()),
            Ok(End::Refused { in_flight }) => {
                warn!(
                    event = "confirm_channel_renewed",
                    in_flight,
                    "the broker keeps refusing messages on a confirm channel; opening another one"
                );
                tokio::spawn(close(opened));
            }
            Err(error) => self.on_break(link, &error),
        }
        self.forget_replies();
        ControlFlow::Continue(())
    }

    fn on_break(&mut self, link: &Link, error: &LinkError) {
        let (now, text) = (self.driver.clock.now(), error.to_string());
        let how = Broke {
            code: error.code,
            text: &text,
            link_is_up: link.is_up(),
        };
        let seen = self.link_seen();
        let in_flight = self.driver.machine.broke(&how, seen, now);
        if how.link_is_up {
            self.log_lost.log(|repeated| {
                let error = &text;
                warn!(event = "confirm_channel_lost", in_flight, %error, repeated, "the confirm channel broke");
            });
        }
        while self.driver.next_step(now).is_some() {}
    }

    /// Waits for a link that is up, and until a channel may be opened on it. Meanwhile each message is held
    /// as long as it may wait.
    async fn next_link(&mut self) -> Option<Arc<Link>> {
        if let Some(opens_at) = self.driver.machine.opens_at() {
            let opens_at = self.driver.clock.instant(opens_at);
            self.meanwhile(tokio::time::sleep_until(opens_at.into()))
                .await?;
        }
        loop {
            let link = self.links.borrow_and_update().clone();
            if let Some(link) = link.filter(|link| link.is_up()) {
                return Some(link);
            }
            let mut links = self.links.clone();
            let change = async { tokio::time::timeout(LOOK_AGAIN, links.changed()).await };
            if let Ok(Err(_)) = self.meanwhile(change).await? {
                return None;
            }
        }
    }

    /// Awaits `work`; meanwhile takes messages in and answers those that have waited long enough. `None` when
    /// no sender is left.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = std::pin::pin!(work);
        loop {
            let now = self.driver.clock.now();
            let seen = self.link_seen();
            self.driver.machine.sees(seen, now);
            while let Some(step) = self.driver.next_step(now) {
                if matches!(step, Step::Finish) {
                    return None;
                }
            }
            let Driver {
                machine,
                jobs,
                is_open,
                timer,
                clock,
                ..
            } = &mut self.driver;
            tokio::select! {
                result = &mut work => return Some(result),
                job = jobs.recv(), if *is_open => self.take(job),
                () = timer.until(machine.wakes_at()) => machine.look(clock.now()),
            }
        }
    }

    /// Takes in a message while there is no channel.
    fn take(&mut self, job: Option<Box<super::Job>>) {
        let now = self.driver.clock.now();
        let seen = self.link_seen();
        self.driver.machine.sees(seen, now);
        self.driver.take(job, now);
    }

    fn link_seen(&self) -> LinkSeen {
        let link = self.links.borrow();
        match link.as_ref().filter(|link| link.is_up()) {
            None => LinkSeen::Down,
            Some(link) => LinkSeen::Up {
                blocked: link.blocked().borrow().clone(),
            },
        }
    }

    /// Replies to requests that were sent over a lost channel cannot come.
    fn forget_replies(&self) {
        if let Some(replies) = &self.replies {
            let held = self.driver.machine.backlog();
            let ids = held.filter_map(|job| job.properties.correlation_id.as_deref());
            replies.keep_only(&ids.collect());
        }
    }

    /// No more messages will be published: every waiting sender gets that error.
    fn farewell(self) {
        let Driver {
            machine,
            mut jobs,
            clock,
            ..
        } = self.driver;
        jobs.close();
        for (mut job, sent) in machine.into_unanswered(clock.now()) {
            job.answer(Err(stopped(sent)));
        }
        while let Ok(mut job) = jobs.try_recv() {
            job.answer(Err(stopped(false)));
        }
    }
}
