//! The table of patterns and of the only files that may have them.

/// Some patterns, and the only files that may have them.
pub(super) struct Rule {
    /// Any of these is meant.
    pub(super) patterns: &'static [&'static str],
    /// Files with these beginnings are looked at.
    pub(super) within: &'static [&'static str],
    /// These files, or folders of files, may have it.
    pub(super) only: &'static [&'static str],
    /// Whether tests are looked at as well, or alone.
    pub(super) tests: Tests,
    /// Why.
    pub(super) why: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tests {
    /// Tests may do it.
    May,
    /// Tests may not do it either.
    MayNot,
    /// Only tests may not do it.
    AloneMayNot,
}

const GARENNE: &[&str] = &["crates/garenne/src/"];

pub(super) const RULES: &[Rule] = &[
    Rule {
        patterns: &["unsafe"],
        within: &[""],
        only: &[],
        tests: Tests::MayNot,
        why: "nothing here is worth undefined behaviour",
    },
    Rule {
        patterns: &[
            "writer.settle(",
            "writer().settle(",
            "writer.give_back_all(",
            "writer().give_back_all(",
        ],
        within: GARENNE,
        only: &[
            "crates/garenne/src/consumer/acks.rs",
            "crates/garenne/src/failed/cursor.rs",
            "crates/garenne/src/failed/giving_back.rs",
        ],
        tests: Tests::MayNot,
        why: "one task settles the deliveries of a channel, and the reader of parking queues what it read",
    },
    Rule {
        patterns: &["Settled::Ack"],
        within: GARENNE,
        only: &[
            "crates/garenne/src/consumer/settle",
            // These obey it.
            "crates/garenne/src/consumer/channel.rs",
            "crates/garenne/src/consumer/recall.rs",
        ],
        tests: Tests::MayNot,
        why: "only the last step of a delivery's life says that it is acked",
    },
    Rule {
        patterns: &[
            "basic_publish",
            "basic_ack",
            "basic_nack",
            "basic_reject",
            "basic_get",
            "basic_consume",
        ],
        within: GARENNE,
        only: &["crates/garenne/src/link/io/port.rs"],
        tests: Tests::MayNot,
        why: "the client library sees no message",
    },
    Rule {
        patterns: &["writer().publish(", "writer.publish("],
        within: GARENNE,
        only: &[
            "crates/garenne/src/publish/session.rs",
            // The probe of `garenne doctor`.
            "crates/garenne/src/admin/checks.rs",
        ],
        tests: Tests::MayNot,
        why: "one task publishes on a channel, and knows whose confirms come back",
    },
    Rule {
        patterns: &["Connection::connect", "Connection::connector"],
        within: GARENNE,
        only: &["crates/garenne/src/link/dial.rs"],
        tests: Tests::MayNot,
        why: "dialling has timeouts, TLS and the reader of the link",
    },
    Rule {
        patterns: &["env::var", "env::var_os", "env::vars", "env::vars_os"],
        within: &["crates/"],
        only: &[
            "crates/garenne/src/environment.rs",
            "crates/garenne/src/logging.rs",
            "crates/garenne-cli/src/commands/failed/edit.rs",
            "crates/garenne-cli/src/store.rs",
            "crates/garenne-testing/src/journal.rs",
            "crates/garenne-testing/src/rabbit/",
            // Programs that developers call.
            "crates/garenne/examples/",
            "crates/garenne-broker/examples/",
            "crates/xtask/",
        ],
        tests: Tests::May,
        why: "whoever configures a service must find all variables in one place",
    },
    Rule {
        patterns: &["SystemTime::now", "Instant::now"],
        within: &["crates/garenne-core/", "crates/garenne-broker/src/engine/"],
        only: &[],
        tests: Tests::MayNot,
        why: "time comes in as an argument, so that a test can let years pass",
    },
    Rule {
        patterns: &["Instant::now"],
        within: GARENNE,
        only: &[
            "crates/garenne/src/alert/line.rs",
            "crates/garenne/src/consumer/acks.rs",
            "crates/garenne/src/consumer/actor.rs",
            "crates/garenne/src/consumer/feed.rs",
            "crates/garenne/src/consumer/handler.rs",
            "crates/garenne/src/consumer/hold.rs",
            "crates/garenne/src/consumer/in_hand.rs",
            "crates/garenne/src/consumer/recall.rs",
            "crates/garenne/src/dedup.rs",
            "crates/garenne/src/failed/",
            "crates/garenne/src/link/",
            "crates/garenne/src/logging/stderr.rs",
            "crates/garenne/src/publish/clock.rs",
            "crates/garenne/src/publish/entrance.rs",
            "crates/garenne/src/publish/golang_rabbitmq.rs",
            "crates/garenne/src/publish/job.rs",
            "crates/garenne/src/publish/levels.rs",
            "crates/garenne/src/quiet.rs",
            "crates/garenne/src/sink/asked.rs",
            "crates/garenne/src/supervisor/",
            "crates/garenne/src/system/run.rs",
        ],
        tests: Tests::May,
        why: "time is read where things happen, and decisions are told it",
    },
    Rule {
        patterns: &["thread::sleep"],
        within: &["crates/", "examples/"],
        // It waits for processes, and has nothing else to do.
        only: &["crates/xtask/src/interop/clients.rs"],
        tests: Tests::May,
        why: "a thread that sleeps delays every actor on it; await a condition",
    },
    Rule {
        patterns: &["sleep("],
        within: &["crates/", "integration-tests/", "examples/"],
        // The one helper that waits for a condition, handlers under test that take their time, brokers that
        // are slow under test, and programs that are measured, which wait as programs do.
        only: &[
            "crates/garenne-testing/src/wait.rs",
            "crates/garenne-testing/tests/kit/performed.rs",
            "crates/garenne/src/link/candidates/tests.rs",
            "examples/testing-your-handler/tests/bank/mod.rs",
            "integration-tests/peers/",
        ],
        tests: Tests::AloneMayNot,
        why: "wait for an event or a condition with a deadline",
    },
    Rule {
        patterns: &["println!(", "print!(", "eprintln!(", "eprint!("],
        within: &["crates/", "examples/"],
        // Programs that measure, or that a developer looks at: nothing is lost.
        only: &[
            "crates/garenne/examples/",
            "crates/garenne-broker/examples/",
            "crates/xtask/",
        ],
        tests: Tests::May,
        why: "these macros panic when nobody reads; logs, `Screen` and `say` do not",
    },
    Rule {
        patterns: &["stdout()", "stderr()"],
        within: &["crates/", "examples/"],
        only: &[
            "crates/garenne/src/logging.rs",
            "crates/garenne/src/logging/stderr.rs",
            "crates/garenne-broker/src/bin/garenne-broker/main.rs",
            "crates/garenne-cli/src/commands/failed/export.rs",
            "crates/garenne-cli/src/output/progress.rs",
            "crates/garenne-cli/src/output/screen.rs",
            "crates/garenne-cli/src/secrets.rs",
            "crates/xtask/",
            "examples/failed-orders/src/main.rs",
            "examples/golang-rabbitmq/src/shared.rs",
            "examples/order-service/src/orders.rs",
            "examples/producer/src/main.rs",
            "examples/quickstart/src/main.rs",
        ],
        tests: Tests::May,
        why: "whoever reads a standard stream may stall or be gone, and a text may be a stranger's",
    },
];
