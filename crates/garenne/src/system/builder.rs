//! The builder of a system.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use garenne_core::{Fault, OutageWindow, PREFETCH, Queue, Topology, WORKERS};

use super::alerting::OUTAGE_ALERT_AFTER;
use super::{env, run};
use crate::alert::AlertSetup;
use crate::body::Body;
use crate::consumer::{FnHandler, IntoHandler, Replies, StartWorker, start_worker};
use crate::delivery::Delivery;
use crate::environment::program_name;
use crate::failure::IntoFailure;
use crate::link::{BrokerUrl, Link, Tls};
use crate::logging;
use crate::publish::{CONFIRM_TIMEOUT, Delays, Publisher, Tasks};
use crate::sink::Sinks;
use tokio::sync::watch;

/// How long handlers in flight may take when the system stops: below the 30 s after which
/// Kubernetes kills.
const DRAIN_DEADLINE: Duration = Duration::from_secs(25);

/// Puts a system together: brokers, queues with their handlers, and the handling of failures.
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
    /// Notes about the environment, for the log, once logging is set up.
    pub(super) strange: Vec<String>,
    pub(super) alerts: Vec<AlertSetup>,
    pub(super) outage_alert_after: Duration,
    pub(super) queues: Vec<(Queue, StartWorker)>,
    pub(super) topology: Topology,
    pub(super) sinks: Sinks,
    pub(super) replies: Replies,
    pub(super) publisher: Publisher,
    pub(super) tasks: Tasks,
    pub(super) publish: watch::Sender<Option<Arc<Link>>>,
}

impl SystemBuilder {
    /// A system at the broker with this address: `amqp://user:password@host:5672/vhost`, as
    /// [`BrokerUrl`](crate::BrokerUrl) says. Several addresses, separated by commas, are tried in turn.
    ///
    /// [`SystemBuilder::build`] reports faults of the address.
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
    /// [`SystemBuilder::build`] reports all faulty values at once. A setting for a single queue in code
    /// takes precedence over the environment.
    pub fn from_env() -> Self {
        env::apply(Self::new("amqp://localhost:5672"))
    }

    /// Consumes a queue with handlers that this factory makes: structs that implement
    /// [`Handle`](crate::Handle), or actors that handle [`Delivery`].
    ///
    /// Each worker gets a handler of its own from the factory, on its own thread; a handler that panicked
    /// is dropped and made again.
    ///
    /// ```no_run
    /// # use garenne::prelude::*;
    /// #[derive(Default)]
    /// struct Charge; // any state lives here
    ///
    /// impl Handle<Text> for Charge {
    ///     async fn handle(&self, order: Delivery<Text>) -> Result<(), Failure> {
    ///         println!("charged {}", order.body().0);
    ///         Ok(())
    ///     }
    /// }
    ///
    /// SystemBuilder::from_env().consume(Queue::quorum("orders"), Charge::default).run();
    /// ```
    ///
    /// An actor has a mailbox beside the queue, timers, and `started` and `stopped`:
    ///
    /// ```no_run
    /// # use garenne::prelude::*;
    /// #[derive(Default)]
    /// struct Charge;
    ///
    /// impl Actor for Charge {
    ///     type Context = Context<Self>;
    /// }
    ///
    /// impl Handler<Delivery<Text>> for Charge {
    ///     type Result = HandlerFuture; // a boxed future of Result<(), Failure>
    ///
    ///     fn handle(&mut self, order: Delivery<Text>, _: &mut Self::Context) -> Self::Result {
    ///         Box::pin(async move {
    ///             println!("charged {}", order.body().0);
    ///             Ok(())
    ///         })
    ///     }
    /// }
    ///
    /// SystemBuilder::from_env().consume(Queue::quorum("orders"), Charge::default).run();
    /// ```
    pub fn consume<Kind, H, F>(self, queue: Queue, factory: F) -> Self
    where
        H: IntoHandler<Kind>,
        H::Body: Body,
        F: Fn() -> H + Send + Sync + 'static,
    {
        let factory: Arc<dyn Fn() -> H::Actor + Send + Sync> =
            Arc::new(move || factory().into_actor());
        self.register(queue, start_worker(factory))
    }

    /// Consumes a queue with an async function, which is enough for a handler without state.
    ///
    /// The error of its result is a [`Failure`](crate::Failure), or any type that becomes a `Failure`.
    pub fn consume_fn<B, F, R, E>(self, queue: Queue, function: F) -> Self
    where
        B: Body,
        F: Fn(Delivery<B>) -> R + Clone + Send + Sync + Unpin + 'static,
        R: Future<Output = Result<(), E>> + 'static,
        E: IntoFailure + 'static,
    {
        let factory: Arc<dyn Fn() -> FnHandler<F, B> + Send + Sync> =
            Arc::new(move || FnHandler::new(function.clone()));
        self.register(queue, start_worker(factory))
    }

    /// Also declares these queues, exchanges and bindings, which handlers send to: at the start and after
    /// every outage, before the queues that the system consumes. Each call adds some. Declaring takes the
    /// right to configure them.
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

    /// The system's publisher, for handlers that send messages: clone it into their factory. It works as
    /// soon as the system has started; a message that is sent earlier waits for the start.
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

    /// How long an outage may last before the system gives up: 2 minutes by default.
    pub fn outage_window(self, window: OutageWindow) -> Self {
        Self { window, ..self }
    }

    /// How long handlers in flight may take to finish when the system stops: 25 s by default. Keep it below
    /// the time after which the process manager kills (Kubernetes: 30 s, supervisord: 10 s, systemd: 90 s).
    pub fn drain_deadline(self, drain_deadline: Duration) -> Self {
        Self {
            drain_deadline,
            ..self
        }
    }

    /// How many deliveries a worker holds, for queues without a setting of their own: 100 by default.
    pub fn prefetch(self, prefetch: u16) -> Self {
        Self { prefetch, ..self }
    }

    /// How many workers a queue gets, for queues without a setting of their own: 1 by default.
    pub fn workers(self, workers: u16) -> Self {
        Self { workers, ..self }
    }

    /// How long a publisher waits for a confirm: 10 s by default. Time in which the broker blocks
    /// publishers does not count. Too short: a slow broker gets copies twice.
    pub fn confirm_timeout(self, confirm_timeout: Duration) -> Self {
        Self {
            confirm_timeout,
            ..self
        }
    }

    /// The queues in which delayed messages of this system wait: [`Delays::quorum`] by default. A publisher
    /// that was taken before this call uses them too.
    pub fn delays(self, delays: Delays) -> Self {
        self.publisher.set_delays(delays);
        self
    }

    /// TLS settings for `amqps://` brokers. If an `amqp://` address stands beside them, its connection
    /// would be plain text, so [`SystemBuilder::build`] reports a fault.
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

    /// The version of the service, for failure records: `env!("CARGO_PKG_VERSION")`, or any text that
    /// distinguishes builds. None by default.
    pub fn service_version(self, version: impl Into<String>) -> Self {
        Self {
            version: version.into(),
            ..self
        }
    }

    /// Adds faults of the service's own configuration; they are reported together with all others.
    pub fn with_faults(mut self, faults: impl IntoIterator<Item = Fault>) -> Self {
        self.faults.extend(faults);
        self
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
