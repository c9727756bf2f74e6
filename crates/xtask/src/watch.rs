//! Running a program that should say something now and then. A test that hangs would otherwise be
//! silent until somebody stops everything, and nobody would learn its name.

use std::io::Read;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// How long a program may write nothing: several times the slowest test on a busy machine.
pub(crate) const SILENCE: Duration = Duration::from_mins(8);

/// How often a silent program is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How a program came to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By itself.
    Exit(ExitStatus),
    /// It wrote nothing for too long, and was killed.
    Silent,
    /// By itself, but what it had started lives on with its output open.
    LeftBehind(ExitStatus),
}

/// Runs a command to its end, or until it has written nothing for `silence`. `written` gets all that it
/// writes, both streams in the order in which it wrote them.
pub(crate) fn run(
    command: &mut Command,
    silence: Duration,
    mut written: impl FnMut(&[u8]),
) -> std::io::Result<Ended> {
    let (mut reader, writer) = std::io::pipe()?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .spawn()?;
    // The ends that this process holds: while they are open, there is no end to read.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let (sender, receiver) = mpsc::channel();
    // It ends with the last process that holds the other end, which may be never: nobody waits for it.
    thread::spawn(move || {
        let mut part = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = reader.read(&mut part) {
            if sender.send(part[..length].to_vec()).is_err() {
                return;
            }
        }
    });
    let mut quiet = Duration::ZERO;
    loop {
        match receiver.recv_timeout(LOOK) {
            Ok(part) => {
                quiet = Duration::ZERO;
                written(&part);
            }
            Err(RecvTimeoutError::Disconnected) => return child.wait().map(Ended::Exit),
            Err(RecvTimeoutError::Timeout) => {
                quiet += LOOK;
                if let Some(status) = child.try_wait()? {
                    return Ok(Ended::LeftBehind(status));
                }
                if quiet >= silence {
                    child.kill()?;
                    child.wait()?;
                    return Ok(Ended::Silent);
                }
            }
        }
    }
}

/// The tests of this list (as `--list` prints it) of which the output tells no end.
pub(crate) fn not_ended(list: &str, output: &str) -> Vec<String> {
    let names = list.lines().filter_map(|line| line.strip_suffix(": test"));
    let ended: Vec<_> = output.lines().filter_map(ended).collect();
    names
        .filter(|name| !ended.contains(name))
        .map(ToOwned::to_owned)
        .collect()
}

/// The test whose end this line tells.
fn ended(line: &str) -> Option<&str> {
    let (name, how) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let over = ["ok", "FAILED", "ignored"];
    let known = over.iter().any(|word| how.starts_with(word));
    // A test that should panic has a remark behind its name.
    known.then(|| name.split(" - ").next().unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn ended_and_wrote(script: &str, silence: Duration) -> (Ended, String) {
        let mut text = Vec::new();
        let ended = run(&mut shell(script), silence, |part| text.extend(part));
        let text = String::from_utf8(text).expect("it is text");
        (ended.expect("there is a shell"), text)
    }

    #[test]
    fn what_is_written_to_either_stream_is_kept_in_order() {
        let (ended, text) = ended_and_wrote("echo a; echo b >&2; echo c", SILENCE);
        assert!(matches!(ended, Ended::Exit(status) if status.success()));
        assert_eq!(text, "a\nb\nc\n");
    }

    #[test]
    fn a_program_that_says_nothing_any_more_is_killed() {
        let (ended, text) = ended_and_wrote("echo a; exec sleep 600", Duration::from_secs(1));
        assert_eq!(ended, Ended::Silent);
        assert_eq!(text, "a\n");
    }

    #[test]
    fn what_a_program_leaves_behind_is_not_waited_for() {
        let (ended, _) = ended_and_wrote("sleep 20 & exit 3", SILENCE);
        assert!(matches!(ended, Ended::LeftBehind(status) if status.code() == Some(3)));
    }

    #[test]
    fn tests_whose_end_was_not_told_are_named() {
        let list = "a::one: test\na::two: test\nb: test\nc: test\n\n4 tests, 0 benchmarks\n";
        let output = "running 4 tests\ntest a::one ... ok\ntest c - should panic ... FAILED\n\
                      test b has been running for over 60 seconds\n";
        assert_eq!(not_ended(list, output), ["a::two", "b"]);
    }
}
