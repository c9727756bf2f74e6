//! What a process has cost so far.

use std::fs;
use std::time::Duration;

/// User and system time of the threads that live, in nanoseconds of the scheduler: what `getrusage`
/// counts, but while the process runs and finer than its ticks.
pub fn cpu(id: u32) -> Result<Duration, String> {
    let folder = format!("/proc/{id}/task");
    let threads = fs::read_dir(&folder).map_err(|e| format!("cannot read {folder}: {e}"))?;
    // A thread may end while it is looked for.
    let times = threads.flatten().filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Ok(Duration::from_nanos(times.sum()))
}

/// The most memory it ever had, in bytes.
pub fn peak(id: u32) -> Result<u64, String> {
    let file = format!("/proc/{id}/status");
    let text = fs::read_to_string(&file).map_err(|e| format!("cannot read {file}: {e}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes: Option<u64> =
        line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
    kilobytes
        .map(|kilobytes| kilobytes * 1024)
        .ok_or_else(|| format!("{file} has no VmHWM"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_works_costs_time_and_memory() {
        let own = std::process::id();
        let before = cpu(own).expect("our own");
        // However slow the machine is, work moves this clock.
        while cpu(own).expect("our own") <= before {
            std::hint::spin_loop();
        }
        assert!(peak(own).expect("our own") > 0);
    }
}
