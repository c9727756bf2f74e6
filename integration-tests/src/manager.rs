//! A process manager in miniature: what dies is started again.

use std::sync::Arc;
use std::time::Duration;

use garenne_testing::eventually;

use crate::service::{Service, ServiceOptions};
use crate::transcript::{Event, Transcript};

/// Keeps an `order-service` running, as supervisord, systemd or Kubernetes would.
#[derive(Debug)]
pub struct Manager {
    options: ServiceOptions,
    service: Service,
    transcript: Arc<Transcript>,
    exits: Vec<Option<i32>>,
}

impl Manager {
    /// Starts the service.
    #[must_use]
    pub fn start(options: ServiceOptions) -> Self {
        let transcript = Arc::new(Transcript::default());
        let service = options.clone().start_into(&transcript);
        Self {
            options,
            service,
            transcript,
            exits: Vec::new(),
        }
    }

    /// Starts the service again, at once, whenever it dies, until `condition` holds.
    ///
    /// # Panics
    ///
    /// When the deadline passes.
    #[track_caller]
    pub fn run_until(
        &mut self,
        deadline: Duration,
        what: &str,
        mut condition: impl AsyncFnMut(&Transcript) -> Result<(), String>,
    ) -> impl Future<Output = ()> {
        eventually(deadline, what, async move || {
            self.restart_if_ended(deadline).await;
            condition(&self.transcript)
                .await
                .map_err(|state| format!("{state}; exits so far: {:?}", self.exits))
        })
    }

    /// Waits until an incarnation runs that nothing is about to kill: one that consumes.
    ///
    /// # Panics
    ///
    /// When none does before the deadline.
    pub async fn lives(&mut self) {
        let deadline = Duration::from_secs(60);
        eventually(deadline, "an incarnation lives", async || {
            self.restart_if_ended(deadline).await;
            let consuming = |line: &&String| line.contains("event=\"consuming\"");
            // Every incarnation says so once it is subscribed.
            let said = self.transcript.stderr().iter().filter(consuming).count();
            let deaths = self.exits.len();
            if said > deaths {
                Ok(())
            } else {
                Err(format!("{said} subscribed, {deaths} died"))
            }
        })
        .await;
    }

    async fn restart_if_ended(&mut self, deadline: Duration) {
        if self.service.has_ended() {
            let code = self.service.ends(deadline).await;
            self.exits.push(code);
            self.service = self.options.clone().start_into(&self.transcript);
        }
    }

    /// How the incarnations ended so far: exit codes, `None` for a signal.
    #[must_use]
    pub fn exits(&self) -> &[Option<i32>] {
        &self.exits
    }

    /// What all incarnations said.
    #[must_use]
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// Looks at the events of all incarnations.
    pub fn events<T>(&self, look: impl FnOnce(&[Event]) -> T) -> T {
        self.transcript.events(look)
    }

    /// The incarnation that runs now, to be stopped.
    pub fn service(&mut self) -> &mut Service {
        &mut self.service
    }
}
