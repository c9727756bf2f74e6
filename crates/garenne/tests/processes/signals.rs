//! Signals to a program, whether it lives in `#[tokio::main]` or not.

use garenne_testing::{Signal, eventually};

use crate::support::{SOON, start};

#[tokio::test(flavor = "multi_thread")]
async fn one_signal_drains_a_program_in_a_runtime_of_its_own() {
    for signal in [Signal::INT, Signal::TERM] {
        let mut scene = start("async", &[]).await;
        scene.consumes().await;
        scene.begin("until-stop").await;
        assert_eq!(scene.stop(signal).await, Some(0), "{signal:?}");
        scene.is_idle().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_the_program_and_loses_nothing() {
    for (how, signal) in [
        ("async", Signal::INT),
        ("async", Signal::TERM),
        ("sync", Signal::TERM),
    ] {
        let mut scene = start(how, &[("GARENNE_DRAIN_DEADLINE", "1h")]).await;
        scene.consumes().await;
        scene.begin("for-ever").await;
        scene.program.signal(signal);
        scene.until(|view| view.consumers("q") == 0).await;
        assert_eq!(scene.program.exit(), None, "it waits for its handler");
        // One that follows the first too closely is its echo.
        let ended = eventually(SOON, "a second signal ends it", async || {
            scene.program.signal(signal);
            scene.program.exit().ok_or_else(|| "it runs".to_owned())
        });
        assert_eq!(ended.await.code(), Some(0), "{how} {signal:?}");
        scene.until(|view| view.ready("q") == 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_signals_end_a_program_whose_log_nobody_reads() {
    let mut scene = start("sync", &[("GARENNE_DRAIN_DEADLINE", "1h")]).await;
    scene.consumes().await;
    scene.send((0..5).map(|_| "long".to_owned())).await;
    scene.is_idle().await;
    scene.begin("for-ever").await;
    let ended = eventually(SOON, "two signals end it", async || {
        scene.program.signal(Signal::TERM);
        scene.program.exit().ok_or_else(|| "it runs".to_owned())
    });
    assert_eq!(ended.await.code(), Some(0));
}
