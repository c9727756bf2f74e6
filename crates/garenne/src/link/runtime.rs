//! The runtime of links.

use std::os::unix::net::UnixStream;

use tokio::runtime::Runtime;

/// At least this many pairs of sockets must be available. A runtime needs fewer.
const ROOM: usize = 4;

/// The runtime of links, on its own thread: it sends heartbeats whatever else the program does.
pub(crate) fn links_runtime() -> std::io::Result<Runtime> {
    room_for_runtimes()?;
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("garenne-links")
        .enable_all()
        .build()
}

/// Fails where tokio would panic: the first runtime of a process makes sockets for signals, and panics if
/// that fails.
fn room_for_runtimes() -> std::io::Result<()> {
    let sockets = (0..ROOM).map(|_| UnixStream::pair());
    sockets.collect::<std::io::Result<Vec<_>>>().map(drop)
}
