//! The actor that calls a webhook.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use garenne::prelude::*;
use tracing::dispatcher::{Dispatch, with_default};
use ureq::Agent;
use ureq::http::HeaderMap;

use super::answer::{Answer, judge};
use super::body::request;
use super::http::{agent, post};
use super::kind::Kind;
use super::secret::Secrets;

/// Everything that a webhook was made with.
pub(super) struct Target {
    pub(super) kind: Kind,
    pub(super) url: String,
    pub(super) encrypted: bool,
    pub(super) secret: String,
    pub(super) prefix: String,
    pub(super) headers: HeaderMap,
    pub(super) timeout: Duration,
    pub(super) secrets: Secrets,
}

/// Calls a webhook. Its thread blocks meanwhile; it has nothing else to do.
pub(super) struct Caller {
    target: Arc<Target>,
    /// Made with the first call.
    agent: Option<Agent>,
}

impl Caller {
    pub(super) fn new(target: Arc<Target>) -> Self {
        Self {
            target,
            agent: None,
        }
    }

    fn call(&mut self, alert: &Alert) -> Result<(), AlertError> {
        let target = &self.target;
        let agent = match &self.agent {
            Some(agent) => agent,
            None => self.agent.insert(agent(target.timeout, target.encrypted)?),
        };
        let address = (
            target.url.as_str(),
            target.secret.as_str(),
            target.prefix.as_str(),
        );
        let request = request(&target.kind, address, alert, SystemTime::now());
        let unlogged = Dispatch::none();
        let post = || post(agent, &request, &target.headers);
        // At `trace` the client logs the address and every header, secrets and all.
        let answer = with_default(&unlogged, post)
            .map_err(|error| AlertError::new(format_args!("cannot be reached: {error}")))?;
        // Before anything is cut: of a secret that the cut goes through, the rest would stay.
        let answer = Answer {
            body: target.secrets.hide(&answer.body),
            ..answer
        };
        judge(&target.kind, &answer)
    }
}

impl Actor for Caller {
    type Context = Context<Self>;
}

impl Handler<Alert> for Caller {
    type Result = Result<(), AlertError>;

    fn handle(&mut self, alert: Alert, _: &mut Self::Context) -> Self::Result {
        self.call(&alert).map_err(|error| {
            // Whatever the client or the service says, it may repeat the address.
            let hidden = AlertError::new(self.target.secrets.hide(&error.to_string()));
            match error.retry_after() {
                Some(wait) => hidden.with_retry_after(wait),
                None => hidden,
            }
        })
    }
}
