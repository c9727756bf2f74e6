//! What a system is made of, and whether it can work.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Context, Handler};
use garenne_core::{Fault, OutageWindow, PREFETCH, Queue, Topology, WORKERS};

use super::alerting::OUTAGE_ALERT_AFTER;
use super::{System, env, run};
use crate::alert::AlertSetup;
use crate::body::Body;
use crate::build_error::BuildError;
use crate::consumer::{FnHandler, Recall, Replies, Settings, StartWorker, start_worker};
use crate::delivery::Delivery;
use crate::environment::{host_name, program_name};
use crate::failure::Failure;
use crate::identity::Identity;
use crate::link::Link;
use crate::link::{BrokerUrl, Tls};
use crate::logging;
use crate::publish::{CONFIRM_TIMEOUT, Delays, Limits, Publisher, Tasks};
use crate::quiet::QueueLog;
use crate::sink::Sinks;
use crate::status::QueueCounters;
use crate::supervisor::{Plan, Registration};
use tokio::sync::watch;

/// How long handlers in flight may take when the system stops: below the 30 s after which
/// Kubernetes kills.
const DRAIN_DEADLINE: Duration = Duration::from_secs(25);

/// Puts a system together: brokers, queues with their handlers, and what to do when things fail.
///
/// ```no_run
/// use garenne::prelude::*;
///
/// async fn charge(order: Delivery<Json<serde_json::Value>>) -> Result<(), Failure> {
///     println!("charged {}", order["order_id"]);
///     Ok(())
/// }
///
/// fn main() -> std::process::ExitCode {
///     SystemBuilder::from_env()
///         .consume_fn(Queue::quorum("orders").retry(Retry::every(20.secs()).times(3)), charge)
///         .run()
/// }
/// ```
#[must_use = "a builder does nothing until it is run"]
pub struct SystemBuilder {
    pub(super) brokers: Vec<BrokerUrl>,
    pub(super) tls: Tls,
    pub(super) window: OutageWindow,
    pub(super) drain_deadline: Duration,
    pub(super) prefetch: u16,
    pub(super) workers: u16,
    pub(super) service: String,
    pub(super) version: String,
    pub(super) confirm_timeout: Duration,
    pub(super) faults: Vec<Fault>,
    /// What the log says about the environment once it is there.
    pub(super) strange: Vec<String>,
    pub(super) alerts: Vec<AlertSetup>,
    pub(super) outage_alert_after: Duration,
    pub(super) queues: Vec<(Queue, StartWorker)>,
    pub(super) topology: Topology,
    pub(super) sinks: Sinks,
    pub(super) replies: Replies,
    publisher: Publisher,
    tasks: Tasks,
    publish: watch::Sender<Option<Arc<Link>>>,
}

impl SystemBuilder {
    /// A system at the broker (or the brokers, separated by commas and tried in turn) with this
    /// address: `amqp://user:password@host:5672/vhost`, as [`BrokerUrl`](crate::BrokerUrl) says.
    ///
    /// What is wrong with the address is reported by [`SystemBuilder::build`].
    pub fn new(brokers: impl AsRef<str>) -> Self {
        let (publish, publish_seen) = watch::channel(None);
        let (publisher, tasks) = Publisher::unstarted(publish_seen);
        let builder = Self {
            publisher,
            tasks,
            publish,
            brokers: Vec::new(),
            tls: Tls::default(),
            window: OutageWindow::default(),
            drain_deadline: DRAIN_DEADLINE,
            prefetch: PREFETCH,
            workers: WORKERS,
            service: program_name(),
            version: String::new(),
            confirm_timeout: CONFIRM_TIMEOUT,
            faults: Vec::new(),
            strange: Vec::new(),
            alerts: Vec::new(),
            outage_alert_after: OUTAGE_ALERT_AFTER,
            queues: Vec::new(),
            topology: Topology::new(),
            sinks: Sinks::default(),
            replies: Replies::default(),
        };
        builder.brokers("broker address", brokers.as_ref())
    }

    /// A system configured by the environment.
    ///
    /// | variable | meaning | default |
    /// |---|---|---|
    /// | `AMQP_URL` | the broker's address; several, separated by commas, are tried in turn | `amqp://localhost:5672` |
    /// | `GARENNE_OUTAGE_WINDOW` | how long one outage may last: `2m`, `never`, `fail-fast` | `2m` |
    /// | `GARENNE_DRAIN_DEADLINE` | how long handlers may take to finish when the system stops | `25s` |
    /// | `GARENNE_PREFETCH` | deliveries that one worker holds, 1–65535 | `100` |
    /// | `GARENNE_WORKERS` | workers per queue, 1–256 | `1` |
    /// | `GARENNE_TLS_CA`, `GARENNE_TLS_CERT`, `GARENNE_TLS_KEY` | PEM files for `amqps://` | the system's roots, no client certificate |
    /// | `GARENNE_ALERT_OUTAGE_AFTER` | how long an outage lasts before the alerts tell of it | `30s` |
    /// | `GARENNE_LOG` | `text` or `json`, on standard error | `text` |
    /// | `RUST_LOG` | what is logged | `info` |
    ///
    /// What is wrong with a value is reported by [`SystemBuilder::build`], all at once. What is set
    /// in code for one queue takes precedence over the environment.
    pub fn from_env() -> Self {
        env::apply(Self::new("amqp://localhost:5672"))
    }

    /// Consumes a queue with a handler actor.
    ///
    /// Each worker gets an actor of its own from the factory, on its own thread; one that panicked
    /// is dropped and made again.
    pub fn consume<A, B, F>(self, queue: Queue, factory: F) -> Self
    where
        A: Actor<Context = Context<A>> + Handler<Delivery<B>>,
        <A as Handler<Delivery<B>>>::Result: 'static,
        B: Body,
        F: Fn() -> A + Send + Sync + 'static,
    {
        let factory: Arc<dyn Fn() -> A + Send + Sync> = Arc::new(factory);
        self.register(queue, start_worker(factory))
    }

    /// Consumes a queue with an async function, which is all that a handler without state needs.
    pub fn consume_fn<B, F, R, E>(self, queue: Queue, function: F) -> Self
    where
        B: Body,
        F: Fn(Delivery<B>) -> R + Clone + Send + Sync + Unpin + 'static,
        R: Future<Output = Result<(), E>> + 'static,
        E: Into<Failure> + 'static,
    {
        self.consume(queue, move || FnHandler::<F, B>::new(function.clone()))
    }

    /// Also declares these queues, exchanges and bindings, for what handlers send to: at the start and after every
    /// outage, before the queues that it consumes. Each call adds some. That takes the right to
    /// configure them.
    ///
    /// ```no_run
    /// # use garenne::prelude::*;
    /// # async fn charge(order: Delivery<Text>) -> Result<(), Failure> { Ok(()) }
    /// SystemBuilder::from_env()
    ///     .consume_fn(Queue::quorum("orders"), charge)
    ///     .declare(Queue::quorum("invoices"))
    ///     .declare(Topology::new().exchange("events", ExchangeKind::Topic))
    ///     .run();
    /// ```
    pub fn declare(self, topology: impl Into<Topology>) -> Self {
        Self {
            topology: self.topology.and(topology),
            ..self
        }
    }

    /// The system's publisher, for handlers that send messages: clone it into their factory. It works
    /// as soon as the system has started; what is sent before waits for that.
    ///
    /// ```no_run
    /// # use garenne::prelude::*;
    /// let builder = SystemBuilder::from_env();
    /// let publisher = builder.publisher();
    /// builder
    ///     .consume_fn(Queue::quorum("orders"), move |order: Delivery<Text>| {
    ///         let publisher = publisher.clone();
    ///         async move {
    ///             publisher.send(Outgoing::to_queue("invoices", order.into_body())).await
    ///         }
    ///     })
    ///     .run();
    /// ```
    #[must_use]
    pub fn publisher(&self) -> Publisher {
        self.publisher.clone()
    }

    /// How long one outage may last before the system gives up: 2 minutes by default.
    pub fn outage_window(self, window: OutageWindow) -> Self {
        Self { window, ..self }
    }

    /// How long handlers in flight may take to finish when the system stops: 25 s by default. Keep
    /// it below what the process manager allows before it kills (Kubernetes: 30 s, supervisord:
    /// 10 s, systemd: 90 s).
    pub fn drain_deadline(self, drain_deadline: Duration) -> Self {
        Self {
            drain_deadline,
            ..self
        }
    }

    /// How many deliveries a worker holds, for queues that do not say it themselves: 100 by default.
    pub fn prefetch(self, prefetch: u16) -> Self {
        Self { prefetch, ..self }
    }

    /// How many workers a queue gets that does not say it itself: 1 by default.
    pub fn workers(self, workers: u16) -> Self {
        Self { workers, ..self }
    }

    /// How long a confirm is waited for, not counting time in which the broker blocks publishers:
    /// 10 s by default. Too short, and a slow broker gets copies twice.
    pub fn confirm_timeout(self, confirm_timeout: Duration) -> Self {
        Self {
            confirm_timeout,
            ..self
        }
    }

    /// What delayed messages of this system wait in: [`Delays::quorum`] by default. A publisher that
    /// was taken before knows it too.
    pub fn delays(self, delays: Delays) -> Self {
        self.publisher.set_delays(delays);
        self
    }

    /// TLS settings for `amqps://` brokers. With an `amqp://` address beside them, which would be plain
    /// text, [`SystemBuilder::build`] reports a fault.
    pub fn tls(self, tls: Tls) -> Self {
        Self { tls, ..self }
    }

    /// The name of the service, for connection names and failure records: by default the name of
    /// the program.
    pub fn service_name(self, service: impl Into<String>) -> Self {
        Self {
            service: service.into(),
            ..self
        }
    }

    /// The version of the service, for failure records: `env!("CARGO_PKG_VERSION")`, or whatever
    /// tells one build from another. None by default.
    pub fn service_version(self, version: impl Into<String>) -> Self {
        Self {
            version: version.into(),
            ..self
        }
    }

    /// Adds faults of the service's own configuration, to be reported together with all others.
    pub fn with_faults(mut self, faults: impl IntoIterator<Item = Fault>) -> Self {
        self.faults.extend(faults);
        self
    }

    /// Checks everything.
    ///
    /// # Errors
    ///
    /// [`BuildError`] with *all* that is wrong.
    pub fn build(mut self) -> Result<System, BuildError> {
        let mut faults = std::mem::take(&mut self.faults);
        faults.extend(self.faults_of_the_whole());
        let mut names = std::collections::HashSet::new();
        let mut registrations = Vec::new();
        for (queue, start) in self.queues {
            let queue = queue.or_defaults(self.prefetch, self.workers);
            faults.extend(queue.faults());
            if !names.insert(queue.name().to_owned()) {
                faults.push(Fault::new(
                    "queue",
                    queue.name(),
                    "each queue once; give it more workers instead",
                ));
            }
            let prefetch = queue.prefetch.unwrap_or(PREFETCH);
            let workers = queue.workers.unwrap_or(WORKERS);
            registrations.push(Registration {
                settings: Settings {
                    prefetch,
                    concurrency: queue.concurrency.unwrap_or(prefetch),
                    deadline: queue.deadline,
                },
                workers,
                counters: Arc::new(QueueCounters::default()),
                recall: Arc::new(Recall::default()),
                log: Arc::new(QueueLog::new(workers)),
                sharing: Arc::default(),
                queue: Arc::new(queue),
                start,
            });
        }
        if !faults.is_empty() {
            return Err(BuildError { faults });
        }
        self.publisher.set_patience(self.confirm_timeout);
        Ok(System {
            publisher: self.publisher,
            tasks: self.tasks,
            alerts: self.alerts,
            strange: self.strange,
            publish: self.publish,
            plan: Plan {
                brokers: self.brokers,
                tls: self.tls,
                window: self.window,
                drain_deadline: self.drain_deadline,
                limits: Limits::new(self.confirm_timeout),
                identity: Arc::new(Identity {
                    service: self.service,
                    host: host_name(),
                    version: self.version,
                }),
                queues: registrations,
                topology: self.topology,
                sinks: self.sinks,
                replies: Arc::new(self.replies),
                outage_alert_after: self.outage_alert_after,
            },
        })
    }

    /// Builds the system, runs it until it is told to stop (SIGTERM, SIGINT) or gives up, and
    /// returns the exit code for `main`: 0 stopped on request, 75 gave up on the broker, 78 faulty
    /// configuration, 70 internal error. The reason is also printed on standard error.
    ///
    /// Sets up logging as [`init_logging`](crate::init_logging) does, unless the program has done
    /// it already. A second signal ends the system at once.
    pub fn run(self) -> ExitCode {
        self.run_until(std::future::pending())
    }

    /// Like [`SystemBuilder::run`], and also stops when the future completes.
    pub fn run_until(self, stop: impl Future<Output = ()> + Send + 'static) -> ExitCode {
        logging::init();
        match self.build() {
            Ok(system) => system.run_until(stop),
            Err(error) => run::refuse(&error),
        }
    }

    pub(super) fn brokers(mut self, what: &str, addresses: &str) -> Self {
        let (brokers, faults) = BrokerUrl::parse_list(what, addresses);
        self.brokers = brokers;
        self.faults.extend(faults);
        self
    }

    fn register(mut self, queue: Queue, start: StartWorker) -> Self {
        self.queues.push((queue, start));
        self
    }
}
