//! Turns a builder into a system, if the system can work; and the ways to run it.

use std::process::ExitCode;
use std::sync::Arc;

use garenne_core::{Fault, PREFETCH, StopReason, WORKERS};
use tokio::sync::watch;

use super::{SystemBuilder, SystemHandle, run};
use crate::alert::AlertSetup;
use crate::build_error::BuildError;
use crate::consumer::{Recall, Settings};
use crate::environment::host_name;
use crate::identity::Identity;
use crate::link::Link;
use crate::logging;
use crate::publish::{Limits, Publisher, Tasks};
use crate::quiet::QueueLog;
use crate::status::QueueCounters;
use crate::supervisor::{Plan, Registration};

/// A system that can work, as far as garenne can know that without a broker.
#[must_use = "a system does nothing until it is run or started"]
pub struct System {
    pub(super) plan: Plan,
    pub(super) publisher: Publisher,
    pub(super) tasks: Tasks,
    pub(super) alerts: Vec<AlertSetup>,
    /// Notes about the environment, for the log.
    pub(super) strange: Vec<String>,
    /// Where the publish link is announced.
    pub(super) publish: watch::Sender<Option<Arc<Link>>>,
}

impl SystemBuilder {
    /// Checks everything.
    ///
    /// # Errors
    ///
    /// [`BuildError`] with *all* faults.
    pub fn build(mut self) -> Result<System, BuildError> {
        let mut faults = std::mem::take(&mut self.faults);
        faults.extend(self.faults_of_the_whole());
        let mut names = std::collections::HashSet::new();
        let mut registrations = Vec::new();
        for (queue, start) in self.queues {
            let queue = queue.or_defaults(self.prefetch, self.workers);
            faults.extend(queue.faults());
            if !names.insert(queue.name().to_owned()) {
                faults.push(Fault::new(
                    "queue",
                    queue.name(),
                    "each queue once; give it more workers instead",
                ));
            }
            let prefetch = queue.prefetch.unwrap_or(PREFETCH);
            let workers = queue.workers.unwrap_or(WORKERS);
            registrations.push(Registration {
                settings: Settings {
                    prefetch,
                    concurrency: queue.concurrency.unwrap_or(prefetch),
                    deadline: queue.deadline,
                },
                workers,
                counters: Arc::new(QueueCounters::default()),
                recall: Arc::new(Recall::default()),
                log: Arc::new(QueueLog::new(workers)),
                sharing: Arc::default(),
                queue: Arc::new(queue),
                start,
            });
        }
        if !faults.is_empty() {
            return Err(BuildError { faults });
        }
        self.publisher.set_patience(self.confirm_timeout);
        Ok(System {
            publisher: self.publisher,
            tasks: self.tasks,
            alerts: self.alerts,
            strange: self.strange,
            publish: self.publish,
            plan: Plan {
                brokers: self.brokers,
                tls: self.tls,
                window: self.window,
                drain_deadline: self.drain_deadline,
                limits: Limits::new(self.confirm_timeout),
                identity: Arc::new(Identity {
                    service: self.service,
                    host: host_name(),
                    version: self.version,
                }),
                queues: registrations,
                topology: self.topology,
                sinks: self.sinks,
                replies: Arc::new(self.replies),
                outage_alert_after: self.outage_alert_after,
            },
        })
    }
}

impl System {
    /// Like [`SystemBuilder::run`](crate::SystemBuilder::run).
    pub fn run(self) -> ExitCode {
        self.run_until(std::future::pending())
    }

    /// Like [`SystemBuilder::run_until`](crate::SystemBuilder::run_until).
    pub fn run_until(self, stop: impl Future<Output = ()> + Send + 'static) -> ExitCode {
        logging::init();
        match run::start(self, run::Signals::Listen) {
            Ok(handle) => {
                let reason = run::block_until_stopped(&handle, stop);
                run::farewell(&reason)
            }
            Err(reason) => run::farewell(&reason),
        }
    }

    /// Starts the system on threads of its own and returns at once: for tests, and for programs that have a
    /// main loop of their own. The program must handle signals itself: a program that does not listen to
    /// them dies at the first signal, and so do the messages in hand. A program in `#[tokio::main]` that
    /// only does some work beside its system uses [`run_async_until`](Self::run_async_until).
    ///
    /// # Errors
    ///
    /// [`StopReason::Internal`] when a thread or a runtime cannot be made.
    pub fn start(self) -> Result<SystemHandle, StopReason> {
        run::start(self, run::Signals::Leave)
    }
}
