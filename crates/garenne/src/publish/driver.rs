//! The driver between a publisher's task and its state machine.

use garenne_core::Moment;
use garenne_core::publishing::{Conditions, Gate, Publishing, Step};
use tokio::sync::{mpsc, watch};

use super::Job;
use super::clock::{Clock, Timer};
use super::job::KeyMaker;
use super::jobs::Jobs;
use super::limits::Limits;
use super::share::LinkShare;

pub(super) type Machine = Publishing<Box<Job>, LinkShare>;

/// Drives the state machine that decides for all channels of an owner task: it passes messages in, and
/// answers them as the machine decides.
pub(super) struct Driver {
    pub(super) machine: Machine,
    pub(super) jobs: mpsc::UnboundedReceiver<Box<Job>>,
    /// Whether any sender is left.
    pub(super) is_open: bool,
    pub(super) clock: Clock,
    pub(super) timer: Timer,
    pub(super) keys: KeyMaker,
    pub(super) limits: Limits,
    gate: watch::Sender<Gate>,
}

impl Driver {
    pub(super) fn new(jobs: Jobs, limits: Limits) -> Self {
        let Jobs {
            waiting,
            gate,
            clock,
        } = jobs;
        Self {
            machine: Publishing::new(limits.confirm_timeout),
            jobs: waiting,
            is_open: true,
            clock,
            timer: Timer::new(clock),
            keys: KeyMaker::default(),
            limits,
            gate,
        }
    }

    /// Starts a new machine. Senders of messages in the old machine get the error that the result is unknown.
    pub(super) fn reset(&mut self) {
        self.machine = Publishing::new(self.limits.confirm_timeout);
        self.is_open = true;
        // The new machine assumes an open gate.
        self.gate.send_replace(Gate::Open);
    }

    /// Takes in a message; `None`: no sender is left.
    pub(super) fn take(&mut self, job: Option<Box<Job>>, now: Moment) {
        let Some(job) = job else {
            self.is_open = false;
            return self.machine.close();
        };
        let conditions = Conditions {
            key: self.keys.of_job(&job),
            wait: self.clock.outage_wait(job.patience),
            since: self.clock.moment(job.since),
        };
        self.machine.take(job, conditions, now);
    }

    /// The next step that is more than an answer or an announcement; those are done here.
    pub(super) fn next_step(&mut self, now: Moment) -> Option<Step<Box<Job>>> {
        let confirm_timeout = self.limits.confirm_timeout;
        loop {
            match self.machine.next_step(now)? {
                Step::Answer(mut job, answer) => {
                    let result = job.result(answer, confirm_timeout);
                    job.answer(result);
                }
                Step::Tell { number, answer } => {
                    if let Some(job) = self.machine.in_flight_mut(number) {
                        let result = job.result(answer, confirm_timeout);
                        job.answer_in_flight(result);
                    }
                }
                Step::Announce(gate) => {
                    self.gate.send_replace(gate);
                }
                step => return Some(step),
            }
        }
    }
}
