//! What a process costs, read from `/proc`.

use std::fs;
use std::time::{Duration, Instant};

/// The resident memory of a process, in bytes.
///
/// # Panics
///
/// When there is no such process.
#[must_use]
pub fn resident_bytes(pid: u32) -> u64 {
    let status = read(pid, "status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|text| text.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or_else(|| panic!("no VmRSS of process {pid}: it has ended")) * 1024
}

/// Measures how much of one core a process uses from now on.
#[derive(Debug)]
pub struct CpuClock {
    pid: u32,
    start: Instant,
    ticks: u64,
}

impl CpuClock {
    /// Starts to measure.
    #[must_use]
    pub fn start(pid: u32) -> Self {
        Self {
            pid,
            start: Instant::now(),
            ticks: ticks(pid),
        }
    }

    /// The part of one core used since the start: 0.01 is one percent.
    #[must_use]
    pub fn share_of_a_core(&self) -> f64 {
        let hertz = rustix::param::clock_ticks_per_second();
        let used = Duration::from_millis((ticks(self.pid) - self.ticks) * 1000 / hertz);
        used.as_secs_f64() / self.start.elapsed().as_secs_f64()
    }
}

/// User and system time, in clock ticks: fields 14 and 15 of `stat`, counted behind the name, which
/// may hold spaces.
fn ticks(pid: u32) -> u64 {
    let stat = read(pid, "stat");
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .map(|(_, rest)| rest.split_whitespace().collect())
        .unwrap_or_default();
    let field = |n: usize| fields.get(n).and_then(|text| text.parse::<u64>().ok());
    let sum = field(11).zip(field(12)).map(|(user, system)| user + system);
    sum.unwrap_or_else(|| panic!("unreadable /proc/{pid}/stat: {stat}"))
}

fn read(pid: u32, file: &str) -> String {
    let path = format!("/proc/{pid}/{file}");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("failed to read {path}: {error}"))
}
