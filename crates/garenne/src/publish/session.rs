//! A session on a confirm channel: it publishes messages and handles the broker's answers.

use std::sync::Arc;

use garenne_core::Moment;
use garenne_core::publishing::{MessageKey, Ready, Step};
use garenne_core::reader::Returned;
use garenne_core::wire::PropertyList;
use tokio::sync::watch;

use super::Job;
use super::driver::Driver;
use super::job::KeyMaker;
use super::replies::Replies;
use super::share::LinkShare;
use crate::link::{Incoming, Link, LinkError, Port};

/// A confirm channel, and the state machine that controls it.
pub(super) struct Session<'a> {
    port: &'a mut Port,
    driver: &'a mut Driver,
    /// Why the broker blocks the connection, while it does.
    blocked: watch::Receiver<Option<String>>,
    /// Where replies go, if the messages are requests.
    replies: Option<&'a Replies>,
    frame_max: usize,
    /// Memory for the properties of a message, which each message uses again.
    properties: Vec<u8>,
}

/// Why a session ended with its channel intact.
pub(super) enum End {
    /// No sender is left, and every message is confirmed.
    Finished,
    /// Another channel may take messages that this channel refuses. `in_flight` messages had no confirm yet.
    Refused { in_flight: usize },
}

/// An event that wakes the task.
enum Event {
    Incoming(Incoming),
    /// The broker blocks the connection, or no longer does.
    Alarm,
    Job(Option<Box<Job>>),
    Tick,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        link: &Arc<Link>,
        port: &'a mut Port,
        driver: &'a mut Driver,
        replies: Option<&'a Replies>,
    ) -> Self {
        let mut blocked = link.blocked();
        let reason = blocked.borrow_and_update().clone();
        let share = LinkShare::of(link, replies.cloned());
        driver.machine.opened(share, reason, driver.clock.now());
        Self {
            frame_max: port.writer().frame_max(),
            port,
            driver,
            blocked,
            replies,
            properties: Vec::new(),
        }
    }

    /// Publishes until the channel breaks (an error), the channel should be left, or no sender is left and
    /// every message is confirmed.
    pub(super) async fn run(&mut self) -> Result<End, LinkError> {
        let mut now = self.driver.clock.now();
        loop {
            // Checks for an alarm before it publishes: a message that was not handed over can still be
            // withdrawn.
            if self.blocked.has_changed().unwrap_or(false) {
                let reason = self.blocked.borrow_and_update().clone();
                self.driver.machine.blocked(reason, now);
            }
            if let Some(end) = self.act(now)? {
                return Ok(end);
            }
            let event = self.next_event().await;
            now = self.driver.clock.now();
            self.on_event(event, now)?;
        }
    }

    async fn next_event(&mut self) -> Event {
        let Driver {
            machine,
            jobs,
            is_open,
            timer,
            ..
        } = &mut *self.driver;
        tokio::select! {
            biased;
            next = self.port.next() => Event::Incoming(next),
            Ok(()) = self.blocked.changed() => Event::Alarm,
            job = jobs.recv(), if *is_open => Event::Job(job),
            () = timer.until(machine.wakes_at()) => Event::Tick,
        }
    }

    fn on_event(&mut self, event: Event, now: Moment) -> Result<(), LinkError> {
        match event {
            Event::Incoming(next) => {
                self.on_incoming(next, now)?;
                // Handles everything that has arrived before anything else.
                while let Some(next) = self.port.try_next() {
                    self.on_incoming(next, now)?;
                }
            }
            Event::Alarm => self.blocked.mark_changed(),
            Event::Job(job) => {
                self.driver.take(job, now);
                while let Ok(job) = self.driver.jobs.try_recv() {
                    self.driver.take(Some(job), now);
                }
            }
            Event::Tick => self.driver.machine.look(now),
        }
        Ok(())
    }

    fn on_incoming(&mut self, incoming: Incoming, now: Moment) -> Result<(), LinkError> {
        let machine = &mut self.driver.machine;
        match incoming {
            Incoming::Confirmed {
                tag,
                multiple,
                taken,
            } => machine.confirmed(tag, multiple, taken, now),
            Incoming::Returned(returned) => {
                let key = key_of(&returned, &self.driver.keys);
                machine.returned(key, returned.text);
            }
            Incoming::Message(reply) => {
                if let Some(replies) = self.replies {
                    replies.hand_out(reply);
                }
            }
            // Requests whose replies no longer come fail at their deadlines.
            Incoming::ConsumerEnded => {}
            Incoming::Closed(why) => return Err(why),
        }
        Ok(())
    }

    /// Does the steps of the machine. Returns why the channel is left, if it is.
    fn act(&mut self, now: Moment) -> Result<Option<End>, LinkError> {
        let mut has_published = false;
        let end = loop {
            match self.driver.next_step(now) {
                Some(Step::Publish(ready)) => has_published |= self.publish(ready, now),
                Some(Step::Renew { in_flight }) => break Ok(Some(End::Refused { in_flight })),
                Some(Step::Finish) => break Ok(Some(End::Finished)),
                Some(Step::GiveUp) => {
                    let why = LinkError::transient("too many confirms did not come");
                    break Err(why);
                }
                Some(Step::Answer(..) | Step::Tell { .. } | Step::Announce(_)) => {}
                None => break Ok(None),
            }
        };
        if has_published {
            self.port.writer().flush();
        }
        end
    }

    fn publish(&mut self, mut ready: Ready<Box<Job>>, now: Moment) -> bool {
        let max_message_size = self.driver.limits.max_message_size;
        if let Err(error) = ready.message().fits(self.frame_max, max_message_size) {
            ready.into_message().answer(Err(error));
            return false;
        }
        let message = ready.message().as_publish(&mut self.properties);
        if !self.port.writer().publish(message) {
            // The broker has closed the channel; its close is the next event.
            self.driver.machine.is_shut(ready);
            return false;
        }
        let is_again = ready.was_sent();
        ready.message_mut().starts(is_again);
        self.driver.machine.published(ready, now);
        true
    }
}

/// The key of a returned message.
fn key_of(returned: &Returned, keys: &KeyMaker) -> MessageKey {
    let id = PropertyList::new(returned.properties()).message_id();
    keys.of(
        id.unwrap_or_default(),
        returned.exchange(),
        returned.routing_key(),
    )
}
