//! A loop's lines in the log.

use std::time::{Duration, Instant};

use garenne::prelude::*;

use crate::fake::{Fake, Then};
use crate::log::{self, Line};
use crate::support::give_up;

const WORKERS: u16 = 32;
/// What is logged as it comes: five events, and two for each worker.
const BURST: u64 = 5 + 2 * WORKERS as u64;
const WINDOW: Duration = Duration::from_secs(6);

#[tokio::test(flavor = "multi_thread")]
async fn workers_in_a_loop_log_a_burst_and_then_one_line_a_second_with_a_count() {
    let fake = Fake::start(Then::CloseChannel(541, "INTERNAL_ERROR")).await;
    let queue = Queue::quorum("many").workers(WORKERS);
    let begin = Instant::now();
    give_up(&fake, queue, WINDOW).await;
    let times = u64::try_from(fake.subscriptions()).unwrap();
    assert!(times > BURST + 20, "too few for the test: {times}");
    for event in ["consuming", "worker_lost"] {
        let lines = log::about_queue("many", event);
        let told = u64::try_from(lines.len()).unwrap();
        assert!(told <= BURST + begin.elapsed().as_secs() + 1, "{lines:#?}");
        assert!(left_out(&lines) > 0, "{event}: nothing to thin out");
    }
    // What was told and what was counted are all that happened but for those after the last line.
    let told = log::about_queue("many", "consuming");
    assert!(told.len() as u64 + left_out(&told) <= times);
}

fn left_out(lines: &[Line]) -> u64 {
    lines
        .iter()
        .filter_map(|line| line.number("repeated"))
        .sum()
}
