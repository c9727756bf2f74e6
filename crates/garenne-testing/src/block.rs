//! Waiting without a runtime.
//!
//! Assertions are plain functions, so that none can be forgotten for want of an `.await`, and a
//! system may be dropped outside of any runtime. What they wait for happens on the broker's thread
//! and on those of the system, never on this one, so blocking it for that moment is safe.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use tokio::task::unconstrained;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Blocks this thread until the future is done.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    // A task that has used up its share would otherwise be told to yield to a runtime that cannot
    // run while we block its thread.
    let mut future = pin!(unconstrained(future));
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// Blocks this thread until the future is done, for so long at most.
pub(crate) fn block_on_within<F: Future>(patience: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(unconstrained(future));
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let end = Instant::now() + patience;
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        thread::park_timeout(left);
    }
}
