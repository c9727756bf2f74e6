//! Addresses for direct replies, tried before a reply goes there.
//!
//! RabbitMQ encodes the requester in a direct address, and trusts every address that it gets. A made-up
//! address may end the whole connection of the service that replies to it (541 in 3.10.8 and in 4.0.5). A
//! dangerous address cannot be recognised by its form. A passive declare fails in the same way as a reply.
//! So the address of a new requester is first declared passively, over a link that carries nothing else.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::link::{Access, Destination, LinkError, Visit, message_count};

/// The prefix of a direct address. Two parts with a dot between follow: the requester, and its key.
const DIRECT: &str = "amq.rabbitmq.reply-to.";

/// How many requesters are remembered. Each is a channel of another program.
const REMEMBERED: usize = 1024;

/// Decides which addresses replies may be sent to.
pub(crate) struct DirectReplies {
    destination: Arc<Destination>,
    known: Mutex<Known>,
    /// Addresses are tried one at a time, so that garenne knows which address ended the link.
    link: tokio::sync::Mutex<Option<Visit>>,
    /// How many addresses wait for their turn, including the address that is being tried.
    waiting: AtomicUsize,
}

#[derive(Default)]
struct Known {
    requesters: HashSet<String>,
    oldest: VecDeque<String>,
}

impl DirectReplies {
    pub(crate) fn new(destination: Destination) -> Self {
        Self {
            destination: Arc::new(destination),
            known: Mutex::default(),
            link: tokio::sync::Mutex::default(),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Whether a reply may be sent to this address. If the broker cannot be asked, that is an error; it
    /// says nothing of the address.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the link that the question went over.
    pub(super) async fn may_go_to(&self, address: &str) -> Result<bool, LinkError> {
        let Some(direct) = address.strip_prefix(DIRECT) else {
            return Ok(true);
        };
        // RabbitMQ 3.10 reads over empty parts. An address of any other form is tried each time.
        let requester = match direct.split('.').collect::<Vec<_>>()[..] {
            [requester, key] if !requester.is_empty() && !key.is_empty() => Some(requester),
            _ => None,
        };
        if requester.is_some_and(|requester| self.known().contains(requester)) {
            return Ok(true);
        }
        let _waits = Waits::new(&self.waiting);
        let mut place = self.link.lock().await;
        // The address may have been tried while this call waited for its turn.
        if requester.is_some_and(|requester| self.known().contains(requester)) {
            return Ok(true);
        }
        let visit = match place.take().filter(|visit| visit.link.is_up()) {
            Some(visit) => visit,
            None => Access::Own(Arc::clone(&self.destination)).visit().await?,
        };
        let link = &visit.link;
        match link.while_up(message_count(link, address)).await {
            Ok(_) => {
                if let Some(requester) = requester {
                    self.known().remember(requester);
                }
            }
            // The address is well formed, and its requester is gone: the broker drops the reply.
            Err(error) if error.is_missing() => {}
            Err(error) if error.accuses() => return Ok(false),
            Err(error) => return Err(error),
        }
        if self.waiting.load(Ordering::Relaxed) > 1 {
            *place = Some(visit);
        } else {
            self.destination.runtime.spawn(visit.leave());
        }
        Ok(true)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An address that waits, until this is dropped.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Known {
    fn contains(&self, requester: &str) -> bool {
        self.requesters.contains(requester)
    }

    fn remember(&mut self, requester: &str) {
        if !self.requesters.insert(requester.to_owned()) {
            return;
        }
        self.oldest.push_back(requester.to_owned());
        if self.oldest.len() > REMEMBERED
            && let Some(oldest) = self.oldest.pop_front()
        {
            self.requesters.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_requesters_are_remembered_and_the_oldest_is_forgotten() {
        let mut known = Known::default();
        for number in 0..=REMEMBERED {
            known.remember(&number.to_string());
            known.remember(&number.to_string());
        }
        assert_eq!(known.requesters.len(), REMEMBERED);
        assert_eq!(known.oldest.len(), REMEMBERED);
        assert!(!known.contains("0") && known.contains("1"));
        assert!(known.contains(&REMEMBERED.to_string()));
    }
}
