//! A name may have several addresses, and some of them may not answer.
//!
//! A cluster behind a name is the usual case: a node that is down may give no answer at all. So each
//! address gets some time alone, then the next address is tried in parallel (RFC 8305, "happy eyeballs"). A
//! broker that accepts a connection gets more time, because a login takes longer; then the next address is
//! tried in parallel with it too.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, sleep_until, timeout};

use super::address::BrokerUrl;
use super::error::{Kind, LinkError, seconds, timed_out};

/// How long an address is tried alone before the next starts in parallel (RFC 8305, section 8).
const STAGGER: Duration = Duration::from_millis(250);

/// How long a broker that accepted a connection is tried alone before the next starts in parallel. With a
/// shorter time, brokers that are slow because all clients reconnect would get twice the load.
const HEAD_START: Duration = Duration::from_secs(3);

/// How long a name may take to resolve. Resolvers ask a second server after 5 s.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(10);

/// At most this many addresses are tried. No cluster has that many nodes, and each address may cost a socket.
const MOST: usize = 64;

/// An error names at most this many addresses, and counts the others.
const TOLD: usize = 4;

/// Runs `work` over the first address of a broker at which it succeeds. The name is resolved anew.
///
/// # Errors
///
/// The error of each address, or the configuration fault that an address reported. A broker that refuses is
/// not asked again at its other addresses.
///
/// # Cancel safety
///
/// Dropping the future closes every socket.
pub(super) async fn reach<T, F>(
    broker: &BrokerUrl,
    work: impl Fn(TcpStream) -> F,
) -> Result<T, LinkError>
where
    F: Future<Output = Result<T, LinkError>>,
{
    let doing = format!("cannot reach {broker}");
    let addresses = resolve(broker)
        .await
        .map_err(|error| error.while_doing(&doing))?;
    Candidates::new(addresses, broker.connect_timeout(), doing)
        .reach(work)
        .await
}

/// Runs `work` with the brokers in turn, until it succeeds with a broker. If a broker has not
/// ended after its [`HEAD_START`], the next is tried in parallel.
///
/// # Errors
///
/// The errors of all brokers, in the order in which they failed.
///
/// # Cancel safety
///
/// Dropping the future drops all work.
pub(super) async fn first_of<'b, T, F>(
    brokers: impl IntoIterator<Item = &'b BrokerUrl>,
    work: impl Fn(&'b BrokerUrl) -> F,
) -> Result<T, Vec<LinkError>>
where
    F: Future<Output = Result<T, LinkError>>,
{
    first_with(HEAD_START, brokers, work).await
}

async fn first_with<B, T, F>(
    head_start: Duration,
    brokers: impl IntoIterator<Item = B>,
    work: impl Fn(B) -> F,
) -> Result<T, Vec<LinkError>>
where
    F: Future<Output = Result<T, LinkError>>,
{
    let mut brokers = brokers.into_iter().peekable();
    let mut at_work = FuturesUnordered::new();
    let mut failed = Vec::new();
    loop {
        let due = Instant::now() + head_start;
        if let Some(broker) = brokers.next() {
            at_work.push(work(broker));
        }
        let is_next = brokers.peek().is_some();
        tokio::select! {
            biased;
            ended = at_work.next() => match ended {
                Some(Ok(done)) => return Ok(done),
                Some(Err(error)) => failed.push(error),
                None => return Err(failed),
            },
            () = sleep_until(due), if is_next => {}
        }
    }
}

async fn resolve(broker: &BrokerUrl) -> Result<Vec<SocketAddr>, LinkError> {
    let authority = &broker.uri().authority;
    let resolving = lookup_host((authority.host.as_str(), authority.port));
    let found = timeout(RESOLVE_TIMEOUT, resolving)
        .await
        .map_err(|_| timed_out("this host's resolver of names", RESOLVE_TIMEOUT))?
        .map_err(|error| {
            let error = LinkError::of_io(error);
            error.with_advice(
                "correct the host in the address, or mend the resolver of names of this host",
            )
        })?;
    Ok(in_turn(found))
}

/// The addresses in the order of the resolver, but alternating between the two families: if one family does
/// not work at all, the second address is of the other.
fn in_turn(found: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut all: Vec<SocketAddr> = Vec::new();
    for address in found {
        if !all.contains(&address) && all.len() < MOST {
            all.push(address);
        }
    }
    let is_first_family = |address: &SocketAddr| {
        all.first()
            .is_some_and(|first| first.is_ipv4() == address.is_ipv4())
    };
    let (mut first, mut other): (VecDeque<_>, VecDeque<_>) =
        all.iter().copied().partition(is_first_family);
    let mut turns = Vec::with_capacity(all.len());
    while !(first.is_empty() && other.is_empty()) {
        turns.extend(first.pop_front());
        turns.extend(other.pop_front());
    }
    turns
}

/// The addresses of a name: those still to be tried, and those that failed.
struct Candidates {
    left: VecDeque<SocketAddr>,
    /// They have neither accepted nor refused so far.
    begun: VecDeque<SocketAddr>,
    failed: Vec<(SocketAddr, LinkError)>,
    /// How long a single connect may take.
    patience: Duration,
    /// See [`HEAD_START`].
    head_start: Duration,
    /// The first words of errors.
    doing: String,
}

impl Candidates {
    fn new(addresses: Vec<SocketAddr>, patience: Duration, doing: String) -> Self {
        Self {
            left: addresses.into(),
            begun: VecDeque::new(),
            failed: Vec::new(),
            patience,
            head_start: HEAD_START,
            doing,
        }
    }

    /// See [`reach`].
    async fn reach<T, F>(mut self, work: impl Fn(TcpStream) -> F) -> Result<T, LinkError>
    where
        F: Future<Output = Result<T, LinkError>>,
    {
        let mut at_work = FuturesUnordered::new();
        loop {
            let may_be_left = !(self.left.is_empty() && self.begun.is_empty());
            if may_be_left && !at_work.is_empty() {
                // Connections at work get some time before another address is tried.
                if let Ok(Some(ended)) = timeout(self.head_start, at_work.next()).await
                    && let Some(done) = self.ended(ended)
                {
                    return done;
                }
            }
            tokio::select! {
                biased;
                Some(ended) = at_work.next() => {
                    if let Some(done) = self.ended(ended) {
                        return done;
                    }
                }
                Some((address, socket)) = self.connect() => {
                    let work = work(socket);
                    at_work.push(async move { (address, work.await) });
                }
                else => return Err(self.into_error()),
            }
        }
    }

    /// The result of the work over an address; `None`: the other addresses are tried.
    fn ended<T>(
        &mut self,
        (address, result): (SocketAddr, Result<T, LinkError>),
    ) -> Option<Result<T, LinkError>> {
        match result {
            Err(error) if error.code == 0 || error.kind != Kind::Configuration => {
                self.failed.push((address, error));
                None
            }
            decided => Some(decided),
        }
    }

    /// The first remaining address that accepts a connection, if any does. Addresses whose connect had begun
    /// remain.
    ///
    /// # Cancel safety
    ///
    /// A second call begins with the same addresses.
    async fn connect(&mut self) -> Option<(SocketAddr, TcpStream)> {
        self.begun.append(&mut self.left);
        self.left = std::mem::take(&mut self.begun);
        let patience = self.patience;
        let mut connecting = FuturesUnordered::new();
        let mut next = Instant::now();
        let connected = loop {
            tokio::select! {
                biased;
                Some((address, result)) = connecting.next() => match result {
                    Ok(socket) => break Some((address, socket)),
                    Err::<_, LinkError>(error) => {
                        self.begun.retain(|other| *other != address);
                        self.failed.push((address, error.while_doing(&self.doing)));
                        next = Instant::now();
                    }
                },
                () = sleep_until(next), if !self.left.is_empty() => {
                    if let Some(address) = self.left.pop_front() {
                        self.begun.push_back(address);
                        connecting.push(async move { (address, connect(address, patience).await) });
                        next = Instant::now() + STAGGER;
                    }
                }
                else => break None,
            }
        };
        if let Some((address, _)) = &connected {
            self.begun.retain(|other| other != address);
        }
        connected
    }

    /// The error when no address succeeded.
    fn into_error(self) -> LinkError {
        let Self {
            doing, mut failed, ..
        } = self;
        let is_configuration =
            |(_, error): &(SocketAddr, LinkError)| error.kind == Kind::Configuration;
        let worst = failed.iter().position(is_configuration);
        match worst.or((failed.len() == 1).then_some(0)) {
            Some(at) => failed.swap_remove(at).1,
            None if failed.is_empty() => {
                LinkError::transient(format!("{doing}: its name has no address"))
            }
            None => {
                let count = failed.len();
                let told: Vec<_> = failed
                    .iter()
                    .take(TOLD)
                    .map(|failed| told(failed, &doing))
                    .collect();
                let more = match count.saturating_sub(TOLD) {
                    0 => String::new(),
                    more => format!("; and {more} more"),
                };
                let told = told.join("; ");
                LinkError::transient(format!(
                    "{doing} at any of its {count} addresses: {told}{more}"
                ))
            }
        }
    }
}

fn told((address, error): &(SocketAddr, LinkError), doing: &str) -> String {
    let text = error.to_string();
    let why = text
        .strip_prefix(doing)
        .and_then(|rest| rest.strip_prefix(": "));
    format!("{}: {}", address.ip(), why.unwrap_or(&text))
}

async fn connect(address: SocketAddr, patience: Duration) -> Result<TcpStream, LinkError> {
    match timeout(patience, TcpStream::connect(address)).await {
        Ok(connected) => connected.map_err(LinkError::of_io),
        Err(_) => Err(LinkError::transient(format!(
            "no answer within {}; the host is down, or something drops what is sent to it",
            seconds(patience)
        ))),
    }
}

#[cfg(test)]
mod tests;
