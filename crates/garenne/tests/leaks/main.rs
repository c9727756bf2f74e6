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

    /// How many threads this process has, and how many open files.
    fn held() -> (usize, usize) {
        let count = |of| fs::read_dir(of).expect("Linux has it").count();
        (count("/proc/self/task"), count("/proc/self/fd"))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_system_that_has_stopped_leaves_neither_threads_nor_open_files() {
        let broker = Broker::start().await.expect("there is a free port");
        // The first one may start what the process keeps.
        run_one(&broker).await;
        let (threads, files) = settled().await;
        for _ in 0..SYSTEMS {
            run_one(&broker).await;
        }
        eventually(SOON, "all of it is gone", async || match held() {
            (t, f) if t <= threads && f <= files => Ok(()),
            (t, f) => Err(format!("{t} threads of {threads}, {f} files of {files}")),
        })
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

    /// The numbers, once two looks in a row have seen the same.
    async fn settled() -> (usize, usize) {
        let mut last = held();
        eventually(SOON, "the numbers settle", async || {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let now = held();
            let same = now == std::mem::replace(&mut last, now);
            if same {
                Ok(now)
            } else {
                Err(format!("{now:?}"))
            }
        })
        .await
    }
}
