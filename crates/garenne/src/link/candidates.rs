//! A name may have several addresses, of which some do not answer.
//!
//! A cluster behind one name is the usual case: a node that is down may say nothing at all. So each
//! address has some time for itself, and then the next one is tried beside it (RFC 8305, "happy
//! eyeballs"). A broker that accepts a connection has more time, because a log-in is work; then the next
//! address is tried beside that one too.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, sleep_until, timeout};

use super::address::BrokerUrl;
use super::error::{Kind, LinkError, seconds, timed_out};

/// How long an address has for itself before the next one is tried beside it (RFC 8305, section 8).
const STAGGER: Duration = Duration::from_millis(250);

/// How long a broker that has accepted a connection has for itself before the next one is tried beside it.
/// Shorter, and brokers that are slow because everybody comes back to them would be asked twice as much.
const HEAD_START: Duration = Duration::from_secs(3);

/// How long a name may take to be resolved. Resolvers ask a second server after 5 s.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(10);

/// So many addresses are tried. No cluster has as many nodes, and each may cost a socket.
const MOST: usize = 64;

/// An error names so many addresses, and counts the others.
const TOLD: usize = 4;

/// Does something over the first address of a broker with which that works. The name is resolved anew.
///
/// # Errors
///
/// What each address failed with, or the fault of the configuration that one of them told of. A broker
/// that refuses is not asked again at its other addresses.
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

/// Does something with one broker after the other until it is done with one. A broker that has not ended
/// after its [`HEAD_START`] is not waited for alone: the next one is tried beside it.
///
/// # Errors
///
/// What they failed with, in the order in which they did.
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

/// The addresses in the order of the resolver, but the two families by turns: where one of them does not
/// work at all, the other is second.
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

/// The addresses of one name: what is left to be tried, and what was of no use.
struct Candidates {
    left: VecDeque<SocketAddr>,
    /// They neither accept nor refuse so far.
    begun: VecDeque<SocketAddr>,
    failed: Vec<(SocketAddr, LinkError)>,
    /// How long one of them may take.
    patience: Duration,
    /// See [`HEAD_START`].
    head_start: Duration,
    /// What errors begin with.
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
                // Those at work have some time for themselves.
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

    /// What came of the work over one address; `None`: the others are tried.
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

    /// The first of those that are left to accept a connection, if any does. Those that had begun with
    /// it are still left.
    ///
    /// # Cancel safety
    ///
    /// Whoever calls it again begins with the same addresses.
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

    /// What to tell when none was of use.
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
