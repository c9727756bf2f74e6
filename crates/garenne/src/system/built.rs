//! A validated system, and the ways to run it.

use std::process::ExitCode;
use std::sync::Arc;

use garenne_core::StopReason;
use tokio::sync::watch;

use super::{SystemHandle, run};
use crate::alert::AlertSetup;
use crate::link::Link;
use crate::logging;
use crate::publish::{Publisher, Tasks};
use crate::supervisor::Plan;

/// A system that can work, as far as that can be known without a broker.
#[must_use = "a system does nothing until it is run or started"]
pub struct System {
    pub(super) plan: Plan,
    pub(super) publisher: Publisher,
    pub(super) tasks: Tasks,
    pub(super) alerts: Vec<AlertSetup>,
    /// What is to be said about the environment.
    pub(super) strange: Vec<String>,
    /// Where the publish link is announced.
    pub(super) publish: watch::Sender<Option<Arc<Link>>>,
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

    /// Starts the system on threads of its own and returns at once: for tests, and for programs
    /// that have a main loop and ways of their own. Signals are left to the program: one that does not
    /// listen to them dies of the first, and whatever is in hand with it. A program in `#[tokio::main]`
    /// that only has something to do beside its system uses [`run_async_until`](Self::run_async_until).
    ///
    /// # Errors
    ///
    /// [`StopReason::Internal`] when a thread or a runtime cannot be made.
    pub fn start(self) -> Result<SystemHandle, StopReason> {
        run::start(self, run::Signals::Leave)
    }
}
