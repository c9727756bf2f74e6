//! The runtime on which links live.

use std::os::unix::net::UnixStream;

use tokio::runtime::Runtime;

/// So many pairs of sockets must be there to be had. A runtime needs fewer.
const ROOM: usize = 4;

/// The runtime of links, on a thread of its own: whatever else the program does, heartbeats are sent.
pub(crate) fn links_runtime() -> std::io::Result<Runtime> {
    room_for_runtimes()?;
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("garenne-links")
        .enable_all()
        .build()
}

/// Fails where tokio would panic: the first runtime of a process makes what signals need, and expects that
/// it can.
fn room_for_runtimes() -> std::io::Result<()> {
    let sockets = (0..ROOM).map(|_| UnixStream::pair());
    sockets.collect::<std::io::Result<Vec<_>>>().map(drop)
}
