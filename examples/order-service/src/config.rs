//! The service's own variables; those of the framework are read by `SystemBuilder::from_env`.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `ORDERS_QUEUE` | the queue to consume | `orders` |
//! | `ORDERS_QUEUE_TYPE` | `quorum` or `classic` | `quorum` |
//! | `ORDERS_RETRY` | `20s*3` = every 20 s, three times; `none` | `20s*3` |
//! | `ORDERS_DEADLINE` | how long one run may take, such as `30s` | `10m` |
//! | `ORDERS_ALERT_WEBHOOK` | whom to tell of what goes wrong: the address of a chat robot, or of whatever takes JSON | nobody |
//! | `ORDERS_ALERT_SECRET` | the secret that signs calls to a robot of DingTalk or Feishu | not signed |

use std::env::var;
use std::str::FromStr;
use std::time::Duration;

use garenne::core::{Fault, QueueKind, parse_duration};
use garenne::prelude::*;
use garenne_sinks::WebhookAlert;

pub(crate) struct Config {
    name: String,
    kind: QueueKind,
    retry: Retry,
    deadline: Option<Duration>,
    webhook: Option<String>,
    webhook_secret: String,
}

impl Config {
    /// Reads the environment, and notes every value that cannot be used.
    pub(crate) fn from_env() -> (Self, Vec<Fault>) {
        let mut faults = Vec::new();
        let mut note = |name: &str, value: &str, accepted: &str| {
            faults.push(Fault::new(name, value, accepted));
        };
        let config = Self {
            name: set("ORDERS_QUEUE").unwrap_or_else(|| "orders".to_owned()),
            kind: read("ORDERS_QUEUE_TYPE", "`quorum` or `classic`", &mut note)
                .unwrap_or(QueueKind::Quorum),
            retry: read(
                "ORDERS_RETRY",
                "`20s*3` (every 20 s, three times), delays such as `1s,10s,1m`, doubling ones such as `1s..1m*8`, or `none`",
                &mut note,
            )
            .unwrap_or_default(),
            deadline: match set("ORDERS_DEADLINE").map(|text| (parse_duration(&text), text)) {
                None => None,
                Some((Ok(deadline), _)) if !deadline.is_zero() => Some(deadline),
                Some((_, text)) => {
                    note(
                        "ORDERS_DEADLINE",
                        &text,
                        "a duration above zero such as `30s` or `10m`",
                    );
                    None
                }
            },
            webhook: set("ORDERS_ALERT_WEBHOOK"),
            webhook_secret: set("ORDERS_ALERT_SECRET").unwrap_or_default(),
        };
        (config, faults)
    }

    pub(crate) fn queue(&self) -> Queue {
        let queue = Queue::new(&self.name, self.kind).retry(self.retry.clone());
        match self.deadline {
            Some(deadline) => queue.deadline(deadline),
            None => queue,
        }
    }

    /// Whom to tell of what goes wrong; what is wrong with the address is reported under this name.
    pub(crate) fn alert(&self) -> Option<WebhookAlert> {
        let url = self.webhook.as_ref()?;
        let alert = WebhookAlert::from_url(url, &self.webhook_secret);
        Some(alert.name("ORDERS_ALERT_WEBHOOK"))
    }
}

/// The value of a variable; an empty one counts as not set.
fn set(name: &str) -> Option<String> {
    var(name).ok().filter(|value| !value.trim().is_empty())
}

fn read<T: FromStr>(
    name: &str,
    accepted: &str,
    note: &mut impl FnMut(&str, &str, &str),
) -> Option<T> {
    let text = set(name)?;
    let value = text.trim().parse().ok();
    if value.is_none() {
        note(name, &text, accepted);
    }
    value
}
