//! What a system leaves in a process that goes on without it. A program of its own: other tests would
//! have threads and files open meanwhile.

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs;
    use std::time::Duration;

    use garenne::StopReason;
    use garenne::prelude::*;
    use garenne::status::Status;
    use garenne_broker::Broker;
    use garenne_testing::eventually;

    /// Long enough that what has not ended by then never will, on a machine however slow.
    const SOON: Duration = Duration::from_secs(60);
    const SYSTEMS: usize = 5;

    /// The names of the threads of systems, garenne's own and those of its libraries.
    fn threads() -> Vec<String> {
        let tasks = fs::read_dir("/proc/self/task").expect("Linux has it");
        let names = tasks.flatten().filter_map(|task| {
            // One that has ended meanwhile has no name.
            fs::read_to_string(task.path().join("comm")).ok()
        });
        let of_systems = ["garenne\n", "garenne-l", "actix", "lapin"];
        let is_one = |name: &String| of_systems.iter().any(|start| name.starts_with(start));
        names.filter(is_one).collect()
    }

    /// How many files are open once there is no thread of a system.
    async fn open_files_without_threads() -> usize {
        eventually(SOON, "the threads end", async || match threads() {
            none if none.is_empty() => Ok(()),
            some => Err(format!("{some:?}")),
        })
        .await;
        fs::read_dir("/proc/self/fd").expect("Linux has it").count()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_system_that_has_stopped_leaves_neither_threads_nor_open_files() {
        let broker = Broker::start().await.expect("there is a free port");
        // The first one may open what the process keeps.
        run_one(&broker).await;
        let files = open_files_without_threads().await;
        for _ in 0..SYSTEMS {
            run_one(&broker).await;
        }
        eventually(
            SOON,
            "its files are closed",
            async || match open_files_without_threads().await {
                now if now <= files => Ok(()),
                now => Err(format!("{now} files, and {files} after the first system")),
            },
        )
        .await;
    }

    /// Runs a system with a worker and a sink of its own, until it has handled and failed a message.
    async fn run_one(broker: &Broker) {
        let queue = Queue::classic("q").retry(Retry::none());
        let system = SystemBuilder::new(broker.url())
            .consume_fn(queue, async |order: Delivery<Text>| match order.body() {
                Text(text) if text == "bad" => Err(Failure::permanent("bad")),
                Text(_) => Ok(()),
            })
            .fail_sink(LogSink::default)
            .build()
            .expect("it is valid");
        let handle = system.start().expect("threads can be started");
        let ready = handle.wait_until(Status::is_ready).await;
        ready.expect("its broker is up");
        let publisher = handle.publisher();
        for text in ["good", "bad"] {
            let sent = publisher.send(Outgoing::to_queue("q", text)).await;
            sent.expect("the queue is there");
        }
        let done = handle.wait_until(|status| {
            let queue = &status.queues[0];
            (queue.handled, queue.failed) == (1, 1)
        });
        done.await.expect("both are handled");
        handle.stop();
        assert_eq!(handle.stopped().await, StopReason::Requested);
    }
}
