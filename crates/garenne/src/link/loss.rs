//! The loss of a link, and its effect on work over the link.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::LinkError;

const LOST_MEANWHILE: &str = "the link was lost meanwhile";

/// How long to wait for the reason of a loss that lapin has noticed first.
const WHY_PATIENCE: Duration = Duration::from_secs(2);

/// A future loss of a link, to wait for.
#[derive(Clone)]
pub(crate) struct Loss(watch::Receiver<Option<LinkError>>);

impl Loss {
    pub(super) fn new(ended: watch::Receiver<Option<LinkError>>) -> Self {
        Self(ended)
    }

    /// Waits for the loss. Returns why the link is gone.
    pub(crate) async fn happened(&mut self) -> LinkError {
        match self.0.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(why)) => why.clone(),
            // A link that is dropped is lost too.
            Ok(None) | Err(_) => LinkError::transient("the link was closed"),
        }
    }

    /// Awaits work over the link, for as long as the link is up.
    ///
    /// lapin gives no answer to a call that is made while it takes the connection down. Without this function
    /// the call would wait for its whole deadline, although a new link may long be up.
    pub(crate) async fn or<T>(
        mut self,
        work: impl Future<Output = Result<T, LinkError>>,
    ) -> Result<T, LinkError> {
        let result = tokio::select! {
            biased;
            result = work => result,
            why = self.happened() => return Err(why.while_doing(LOST_MEANWHILE)),
        };
        match result {
            // lapin has noticed the end before the link's own task, which knows why.
            Err(echo) if echo.is_echo() => match timeout(WHY_PATIENCE, self.happened()).await {
                Ok(why) => Err(why.while_doing(LOST_MEANWHILE)),
                Err(_) => Err(echo),
            },
            result => result,
        }
    }
}

#[cfg(test)]
mod tests;
