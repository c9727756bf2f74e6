//! Many sends through many crashes.

use super::storm::Storm;
use super::support::{Post, SOON};

/// How many sends, and through how many crashes: each of them costs the time of a new link, so that few
/// are enough where everybody waits for the tests. `GARENNE_TEST_STORM=full` makes them 100,000 and 20.
fn size() -> (usize, usize) {
    match std::env::var("GARENNE_TEST_STORM").as_deref() {
        Ok("full") => (100_000, 20),
        _ => (10_000, 5),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn through_crashes_of_the_broker_every_ok_is_in_the_queue_and_every_error_is_true() {
    let (sends, crashes) = size();
    let post = Post::open().await;
    let storm = Storm::new(post.publisher.clone(), sends, SOON);
    let mut storm = storm.begin(&["q"; 4]);
    for crash in 1..=crashes {
        storm.reaches(crash, crashes + 1).await;
        post.broker.faults().crash_and_restart().await.unwrap();
    }
    let answers = storm.ends().await;
    storm.check(&answers, &post.ids().await);
}
