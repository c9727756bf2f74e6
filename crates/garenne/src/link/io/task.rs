//! The task of a link: it reads the bytes, and passes each frame to its receiver.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use garenne_core::reader::{Event, ReadError, Reader};
use tracing::trace;

use super::Shared;
use super::inbox::{Incoming, Sorter};
use super::transport::Source;
use crate::link::LinkError;

/// The most bytes of a read. lapin gets its frames after all of these bytes were processed.
const CHUNK: usize = 64 * 1024;

/// lapin considers a connection dead when it has read nothing for two heartbeats, and it does not see the
/// frames that garenne reads. So it gets a heartbeat when it got nothing for this time. Two heartbeats are 20
/// s by default, and at least 2 s.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);
const HEARTBEAT: [u8; 8] = [8, 0, 0, 0, 0, 0, 0, 0xCE];

/// Reads a link until its end, and reports the reason of the end to every waiting task.
pub(super) async fn read_to_the_end(source: Source, shared: Arc<Shared>) {
    let mut task = Task {
        source,
        reader: Reader::new(),
        buffer: vec![0; CHUNK].into_boxed_slice(),
        sorter: Sorter::default(),
        for_lapin: Vec::new(),
        fed: Instant::now(),
        last_words: None,
        shared,
    };
    let end = poll_fn(|cx| task.poll(cx)).await;
    task.end(end);
}

struct Task {
    source: Source,
    reader: Reader,
    buffer: Box<[u8]>,
    sorter: Sorter,
    /// The frames for lapin in the bytes of this read.
    for_lapin: Vec<u8>,
    /// When lapin last got bytes.
    fed: Instant,
    /// The broker's reason for closing the connection, if it gave a reason.
    last_words: Option<LinkError>,
    shared: Arc<Shared>,
}

/// How a stream ended.
enum End {
    /// The other side has closed it.
    Closed,
    Io(io::Error),
    Unreadable(ReadError),
}

impl Task {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        self.shared.out.resume(cx);
        loop {
            let read = match ready!(self.source.poll_read(cx, &mut self.buffer)) {
                Ok(0) => return Poll::Ready(End::Closed),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Poll::Ready(End::Io(error)),
            };
            if let Err(error) = self.look_at(read) {
                return Poll::Ready(End::Unreadable(error));
            }
        }
    }

    /// Processes the bytes of a read. Messages are in their inboxes before lapin sees the frames that came
    /// after them.
    fn look_at(&mut self, read: usize) -> Result<(), ReadError> {
        let Self {
            reader,
            buffer,
            sorter,
            for_lapin,
            last_words,
            shared,
            ..
        } = self;
        let inboxes = &shared.inboxes;
        let looked = reader.read(&buffer[..read], &mut |event| match event {
            Event::Delivered { channel, message } => {
                sorter.put(channel, Incoming::Message(message));
            }
            Event::Got { channel, message } => {
                sorter.put(channel, Incoming::Message(message));
                for_lapin.extend_from_slice(&Event::get_empty(channel));
            }
            Event::Returned { channel, returned } => {
                sorter.put(channel, Incoming::Returned(returned));
            }
            Event::Confirmed {
                channel,
                tag,
                multiple,
                taken,
            } => {
                let confirmed = Incoming::Confirmed {
                    tag,
                    multiple,
                    taken,
                };
                sorter.put(channel, confirmed);
            }
            Event::ConsumerEnded { channel } => {
                sorter.put(channel, Incoming::ConsumerEnded);
            }
            Event::ChannelClosed {
                channel,
                code,
                text,
            } => {
                let why = LinkError::of_close(code, text);
                sorter.hand_over(inboxes);
                shared.close_channel(channel, &why);
            }
            Event::ConnectionClosed { code, text } => {
                *last_words = Some(LinkError::of_close(code, text).advised());
            }
            Event::Frame(frame) => {
                let from = for_lapin.len();
                for_lapin.extend_from_slice(frame);
                shared.frame_max.heard(&mut for_lapin[from..]);
            }
        });
        self.sorter.hand_over(&self.shared.inboxes);
        self.feed();
        looked
    }

    fn feed(&mut self) {
        if self.for_lapin.is_empty() {
            if self.fed.elapsed() < HEARTBEAT_EVERY {
                return;
            }
            self.for_lapin.extend_from_slice(&HEARTBEAT);
        }
        self.shared.feed.give(&self.for_lapin);
        self.for_lapin.clear();
        self.fed = Instant::now();
    }

    fn end(self, end: End) {
        let Self {
            shared, last_words, ..
        } = self;
        let (why, error) = match end {
            End::Closed => (
                LinkError::transient(
                    "the broker, or what stands between, closed the connection without a word; the broker's log may say why",
                ),
                None,
            ),
            End::Io(error) => {
                let (kind, error) = (error.kind(), Arc::new(error));
                let for_lapin = io::Error::new(kind, Arc::clone(&error));
                (LinkError::of_io(error), Some(for_lapin))
            }
            End::Unreadable(error) => {
                let mut why = LinkError::unreadable(&error);
                let label = error
                    .channel()
                    .and_then(|channel| shared.inboxes.label(channel));
                if let Some(label) = label {
                    why = why.while_doing(label);
                }
                (why, Some(io::Error::other(error)))
            }
        };
        let why = last_words.unwrap_or(why);
        trace!(%why, "a link has ended");
        shared.feed.end(error);
        shared.end(&why);
    }
}
