use std::io::Read;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, Sender, channel};

use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

use super::*;

const LONG: Patience = Patience {
    whole: Duration::from_secs(60),
    stalled: Duration::from_secs(60),
};
const SHORT: Patience = Patience {
    whole: Duration::from_secs(60),
    stalled: Duration::from_millis(1),
};

/// A reader that takes a write only when the test gives the answer: a number of bytes, or an error.
struct Reader {
    answers: Receiver<io::Result<usize>>,
    begun: Sender<()>,
    taken: Arc<Mutex<Vec<u8>>>,
}

impl Write for Reader {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.begun.send(());
        let taken = self
            .answers
            .recv()
            .unwrap_or(Ok(usize::MAX))?
            .min(bytes.len());
        self.taken
            .lock()
            .unwrap()
            .extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Scene {
    lines: Lines,
    answers: Option<Sender<io::Result<usize>>>,
    begun: Receiver<()>,
    taken: Arc<Mutex<Vec<u8>>>,
}

fn scene(room: usize) -> Scene {
    scene_with(None, room)
}

fn scene_with(direct: Option<File>, room: usize) -> Scene {
    let (answers, asked) = channel();
    let (begin, begun) = channel();
    let taken = Arc::new(Mutex::new(Vec::new()));
    let reader = Reader {
        answers: asked,
        begun: begin,
        taken: Arc::clone(&taken),
    };
    Scene {
        lines: Lines::to(reader, direct, room).unwrap(),
        answers: Some(answers),
        begun,
        taken,
    }
}

impl Scene {
    fn answer(&self, answer: io::Result<usize>) {
        self.answers.as_ref().unwrap().send(answer).unwrap();
    }

    /// Waits until the writer has a line in its hands that the reader does not take.
    fn stalled(&self) {
        self.lines.push(b"first\n");
        self.begun.recv_timeout(LONG.whole).unwrap();
    }

    /// The reader takes everything from now on.
    fn flows(&mut self) -> String {
        self.answers = None;
        self.lines.flush(LONG);
        self.text()
    }

    fn text(&self) -> String {
        String::from_utf8(self.taken.lock().unwrap().clone()).unwrap()
    }
}

#[test]
fn a_reader_that_stalls_stops_nobody_and_what_has_no_room_is_counted() {
    let mut scene = scene(20);
    scene.stalled();
    scene.lines.push(b"second\n");
    scene.lines.push(b"third\n");
    scene.lines.push(b"has no room\nand this\n");
    assert_eq!(scene.lines.lost(), 2);
    scene.lines.push(b"fits\n");
    assert_eq!(scene.flows(), "first\nsecond\nthird\nfits\n");
}

#[test]
fn a_flush_ends_when_the_reader_takes_nothing() {
    let mut scene = scene(ROOM);
    scene.stalled();
    scene.lines.flush(SHORT);
    assert_eq!(scene.text(), "");
    assert_eq!(scene.flows(), "first\n");
}

#[test]
fn a_line_longer_than_the_queue_is_written_if_nothing_waits() {
    let mut scene = scene(4);
    scene.lines.push(b"longer than four\n");
    assert_eq!(scene.flows(), "longer than four\n");
}

#[test]
fn lines_for_a_reader_that_is_gone_are_counted_and_later_ones_are_tried() {
    let mut scene = scene(ROOM);
    scene.answer(Err(ErrorKind::BrokenPipe.into()));
    scene.lines.push(b"nobody reads this\n");
    scene.lines.flush(LONG);
    assert_eq!(scene.lines.lost(), 1);
    scene.lines.push(b"somebody reads this\n");
    assert_eq!(scene.flows(), "somebody reads this\n");
}

#[test]
fn a_line_that_was_cut_off_gets_its_end_before_the_next_one() {
    let mut scene = scene(ROOM);
    scene.answer(Ok(3));
    scene.answer(Err(ErrorKind::StorageFull.into()));
    scene.lines.push(b"cut off\n");
    scene.lines.flush(LONG);
    scene.lines.push(b"whole\n");
    assert_eq!(scene.flows(), "cut\nwhole\n");
    assert_eq!(scene.lines.lost(), 1);
}

#[test]
fn a_write_that_would_block_or_is_interrupted_is_made_again() {
    let mut scene = scene(ROOM);
    scene.answer(Err(ErrorKind::WouldBlock.into()));
    scene.answer(Err(ErrorKind::Interrupted.into()));
    scene.lines.push(b"patience\n");
    assert_eq!(scene.flows(), "patience\n");
    assert_eq!(scene.lines.lost(), 0);
}

#[test]
fn lines_are_written_whole_and_a_pipe_keeps_them_together() {
    let short = b"x\n".repeat(AT_ONCE);
    assert_eq!(whole_lines(&short), AT_ONCE);
    assert_eq!(whole_lines(b"a\nb\n"), 4);
    let mut long = vec![b'x'; AT_ONCE * 2];
    long.extend_from_slice(b"\nshort\n");
    assert_eq!(whole_lines(&long), AT_ONCE * 2 + 1);
    let mut cut = b"short\n".to_vec();
    cut.extend_from_slice(&long);
    assert_eq!(whole_lines(&cut), 6);
}

/// Hears the log of the writer's own thread; all other threads of the tests are left alone.
struct Heard(Sender<String>);

impl<S: Subscriber> Layer<S> for Heard {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut text = String::new();
        event.record(
            &mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
                text.push_str(&format!("{field}={value:?} "));
            },
        );
        let _ = self.0.send(text);
    }
}

#[test]
fn what_was_lost_is_told_once_when_lines_go_through_again() {
    let (heard, hear) = channel();
    let shared = Arc::new(Shared {
        state: Mutex::default(),
        more: Condvar::new(),
        progress: Condvar::new(),
        direct: None,
        room: ROOM,
    });
    shared.lock().lost = 3;
    let subscriber = tracing_subscriber::registry().with(Heard(heard));
    tracing::subscriber::with_default(subscriber, || {
        shared.tell();
        shared.tell();
    });
    let told: Vec<_> = hear.try_iter().collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("log_lines_lost") && told[0].contains("lines=3"));
}

#[test]
fn a_line_is_there_at_once_while_the_pipe_takes_it_and_is_queued_when_it_is_full() {
    let (mut pipe, writer) = io::pipe().unwrap();
    let scene = scene_with(Some(File::from(OwnedFd::from(writer))), ROOM);
    scene.lines.push(b"there\n");
    let mut there = [0; 6];
    pipe.read_exact(&mut there).unwrap();
    assert_eq!(&there, b"there\n");
    // The line went past the writer, which gets nothing before the pipe is full.
    assert!(scene.begun.try_recv().is_err());
    let mut line = vec![b'x'; AT_ONCE - 1];
    line.push(b'\n');
    while scene.begun.try_recv().is_err() {
        scene.lines.push(&line);
    }
}
