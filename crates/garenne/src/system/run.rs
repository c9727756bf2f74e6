//! The threads of a system: a thread for the actors that own lifecycles, threads for workers, a runtime for
//! the links.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use actix::Actor;
use garenne_core::StopReason;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::watch;
use tracing::warn;

use super::{System, SystemHandle};
use crate::alert::Desk;
use crate::build_error::BuildError;
use crate::link::{Destination, links_runtime};
use crate::logging;
use crate::resources::no_thread;
use crate::status::Board;
use crate::supervisor::ConnectionSupervisor;

/// Which side listens to SIGTERM and SIGINT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signals {
    /// The system: the first signal stops it, the second ends it at once.
    Listen,
    /// The program that the system is part of.
    Leave,
}

/// A signal that follows the first one this closely is its echo.
const ECHO: Duration = Duration::from_millis(50);

/// Starts the system's own thread and waits until its supervisor runs.
pub(super) fn start(system: System, signals: Signals) -> Result<SystemHandle, StopReason> {
    let failed = |error: std::io::Error| StopReason::Internal(no_thread("a thread", &error));
    let links = links_runtime().map_err(failed)?;
    let (started, handle) = sync_channel(1);
    thread::Builder::new()
        .name("garenne".to_owned())
        .spawn(move || run(system, links, signals, &started))
        .map_err(failed)?;
    // This blocks on purpose: it takes milliseconds, and the caller may be inside a runtime.
    let panicked = |_| {
        StopReason::Internal(
            "the system's thread panicked while it started; the log has the panic".to_owned(),
        )
    };
    handle.recv().map_err(panicked)?.map_err(failed)
}

fn run(
    system: System,
    links: Runtime,
    signals: Signals,
    started: &SyncSender<std::io::Result<SystemHandle>>,
) {
    // actix would panic in a process that may not open the file descriptors of a runtime.
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = started.send(Err(error));
            return;
        }
    };
    let runner = actix::System::with_tokio_rt(|| runtime);
    runner.block_on(async {
        let handle = assemble(system, links.handle());
        if signals == Signals::Listen {
            actix_rt::spawn(listen(handle.clone()));
        }
        // The caller may have given up; then the answer has no receiver.
        let _ = started.send(Ok(handle.clone()));
        handle.stopped().await;
    });
    // The stop is a message to the runner, which tells the workers' threads to end; without it they would
    // stay for ever. It waits for none of them: a thread that a handler blocks must not delay the exit.
    actix::System::current().stop();
    if let Err(error) = runner.run() {
        warn!(event = "threads_left", %error, "the system's threads were not told to end");
    }
    links.shutdown_background();
}

/// Makes the parts of the system, which run from now on, and the handle to them.
fn assemble(system: System, links: &Handle) -> SystemHandle {
    let System {
        plan,
        publisher,
        tasks,
        publish,
        alerts,
        strange,
    } = system;
    for told in strange {
        warn!(event = "unknown_variable", "{told}");
    }
    let (desk, tellers) = Desk::new(alerts, &plan.identity);
    let (stopped, stopped_seen) = watch::channel(None);
    let queues = plan
        .queues
        .iter()
        .map(|q| (q.queue.name().to_owned(), Arc::clone(&q.counters)));
    let board = Arc::new(Board::new(queues.collect(), desk.clone()));
    tasks.start(links, &publish.subscribe(), plan.limits);
    let failed = Destination {
        brokers: plan.brokers.clone(),
        tls: plan.tls.clone(),
        name: plan.identity.link_name("failed messages"),
        runtime: links.clone(),
    };
    let supervisor = ConnectionSupervisor::new(
        Arc::new(plan),
        links.clone(),
        Arc::clone(&board),
        publish,
        publisher.clone(),
        (desk, tellers),
        stopped,
    );
    SystemHandle {
        failed: Arc::new(failed),
        supervisor: supervisor.start(),
        board,
        publisher,
        stopped: stopped_seen,
    }
}

/// The first signal stops the system, the second ends it at once.
async fn listen(handle: SystemHandle) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return warn!(event = "no_signals", "cannot listen to SIGTERM and SIGINT");
    };
    let mut next =
        async || tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} };
    next().await;
    handle.stop();
    // Some senders (`timeout`, for example) signal the process and then its group: that is a single
    // request.
    let echo = tokio::time::Instant::now() + ECHO;
    while tokio::time::timeout_at(echo, next()).await.is_ok() {}
    next().await;
    warn!(event = "second_signal", "a second signal; ending at once");
    handle.stop_now();
}

/// Blocks this thread until the system has stopped. `stop` may ask it to stop.
pub(super) fn block_until_stopped(
    handle: &SystemHandle,
    stop: impl Future<Output = ()> + Send + 'static,
) -> StopReason {
    let waiting = handle.clone();
    let wait = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => {
                waiting.stop_now();
                return StopReason::Internal(no_thread("a thread", &error));
            }
        };
        runtime.block_on(async {
            let asked = async {
                stop.await;
                waiting.stop();
                std::future::pending::<()>().await;
            };
            tokio::select! {
                reason = waiting.stopped() => reason,
                () = asked => StopReason::Requested,
            }
        })
    });
    wait.join().unwrap_or_else(|_| {
        handle.stop_now();
        StopReason::Internal("the future that `run_until` was given panicked".to_owned())
    })
}

/// Prints the last words on standard error, even when logs are off, and returns the exit code.
pub(super) fn farewell(reason: &StopReason) -> ExitCode {
    logging::last_words(
        &format!("{reason} (exit code {})", reason.code()),
        reason.code(),
    );
    logging::flush_logging();
    ExitCode::from(reason.code())
}

/// Prints every fault on its own line, and returns the exit code of a faulty configuration.
pub(super) fn refuse(error: &BuildError) -> ExitCode {
    let code = StopReason::Configuration(String::new()).code();
    for fault in error.faults() {
        logging::last_words(&format!("faulty configuration: {fault}"), code);
    }
    logging::flush_logging();
    ExitCode::from(code)
}
