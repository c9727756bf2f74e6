//! `order-service` as a child process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use garenne_testing::{ProcessGroup, Signal, eventually};

use crate::program::Program;
use crate::transcript::{Event, Transcript};

/// How long anything may take that ought to happen soon: a slow machine must not fail a test.
const SOON: Duration = Duration::from_secs(60);

/// How an `order-service` is started.
#[derive(Clone, Debug)]
pub struct ServiceOptions {
    program: Program,
}

impl ServiceOptions {
    /// Consumes from this queue.
    #[must_use]
    pub fn queue(self, name: &str) -> Self {
        self.env("ORDERS_QUEUE", name)
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.program = self.program.env(name, value);
        self
    }

    /// How many files and sockets it may have open.
    #[must_use]
    pub fn open_files(mut self, most: u32) -> Self {
        self.program = self.program.open_files(most);
        self
    }

    /// Starts it.
    #[must_use]
    pub fn start(self) -> Service {
        self.start_into(&Arc::new(Transcript::default()))
    }

    /// Starts it; what it says follows what earlier incarnations said.
    pub(crate) fn start_into(self, transcript: &Arc<Transcript>) -> Service {
        let group = self.program.start(transcript);
        Service {
            group,
            transcript: Arc::clone(transcript),
            started: Instant::now(),
        }
    }
}

/// A running `order-service`; killed when dropped.
#[derive(Debug)]
pub struct Service {
    group: ProcessGroup,
    transcript: Arc<Transcript>,
    started: Instant,
}

impl Service {
    /// A service for the brokers in `amqp_url`, with logs at `info`.
    #[must_use]
    pub fn on(amqp_url: impl Into<String>) -> ServiceOptions {
        let program = Program::named("order-service")
            .env("AMQP_URL", amqp_url)
            .env("RUST_LOG", "info");
        ServiceOptions { program }
    }

    /// What it said so far.
    #[must_use]
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.group.pid()
    }

    /// How long ago it was started.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Waits until `condition` holds for its events.
    ///
    /// # Panics
    ///
    /// When that has not happened after a minute, or the service has ended before.
    #[track_caller]
    pub fn wait_for(
        &mut self,
        what: &str,
        condition: impl Fn(&[Event]) -> bool,
    ) -> impl Future<Output = ()> {
        self.wait_within(SOON, what, condition)
    }

    /// The same with a deadline of its own.
    ///
    /// # Panics
    ///
    /// When it passes, or the service has ended before.
    #[track_caller]
    pub fn wait_within(
        &mut self,
        deadline: Duration,
        what: &str,
        condition: impl Fn(&[Event]) -> bool,
    ) -> impl Future<Output = ()> {
        eventually(deadline, what, async move || {
            // Asked before the events are looked at: what it said last counts.
            let ended = self.group.exit();
            if let Some(status) = ended {
                self.transcript.complete(SOON).await;
                if !self.transcript.events(&condition) {
                    panic!(
                        "before {what}: order-service ended: {status}\n{}",
                        self.transcript.tail()
                    );
                }
                return Ok(());
            }
            let holds = self.transcript.events(&condition);
            if holds {
                Ok(())
            } else {
                Err(self.transcript.tail())
            }
        })
    }

    /// Waits until stderr says `text`, in any case.
    #[track_caller]
    pub fn wait_for_log(&mut self, text: &str) -> impl Future<Output = ()> {
        eventually(SOON, text, async move || {
            let said = self.transcript.stderr_says(text);
            if said {
                Ok(())
            } else {
                Err(self.transcript.tail())
            }
        })
    }

    /// Fails the test if it does not run any more.
    ///
    /// # Panics
    ///
    /// Then, with its last words.
    #[track_caller]
    pub fn assert_lives(&mut self) {
        if let Some(status) = self.group.exit() {
            panic!("order-service ended: {status}\n{}", self.transcript.tail());
        }
    }

    /// Sends it a signal.
    pub fn signal(&mut self, signal: Signal) {
        self.group.signal(signal);
    }

    /// Waits until it ends, and gives its exit code.
    ///
    /// # Panics
    ///
    /// When it does not end before the deadline, or a signal ended it.
    pub async fn exit_code(&mut self, deadline: Duration) -> i32 {
        self.ends(deadline)
            .await
            .unwrap_or_else(|| panic!("a signal ended order-service\n{}", self.transcript.tail()))
    }

    /// Waits until it ends in any way; `None` is a signal's death.
    ///
    /// # Panics
    ///
    /// When it does not end before the deadline.
    pub async fn ends(&mut self, deadline: Duration) -> Option<i32> {
        let ended = eventually(deadline, "order-service ends", async || {
            let tail = || format!("it runs; {}", self.transcript.tail());
            self.group.exit().ok_or_else(tail)
        });
        let status = ended.await;
        self.transcript.complete(SOON).await;
        status.code()
    }

    /// Asks it to stop and expects that it does so with exit code 0.
    ///
    /// # Panics
    ///
    /// When it does anything else.
    pub async fn stop(&mut self) {
        self.signal(Signal::TERM);
        let code = self.exit_code(SOON).await;
        assert_eq!(
            code,
            0,
            "exit code after SIGTERM\n{}",
            self.transcript.tail()
        );
    }

    /// Whether it has ended, without waiting.
    #[must_use]
    pub fn has_ended(&mut self) -> bool {
        self.group.exit().is_some()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("order-service {}: {}", self.pid(), self.transcript.tail());
        }
    }
}
