//! Makes a connection: first the socket, under garenne's timeouts, then the AMQP handshake.
//!
//! lapin's `Connection::connect` has no timeouts and leaks two tasks whenever a port refuses, so the socket
//! is dialled here and handed over.

use std::net::Shutdown;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use garenne_core::Epoch;
use lapin::tcp::AsyncTcpStream;
use lapin::uri::SASLMechanism;
use lapin::{Connection, ConnectionProperties};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tracing::debug;

use super::address::BrokerUrl;
use super::advice;
use super::candidates::{first_of, reach};
use super::error::{Kind, LinkError, timed_out};
use super::io::{self, Kit, Login, Pipe, Socket, Stream};
use super::tls::Tls;
use super::{Link, Purpose};

/// How long the AMQP handshake may take. A stopped broker accepts TCP but sends nothing.
pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// A second handle on the socket of a connection. Dropping it ends the connection for certain, whatever state
/// the client is in: otherwise a silent peer would keep a thread and a socket for ever.
#[derive(Debug)]
pub(crate) struct SocketGuard(std::net::TcpStream);

impl Drop for SocketGuard {
    fn drop(&mut self) {
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

type Dialled = (Connection, Arc<io::Shared>, SocketGuard);

/// The brokers of links, and how the links are secured.
pub(crate) struct Brokers<'a> {
    pub(crate) urls: &'a [BrokerUrl],
    pub(crate) tls: &'a Tls,
}

impl Brokers<'_> {
    /// Tries the brokers in turn; a silent broker does not block the next. A configuration fault at a
    /// broker helps the operator more than the silence of the others, so it is the error that is returned.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes all that was set up.
    pub(crate) async fn dial(
        &self,
        name: &str,
        runtime: &Handle,
        purpose: Purpose,
        epoch: Epoch,
    ) -> Result<Arc<Link>, LinkError> {
        let dialling = first_of(self.urls, |broker| async move {
            debug!(%broker, purpose = purpose.as_str(), "dialling");
            let (connection, io, socket) = dial(broker, self.tls, name, runtime).await?;
            let broker = broker.to_string();
            Ok(Link::new(purpose, epoch, broker, connection, io, socket))
        });
        dialling.await.map_err(|mut failed| {
            let worst = failed.iter().position(|e| e.kind == Kind::Configuration);
            // Otherwise the error of the last broker, as if they had been asked in turn.
            let told = worst.or(failed.len().checked_sub(1));
            told.map_or_else(
                || LinkError::configuration("no broker's address is configured".to_owned()),
                |told| failed.swap_remove(told),
            )
        })
    }
}

/// Connects to a broker, at its first address that works.
///
/// # Cancel safety
///
/// Dropping the future closes the socket and all that was set up with it.
async fn dial(
    broker: &BrokerUrl,
    tls: &Tls,
    name: &str,
    runtime: &Handle,
) -> Result<Dialled, LinkError> {
    reach(broker, |socket| async move {
        let (stream, guard) = secured(socket, broker, tls, runtime).await?;
        log_in(stream, guard, broker, name, runtime).await
    })
    .await
}

/// Lets lapin do the AMQP handshake over a stream.
async fn log_in(
    stream: Stream,
    guard: SocketGuard,
    broker: &BrokerUrl,
    name: &str,
    runtime: &Handle,
) -> Result<Dialled, LinkError> {
    let mut uri = broker.uri().clone();
    // lapin logs the bytes that it writes, so it does not get the password.
    let password = std::mem::take(&mut uri.authority.userinfo.password);
    let login = match uri.query.auth_mechanism {
        Some(SASLMechanism::External) => Login::external(),
        _ => Login::plain(broker.user(), &password),
    };
    let (io, pipe) = io::start(stream, uri.query.frame_max, login, runtime);
    let pipe = Mutex::new(Some(pipe));
    let hand_over = async move |_uri, _runtime| -> lapin::Result<AsyncTcpStream<Pipe>> {
        let taken = pipe.lock().unwrap_or_else(PoisonError::into_inner).take();
        let taken = taken.map(AsyncTcpStream::Plain);
        taken.ok_or_else(|| std::io::Error::other("the dialled socket was already used").into())
    };
    let connecting = Connection::connector(
        uri,
        async_rs::Runtime::new(Kit::new(runtime.clone())),
        hand_over,
        ConnectionProperties::default().with_connection_name(name.into()),
    );
    match timeout(HANDSHAKE_TIMEOUT, connecting).await {
        Ok(Ok(connection)) => Ok((connection, io, guard)),
        Ok(Err(error)) => Err(explain_handshake(&error, broker, &io)),
        Err(_) => Err(timed_out(
            &format!("the AMQP handshake with {broker}"),
            HANDSHAKE_TIMEOUT,
        )),
    }
}

/// Makes a stream of a socket, with TLS if the address asks for it. This runtime watches the socket.
pub(super) async fn secured(
    socket: TcpStream,
    broker: &BrokerUrl,
    tls: &Tls,
    runtime: &Handle,
) -> Result<(Stream, SocketGuard), LinkError> {
    let on = |error: LinkError| error.while_doing(format_args!("cannot reach {broker}"));
    let (socket, guard) = guarded(socket, runtime).map_err(|e| on(LinkError::of_io(e)))?;
    let plain = AsyncTcpStream::Plain(socket);
    if !broker.is_tls() {
        return Ok((plain, guard));
    }
    let files = broker.tls_files();
    let connector = tls.overridden_by(files).connector()?;
    let host = files.server_name.as_ref();
    let host = host.unwrap_or(&broker.uri().authority.host);
    let patience = broker.connect_timeout();
    let stream = timeout(patience, plain.into_rustls(&connector, host))
        .await
        .map_err(|_| on(timed_out("the TLS handshake", patience)))?
        .map_err(|e| on(LinkError::of_io(e)))?;
    Ok((stream, guard))
}

/// From now on this runtime watches the socket, even if another runtime connected it.
fn guarded(socket: TcpStream, runtime: &Handle) -> std::io::Result<(Socket, SocketGuard)> {
    socket.set_nodelay(true)?;
    let socket = socket.into_std()?;
    let guard = SocketGuard(socket.try_clone()?);
    let _entered = runtime.enter();
    Ok((Socket(TcpStream::from_std(socket)?), guard))
}

/// Adds advice to the broker's answer to a login.
fn explain_handshake(cause: &lapin::Error, broker: &BrokerUrl, io: &io::Shared) -> LinkError {
    let error = LinkError::of(cause);
    // The link's own task knows best why its stream ended.
    let error = io.end_of().filter(|_| error.code == 0).unwrap_or(error);
    let advice = advice::of_login(error.code, error.reason(), broker);
    let error = error.while_doing(format_args!("cannot log in to {broker}"));
    match advice {
        Some(advice) => error.with_advice(&advice),
        None => error,
    }
}
