//! A system inside of a program that has a runtime already: `#[tokio::main]`.

use std::future::{Future, pending};
use std::process::ExitCode;

use super::{System, SystemBuilder, SystemHandle, run};
use crate::logging;

impl SystemBuilder {
    /// Like [`run`](Self::run), for programs in `#[tokio::main]`: it listens to SIGTERM and SIGINT, drains,
    /// sets up logging unless the program has done it already, and prints why it stopped.
    ///
    /// ```no_run
    /// use garenne::prelude::*;
    ///
    /// # async fn charge(_: Delivery<Text>) -> Result<(), Failure> { Ok(()) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::process::ExitCode {
    /// SystemBuilder::from_env().consume_fn(Queue::quorum("orders"), charge).run_async().await
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the system is asked to stop, without waiting for it.
    pub async fn run_async(self) -> ExitCode {
        self.run_async_until(|_| pending()).await
    }

    /// Like [`run_async`](Self::run_async), with work of the program's own beside the system, for example
    /// an HTTP server that answers probes. When the future of `beside` ends, the system is asked to stop.
    /// Otherwise that future goes on while the system drains, and is dropped when the system has stopped.
    ///
    /// `beside` is not called when the configuration is faulty.
    ///
    /// # Cancel safety
    ///
    /// As [`run_async`](Self::run_async).
    pub async fn run_async_until<F>(self, beside: impl FnOnce(SystemHandle) -> F) -> ExitCode
    where
        F: Future<Output = ()>,
    {
        logging::init();
        match self.build() {
            Ok(system) => system.run_async_until(beside).await,
            Err(error) => run::refuse(&error),
        }
    }
}

impl System {
    /// Like [`SystemBuilder::run_async`].
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the system is asked to stop, without waiting for it.
    pub async fn run_async(self) -> ExitCode {
        self.run_async_until(|_| pending()).await
    }

    /// Like [`SystemBuilder::run_async_until`].
    ///
    /// # Cancel safety
    ///
    /// As [`run_async`](Self::run_async).
    pub async fn run_async_until<F>(self, beside: impl FnOnce(SystemHandle) -> F) -> ExitCode
    where
        F: Future<Output = ()>,
    {
        logging::init();
        let handle = match run::start(self, run::Signals::Listen) {
            Ok(handle) => handle,
            Err(reason) => return run::farewell(&reason),
        };
        let left = Left(handle.clone());
        let beside = async {
            beside(handle.clone()).await;
            handle.stop();
            pending().await
        };
        let reason = tokio::select! {
            reason = handle.stopped() => reason,
            never = beside => never,
        };
        drop(left);
        run::farewell(&reason)
    }
}

/// Stops the system when the future is dropped: nothing listens to signals for it any more.
struct Left(SystemHandle);

impl Drop for Left {
    fn drop(&mut self) {
        self.0.stop();
    }
}
