//! The only two ways to wait: until something is so, and for as long as it stays so.

use std::future::Future;
use std::panic::Location;
use std::time::{Duration, Instant};

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(10);

/// Waits until `probe` returns `Ok`, and gives its value.
///
/// `probe` returns `Err` with what it sees now; the last one is shown when `deadline` passes. A
/// deadline says "this will never happen any more": be generous, a condition that holds ends the
/// wait at once.
///
/// # Panics
///
/// When the deadline passes, with `what`, the place of the caller and the state seen last.
#[track_caller]
pub fn eventually<T, P>(
    deadline: Duration,
    what: &str,
    mut probe: P,
) -> impl Future<Output = T> + use<T, P>
where
    P: AsyncFnMut() -> Result<T, String>,
{
    let caller = Location::caller();
    let what = what.to_owned();
    async move {
        let end = Instant::now() + deadline;
        let mut seen = "nothing: the first look did not end".to_owned();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match tokio::time::timeout(left, probe()).await {
                Ok(Ok(value)) => return value,
                Ok(Err(state)) => seen = state,
                Err(_) => {}
            }
            if Instant::now() >= end {
                panic!("not within {deadline:?}: {what} ({caller})\n  seen last: {seen}");
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Watches that `probe` returns `Ok` for as long as `span`.
///
/// For what must *not* happen, and for faults that last.
///
/// # Panics
///
/// As soon as `probe` returns `Err`, with what it says.
#[track_caller]
pub fn stays<P>(span: Duration, what: &str, mut probe: P) -> impl Future<Output = ()> + use<P>
where
    P: AsyncFnMut() -> Result<(), String>,
{
    let caller = Location::caller();
    let what = what.to_owned();
    async move {
        let start = Instant::now();
        while start.elapsed() < span {
            if let Err(state) = probe().await {
                panic!(
                    "after {:?} no longer so: {what} ({caller})\n  seen: {state}",
                    start.elapsed()
                );
            }
            tokio::time::sleep(POLL).await;
        }
    }
}
