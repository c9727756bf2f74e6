//! SIGINT and SIGTERM: the first one stops cleanly, the second at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// What shells report for a program that SIGINT ended.
const INTERRUPTED: i32 = 130;

/// Whether somebody asked the command to stop.
#[derive(Clone)]
pub(crate) struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Listens from now on.
    pub(crate) fn listen() -> Self {
        let (asked, seen) = watch::channel(false);
        let interrupt = signal(SignalKind::interrupt());
        let terminate = signal(SignalKind::terminate());
        if let (Ok(mut interrupt), Ok(mut terminate)) = (interrupt, terminate) {
            tokio::spawn(async move {
                let mut next = async || {
                    tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
                };
                next().await;
                asked.send_replace(true);
                next().await;
                std::process::exit(INTERRUPTED);
            });
        }
        Self(seen)
    }

    /// Whether it was asked for.
    pub(crate) fn is_asked(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is asked for.
    pub(crate) async fn asked(mut self) {
        if self.0.wait_for(|asked| *asked).await.is_err() {
            // Without signals nobody can ask.
            std::future::pending::<()>().await;
        }
    }
}
