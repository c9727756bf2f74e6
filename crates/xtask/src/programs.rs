//! Test programs, built at once and run side by side: tests wait more than they compute.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::steps::cargo_command;
use crate::watch::{self, Ended, SILENCE};

/// Everything that is tested and everything that tests start, with one set of features for all: a
/// package built alone has fewer, and would have its dependencies compiled again.
const BUILD: &str = "build --locked --workspace --bins --tests --examples";

/// The programs that take longest, so that nothing is left to wait for when the others are done.
/// One that is missing here only begins later.
const FIRST: [&str; 6] = [
    "mistakes",
    "integration",
    "cli",
    "publishing",
    "webhook",
    "sql",
];

/// How many programs run at once, for each core.
const PROGRAMS_PER_CORE: usize = 2;

/// How many tests of one program run at once, for each core.
const TESTS_PER_CORE: usize = 4;

/// A command with a name, whose output is shown when it has ended.
pub(crate) struct Job {
    name: String,
    command: Command,
}

impl Job {
    pub(crate) fn new(name: &str, command: Command) -> Self {
        Self {
            name: name.to_owned(),
            command,
        }
    }

    /// Whether all is well, after a program ended thus and wrote this.
    fn judged(&self, ended: &Ended, text: &str) -> Result<(), String> {
        match ended {
            Ended::Exit(status) if status.success() => Ok(()),
            Ended::Exit(status) => Err(status.to_string()),
            Ended::LeftBehind(status) => Err(format!(
                "{status}, but a process that it started still holds its output open"
            )),
            Ended::Silent => {
                let minutes = SILENCE.as_secs() / 60;
                let names = watch::not_ended(&self.list(), text).join(", ");
                Err(format!(
                    "killed: silent for {minutes} min; not ended: {names}"
                ))
            }
        }
    }

    /// The names of its tests, if it tells them.
    fn list(&self) -> String {
        let mut command = Command::new(self.command.get_program());
        command.args(self.command.get_args()).arg("--list");
        if let Some(folder) = self.command.get_current_dir() {
            command.current_dir(folder);
        }
        let output = command.stderr(Stdio::null()).output();
        output.map_or_else(
            |_| String::new(),
            |output| String::from_utf8_lossy(&output.stdout).into(),
        )
    }
}

/// A program made of tests.
pub(crate) struct Program {
    name: String,
    file: PathBuf,
    /// Where cargo would run it: the folder of its package.
    folder: PathBuf,
}

impl Program {
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name == name
    }

    /// Runs its tests, or those that the arguments choose, many at a time: they mostly wait.
    pub(crate) fn job(&self, arguments: &str) -> Job {
        let mut command = self.command(arguments);
        command.arg(format!("--test-threads={}", TESTS_PER_CORE * cores()));
        Job::new(&self.name, command)
    }

    /// Runs the tests that the arguments choose, one for each core at a time, and shows what they write
    /// while they write it.
    pub(crate) fn run(&self, arguments: &str, variables: &[(&str, &str)]) -> Result<(), String> {
        let mut command = self.command(arguments);
        command.envs(variables.iter().copied());
        let mut job = Job::new(&self.name, command);
        let mut text = Vec::new();
        let ended = watch::run(&mut job.command, SILENCE, |part| {
            // Whoever reads may be gone; the tests go on.
            let _gone = io::stdout().write_all(part).and(io::stdout().flush());
            text.extend(part);
        });
        let ended = ended.map_err(|error| format!("cannot run {:?}: {error}", job.command))?;
        job.judged(&ended, &String::from_utf8_lossy(&text))
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(&self.file);
        command
            .args(arguments.split_whitespace())
            .env("CARGO_MANIFEST_DIR", &self.folder)
            .current_dir(&self.folder);
        command
    }
}

/// Builds all programs, and gives those that are made of tests, the slowest first.
pub(crate) fn build() -> Result<Vec<Program>, String> {
    let mut build = cargo_command(BUILD);
    build
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit());
    let built = build
        .output()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    if !built.status.success() {
        return Err(format!("cargo {BUILD}: {}", built.status));
    }
    let messages = String::from_utf8_lossy(&built.stdout);
    let mut programs: Vec<_> = messages.lines().filter_map(test_program).collect();
    let rank = |program: &Program| FIRST.iter().position(|name| program.is(name));
    programs.sort_by_key(|program| rank(program).unwrap_or(FIRST.len()));
    Ok(programs)
}

/// The test program that a message of cargo announces, if it does.
fn test_program(message: &str) -> Option<Program> {
    let message: Value = serde_json::from_str(message).ok()?;
    if message["profile"]["test"] != true {
        return None;
    }
    let manifest = Path::new(message["manifest_path"].as_str()?);
    Some(Program {
        name: message["target"]["name"].as_str()?.to_owned(),
        file: message["executable"].as_str()?.into(),
        folder: manifest.parent()?.to_owned(),
    })
}

/// Runs the jobs, some at a time and the first ones first, and shows what each wrote when it has
/// ended. All run to their ends; an error names those that failed.
pub(crate) fn run(jobs: Vec<Job>) -> Result<(), String> {
    let jobs = Mutex::new(VecDeque::from(jobs));
    let failed = Mutex::new(Vec::new());
    let next = || lock(&jobs).pop_front();
    thread::scope(|scope| {
        for _ in 0..PROGRAMS_PER_CORE * cores() {
            scope.spawn(|| {
                while let Some(job) = next() {
                    let name = job.name.clone();
                    if let Err(error) = run_one(job) {
                        lock(&failed).push(format!("{name} ({error})"));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    if failed.is_empty() {
        Ok(())
    } else {
        Err(failed.join(", "))
    }
}

fn run_one(mut job: Job) -> Result<(), String> {
    let since = Instant::now();
    let mut text = Vec::new();
    let ended = watch::run(&mut job.command, SILENCE, |part| text.extend(part));
    let ended = ended.map_err(|error| format!("cannot run {:?}: {error}", job.command))?;
    let text = String::from_utf8_lossy(&text);
    show(&job.name, &text, since.elapsed());
    job.judged(&ended, &text)
}

/// In one piece, so that programs which end together do not mix their lines.
fn show(name: &str, text: &str, took: Duration) {
    println!("--- {name}, {:.1} s\n{}\n", took.as_secs_f64(), text.trim());
}

fn cores() -> usize {
    thread::available_parallelism().map_or(2, usize::from)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(test: bool, executable: &str) -> String {
        format!(
            r#"{{"reason":"compiler-artifact","manifest_path":"/p/crates/x/Cargo.toml",
                "target":{{"kind":["test"],"name":"it"}},"profile":{{"test":{test}}},"executable":{executable}}}"#
        )
    }

    #[test]
    fn a_test_program_is_told_from_libraries_and_other_programs() {
        let program = test_program(&artifact(true, r#""/t/it-1""#)).expect("it is one");
        assert!(program.is("it"));
        assert_eq!(program.file, Path::new("/t/it-1"));
        assert_eq!(program.folder, Path::new("/p/crates/x"));
        assert!(test_program(&artifact(false, r#""/t/it-1""#)).is_none());
        assert!(test_program(&artifact(true, "null")).is_none());
        assert!(test_program("   Compiling x").is_none());
    }

    #[test]
    fn all_jobs_run_and_those_that_failed_are_named() {
        let shell = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            command
        };
        let folder = std::env::temp_dir().join(format!("garenne-xtask-{}", std::process::id()));
        let mark = format!("touch {}", folder.display());
        let mut jobs = vec![Job::new("bad", shell("echo no >&2; exit 3"))];
        jobs.extend((0..20).map(|n| Job::new(&format!("good {n}"), shell("true"))));
        jobs.push(Job::new("last", shell(&mark)));
        let error = run(jobs).expect_err("one failed");
        assert_eq!(error, "bad (exit status: 3)");
        std::fs::remove_file(folder).expect("the last one ran too");
    }

    #[test]
    fn a_test_that_hangs_is_named() {
        let mut command = Command::new("sh");
        let script = r#"[ "$1" = --list ] && echo "good: test" && echo "hung: test""#;
        command.args(["-c", script, "-", "--list"]);
        let job = Job::new("it", command);
        let error = job.judged(&Ended::Silent, "test good ... ok\n");
        let error = error.expect_err("it hung");
        assert!(error.ends_with("not ended: hung"), "{error}");
    }
}
