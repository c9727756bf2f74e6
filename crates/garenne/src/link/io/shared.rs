//! The state that the parts of a link share, and the start and end of a link's bytes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lapin::Channel;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::inbox::Inboxes;
use super::out::Out;
use super::pipe::{Feed, FrameMax, Pipe};
use super::{Login, Stream, task, transport};
use crate::link::LinkError;

/// The state that a link's task, its ports and lapin's pipe share.
pub(in crate::link) struct Shared {
    pub(super) out: Arc<Out>,
    pub(super) feed: Arc<Feed>,
    pub(super) inboxes: Inboxes,
    pub(super) frame_max: Arc<FrameMax>,
    /// Channels that the broker has closed, kept until lapin knows it. If lapin's channel is dropped earlier,
    /// lapin closes it once more, which costs the connection.
    closed_channels: Mutex<Vec<Channel>>,
    /// Why the link is gone; `None` while it is up.
    ended: watch::Sender<Option<LinkError>>,
}

/// Starts to read a stream on a runtime. `frame_max` is the most that the URL of the broker allows; `login`
/// is inserted when lapin logs in.
pub(in crate::link) fn start(
    stream: Stream,
    frame_max: Option<u32>,
    login: Login,
    runtime: &Handle,
) -> (Arc<Shared>, Pipe) {
    let (source, sink) = transport::split(stream);
    let shared = Arc::new(Shared {
        out: Arc::new(Out::new(sink)),
        feed: Arc::default(),
        inboxes: Inboxes::default(),
        frame_max: Arc::new(FrameMax::new(frame_max)),
        closed_channels: Mutex::default(),
        ended: watch::Sender::new(None),
    });
    let pipe = Pipe::new(
        Arc::clone(&shared.feed),
        Arc::clone(&shared.out),
        Arc::clone(&shared.frame_max),
        login,
    );
    runtime.spawn(task::read_to_the_end(source, Arc::clone(&shared)));
    (shared, pipe)
}

impl Shared {
    /// The largest frame that both sides agreed on, in bytes.
    pub(in crate::link) fn frame_max(&self) -> usize {
        usize::try_from(self.frame_max.get()).unwrap_or(usize::MAX)
    }

    /// Handles the broker's close of a channel before lapin knows it. lapin's answer is the last frame that
    /// may be written on the channel. So the channel is shut before any task learns of the close: that task
    /// may drop the channel at once, and must then see that the broker has closed it.
    pub(super) fn close_channel(&self, channel: u16, why: &LinkError) {
        if let Some(inbox) = self.inboxes.find(channel) {
            self.out.between_frames(|| inbox.shut());
            inbox.close(why);
        }
    }

    /// Keeps a channel that the broker has closed until lapin knows it.
    pub(super) fn keep_closed(&self, channel: Channel) {
        self.lock_closed().push(channel);
    }

    /// Drops channels that lapin knows to be closed.
    pub(super) fn drop_closed(&self) {
        let mut closed = self.lock_closed();
        let known: Vec<_> = closed
            .extract_if(.., |channel| !channel.status().connected())
            .collect();
        drop(closed);
        drop(known);
    }

    fn lock_closed(&self) -> MutexGuard<'_, Vec<Channel>> {
        self.closed_channels
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the link, and reports the reason to every waiting task. The first reason counts.
    pub(in crate::link) fn end(&self, why: &LinkError) {
        self.out.close();
        // This comes before the inboxes, so that a task that sees the end of its channel can tell whether the
        // link is gone too.
        self.ended.send_if_modified(|ended| {
            let is_first = ended.is_none();
            ended.get_or_insert_with(|| why.clone());
            is_first
        });
        self.inboxes.close(why);
        let closed = std::mem::take(&mut *self.lock_closed());
        drop(closed);
    }

    /// A receiver to wait for the end of the link.
    pub(in crate::link) fn ended(&self) -> watch::Receiver<Option<LinkError>> {
        self.ended.subscribe()
    }

    pub(in crate::link) fn has_ended(&self) -> bool {
        self.ended.borrow().is_some()
    }

    /// Why the link has ended, if it has.
    pub(in crate::link) fn end_of(&self) -> Option<LinkError> {
        self.ended.borrow().clone()
    }
}

#[cfg(test)]
mod tests;
