//! Standard error without long waits: a line that it cannot take at once goes into a bounded queue, and a
//! thread of its own writes the queue.
//!
//! The reader of standard error may stall or go away. That must cost lines of the log, not messages: a
//! thread that writes to a full pipe stops for ever, and a thread that prints to a closed pipe panics.
//!
//! While standard error takes lines and the queue is empty, the thread that logs writes the line itself (up
//! to 4096 bytes). Then the line is there even if the process is killed the next moment.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tracing::warn;

/// At most this many bytes wait while standard error takes none: some 20,000 lines. As many again are in
/// the writer's hands.
const ROOM: usize = 4 * 1024 * 1024;

/// This many bytes are written at once, in whole lines: a pipe does not mix a write of at most this length
/// with the writes of others.
const AT_ONCE: usize = 4096;

/// The pause before another try, when a non-blocking standard error takes nothing at the moment.
const PAUSE: Duration = Duration::from_millis(10);

thread_local! {
    /// The writer's own report of lost lines always finds room.
    static IS_WRITER: Cell<bool> = const { Cell::new(false) };
}

/// How long a flush may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// In all.
    pub(crate) whole: Duration,
    /// While standard error takes nothing.
    pub(crate) stalled: Duration,
}

/// A queue of lines and the thread that writes them.
#[derive(Clone)]
pub(super) struct Lines(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// There are lines to write.
    more: Condvar,
    /// Lines were written, or lost.
    progress: Condvar,
    room: usize,
    /// Lines are written here at once, if it is a file that can be asked whether a write would wait.
    direct: Option<File>,
}

#[derive(Default)]
struct State {
    /// Whole lines.
    waiting: Vec<u8>,
    /// Bytes that were ever put into the queue, and how many of them were written or lost.
    queued: u64,
    done: u64,
    /// Since when the writer has been at the same few lines.
    writing_since: Option<Instant>,
    /// Lines that were lost since the start, and how many of them the log has reported.
    lost: u64,
    told: u64,
}

impl Lines {
    /// Lines for `out`, written by a thread that ends with the process.
    fn to(out: impl Write + Send + 'static, direct: Option<File>, room: usize) -> io::Result<Self> {
        let lines = Self(Arc::new(Shared {
            state: Mutex::default(),
            more: Condvar::new(),
            progress: Condvar::new(),
            room,
            direct,
        }));
        let shared = Arc::clone(&lines.0);
        thread::Builder::new()
            .name("garenne-log".to_owned())
            .spawn(move || shared.write(out))?;
        Ok(lines)
    }

    /// Takes a line, or several, with their ends. Without room they are lost and counted.
    pub(super) fn push(&self, lines: &[u8]) {
        let mut state = self.0.lock();
        let written = self.0.write_at_once(&state, lines);
        state.queued += written as u64;
        state.done += written as u64;
        let lines = &lines[written..];
        if lines.is_empty() {
            return;
        }
        let has_room = state.waiting.is_empty()
            || state.waiting.len().saturating_add(lines.len()) <= self.0.room
            || IS_WRITER.get();
        if !has_room {
            state.lost += count(lines);
            return;
        }
        state.waiting.extend_from_slice(lines);
        state.queued += lines.len() as u64;
        drop(state);
        self.0.more.notify_one();
    }

    /// Waits until all that has been taken is written or lost, or until the patience is over.
    pub(super) fn flush(&self, patience: Patience) {
        let deadline = Instant::now() + patience.whole;
        let mut state = self.0.lock();
        let wanted = state.queued;
        while state.done < wanted {
            let now = Instant::now();
            let stalled = state.writing_since.unwrap_or(now) + patience.stalled;
            let until = deadline.min(stalled);
            if until <= now {
                return;
            }
            let waited = self.0.progress.wait_timeout(state, until - now);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// How many lines were lost since the start.
    pub(super) fn lost(&self) -> u64 {
        self.0.lock().lost
    }
}

impl Shared {
    /// Writes what fits without waiting, if the queue is empty. Returns the number of written bytes.
    fn write_at_once(&self, state: &State, lines: &[u8]) -> usize {
        let is_first = state.waiting.is_empty() && state.queued == state.done;
        match &self.direct {
            // A pipe that takes any bytes takes this many.
            Some(direct) if is_first && lines.len() <= AT_ONCE && takes_more(direct) => {
                (&*direct).write(lines).unwrap_or(0)
            }
            _ => 0,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The loop of the writer's thread; it never ends.
    fn write(&self, mut out: impl Write) {
        IS_WRITER.set(true);
        let mut batch = Vec::new();
        // Whether the last write ended within a line.
        let mut torn = false;
        loop {
            self.take(&mut batch);
            let mut rest = &batch[..];
            let mut flows = true;
            while !rest.is_empty() {
                let (lines, others) = rest.split_at(whole_lines(rest));
                rest = others;
                self.lock().writing_since = Some(Instant::now());
                flows = write_lines(&mut out, lines, &mut torn).is_ok();
                self.done(lines, flows);
            }
            if flows {
                self.tell();
            }
        }
    }

    /// Waits for lines and takes all of them.
    fn take(&self, batch: &mut Vec<u8>) {
        // A burst, or a very long line, must not keep its memory for ever.
        batch.clear();
        batch.shrink_to(AT_ONCE);
        let mut state = self.lock();
        while state.waiting.is_empty() {
            let woken = self.more.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::swap(batch, &mut state.waiting);
    }

    fn done(&self, lines: &[u8], written: bool) {
        let mut state = self.lock();
        state.writing_since = None;
        state.done += lines.len() as u64;
        if !written {
            state.lost += count(lines);
        }
        drop(state);
        self.progress.notify_all();
    }

    /// Reports in the log that lines are missing in it.
    fn tell(&self) {
        let mut state = self.lock();
        let untold = state.lost - state.told;
        state.told = state.lost;
        drop(state);
        if untold > 0 {
            warn!(
                event = "log_lines_lost",
                lines = untold,
                "lines are missing in this log: standard error did not take them in time"
            );
        }
    }
}

/// How many of these bytes, which end with a line's end, are written at once: at least one line.
fn whole_lines(bytes: &[u8]) -> usize {
    let is_end = |byte: &u8| *byte == b'\n';
    let fitting = &bytes[..bytes.len().min(AT_ONCE)];
    let last = fitting.iter().rposition(is_end);
    let end = last.or_else(|| bytes.iter().position(is_end));
    end.map_or(bytes.len(), |end| end + 1)
}

fn write_lines(out: &mut impl Write, lines: &[u8], torn: &mut bool) -> io::Result<()> {
    if *torn {
        write_all(out, b"\n", torn)?;
        *torn = false;
    }
    write_all(out, lines, torn)
}

fn write_all(out: &mut impl Write, mut bytes: &[u8], torn: &mut bool) -> io::Result<()> {
    while !bytes.is_empty() {
        match out.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = &bytes[written..];
                *torn = !bytes.is_empty();
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // A pipe or a terminal that another process has set to non-blocking.
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::park_timeout(PAUSE),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn count(lines: &[u8]) -> u64 {
    lines.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// Whether a write would not wait.
fn takes_more(file: &File) -> bool {
    let mut asked = [PollFd::new(file, PollFlags::OUT)];
    let answered = poll(&mut asked, Some(&Timespec::default()));
    answered.is_ok() && asked[0].revents() == PollFlags::OUT
}

static STANDARD_ERROR: OnceLock<Option<Lines>> = OnceLock::new();

/// Puts a line with its end into the queue of standard error.
pub(super) fn push(line: &[u8]) {
    let lines = STANDARD_ERROR.get_or_init(|| {
        let direct = io::stderr().as_fd().try_clone_to_owned();
        Lines::to(standard_error(), direct.ok().map(File::from), ROOM).ok()
    });
    match lines {
        Some(lines) => lines.push(line),
        // Without a thread there is no system either: these lines are the last words of a failed start.
        None => drop(io::stderr().write_all(line)),
    }
}

/// Waits until standard error has taken the bytes in the queue, or until the patience is over.
pub(super) fn flush(patience: Patience) {
    if let Some(Some(lines)) = STANDARD_ERROR.get() {
        lines.flush(patience);
    }
}

/// How many lines standard error did not take since the start.
pub(crate) fn lost() -> u64 {
    match STANDARD_ERROR.get() {
        Some(Some(lines)) => lines.lost(),
        _ => 0,
    }
}

/// Standard error without the lock of the standard library: a stalled writer would keep that lock from all
/// others.
fn standard_error() -> Box<dyn Write + Send> {
    match io::stderr().as_fd().try_clone_to_owned() {
        Ok(own) => Box::new(File::from(own)),
        Err(_) => Box::new(io::stderr()),
    }
}

#[cfg(test)]
mod tests;
