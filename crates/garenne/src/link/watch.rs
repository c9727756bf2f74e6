//! One listener per connection: lapin hands each event to a single listener.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use garenne_core::Epoch;
use lapin::Event;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::timeout;

use super::{Link, LinkError, Purpose};

/// Events come at once. This interval only matters for a link that ended without an event.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// An event of an epoch of a link.
#[derive(Debug)]
pub(crate) struct LinkNews {
    pub(crate) purpose: Purpose,
    pub(crate) epoch: Epoch,
    pub(crate) event: LinkEvent,
}

/// An event of a link.
#[derive(Debug)]
pub(crate) enum LinkEvent {
    Lost(LinkError),
    Blocked(String),
    Unblocked,
}

impl Link {
    /// Sends the events of this link to `news`, until the link is lost or dropped.
    ///
    /// The returned future holds no strong reference to the link.
    pub(crate) fn watch(
        self: &Arc<Self>,
        news: UnboundedSender<LinkNews>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let mut events = Box::pin(self.connection.events_listener());
        let (purpose, epoch) = (self.purpose, self.epoch);
        let mut end = self.io.ended();
        let link = Arc::downgrade(self);
        async move {
            loop {
                // The link's own task is the first to see its end, and knows best why.
                let event = tokio::select! {
                    biased;
                    _ = end.wait_for(Option::is_some) => None,
                    event = timeout(LOOK_EVERY, events.next()) => event.ok().flatten(),
                };
                let Some(event) = link.upgrade().and_then(|link| link.interpret(event)) else {
                    if ended(&link) {
                        return;
                    }
                    continue;
                };
                let lost = matches!(event, LinkEvent::Lost(_));
                if let (LinkEvent::Lost(why), Some(link)) = (&event, link.upgrade()) {
                    link.io.end(why);
                }
                // The maker of the link may not read the news.
                let _ = news.send(LinkNews {
                    purpose,
                    epoch,
                    event,
                });
                if lost {
                    return;
                }
            }
        }
    }

    fn interpret(&self, event: Option<Event>) -> Option<LinkEvent> {
        match event {
            Some(Event::ConnectionBlocked(reason)) => {
                self.blocked.send_replace(Some(reason.clone()));
                Some(LinkEvent::Blocked(reason))
            }
            Some(Event::ConnectionUnblocked) => {
                self.blocked.send_replace(None);
                Some(LinkEvent::Unblocked)
            }
            // An error may also be a channel's: the link is lost only if the connection is gone.
            _ if self.is_up() || self.closing.load(Ordering::Relaxed) => None,
            event => Some(LinkEvent::Lost(match (self.io.end_of(), event) {
                (Some(why), _) => why,
                (None, Some(Event::Error(error))) => LinkError::of(&error).advised(),
                (None, _) => LinkError::gone(),
            })),
        }
    }
}

fn ended(link: &Weak<Link>) -> bool {
    link.upgrade()
        .is_none_or(|link| link.closing.load(Ordering::Relaxed))
}
