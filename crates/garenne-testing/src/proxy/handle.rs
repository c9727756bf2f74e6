//! The handle of the proxy.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::door;
use super::shared::{Condition, Direction, Door, End, Shared};
use crate::ports::PortBlock;
use crate::rabbit::RabbitNode;
use crate::wait::eventually;

/// A proxy on loopback between clients and one broker.
///
/// | what happens to a network | here |
/// |---|---|
/// | nobody listens; somebody listens and says nothing | [`refuse`](Self::refuse), [`accept_nothing`](Self::accept_nothing) |
/// | a connection ends: reset, closed, in the middle of a frame | [`cut`](Self::cut), [`close`](Self::close), [`cut_after`](Self::cut_after) |
/// | it ends and the client is not told | [`half_open`](Self::half_open) |
/// | bytes do not arrive, in one direction or both | [`freeze`](Self::freeze), [`freeze_way`](Self::freeze_way) |
/// | they arrive late, or slowly | [`delay`](Self::delay), [`throttle`](Self::throttle) |
///
/// What is wrong stays wrong, also for connections that come later, until it is put right:
/// [`accept`](Self::accept), [`thaw`](Self::thaw), a delay of zero, [`unthrottle`](Self::unthrottle).
///
/// Its tasks belong to the runtime in which it was started; they end when it is dropped.
#[derive(Debug)]
pub struct FaultProxy {
    port: u16,
    shared: Arc<Shared>,
    _block: PortBlock,
}

impl FaultProxy {
    /// A proxy before `node`, open. The node may come and go behind it.
    pub async fn before(node: &RabbitNode) -> Self {
        Self::before_port(node.port()).await
    }

    /// A proxy before whatever listens, or will listen, on this port of the loopback.
    pub async fn before_port(upstream: u16) -> Self {
        let block = PortBlock::claim();
        let port = block.port(0);
        let shared = Arc::new(Shared::new(upstream));
        tokio::spawn(door::keep(Arc::clone(&shared), port));
        let proxy = Self {
            port,
            shared,
            _block: block,
        };
        proxy.accept().await;
        proxy
    }

    /// The port of the loopback on which clients find it.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a virtual host of the broker behind it, for the user `guest`.
    #[must_use]
    pub fn url(&self, vhost: &str) -> String {
        crate::rabbit::url("guest", "guest", self.port, vhost)
    }

    /// Accepts connections and connects them to the broker, after `refuse` or `accept_nothing`.
    pub async fn accept(&self) {
        self.turn_door(Door::Open).await;
    }

    /// Refuses new connections; open ones stay.
    pub async fn refuse(&self) {
        self.turn_door(Door::Refusing).await;
    }

    /// Accepts new connections and says nothing on them, as a stopped broker does.
    pub async fn accept_nothing(&self) {
        self.turn_door(Door::Silent).await;
    }

    /// Ends all connections with a TCP reset, to both sides.
    pub async fn cut(&self) {
        self.end(End::Reset).await;
    }

    /// Ends all connections as TCP wants it.
    pub async fn close(&self) {
        self.end(End::Close).await;
    }

    /// Ends all connections on the broker's side, with a TCP reset, and tells the clients nothing: what
    /// they say is taken and never answered, as when the broker's machine has lost its power. Such a
    /// connection is no longer [`open`](Self::open); it ends when its client ends it, or with
    /// [`cut`](Self::cut) or [`close`](Self::close).
    pub async fn half_open(&self) {
        self.end(End::HalfOpen).await;
    }

    /// Holds back all bytes of both directions; nothing is lost yet.
    pub fn freeze(&self) {
        self.freeze_way(Direction::ToBroker);
        self.freeze_way(Direction::ToClient);
    }

    /// Holds back the bytes of one direction.
    pub fn freeze_way(&self, direction: Direction) {
        self.change(direction, |condition| condition.frozen = true);
    }

    /// Lets everything pass again, first of all what was held back. Delays and limits of the
    /// bandwidth stay.
    pub fn thaw(&self) {
        self.change_all(|condition| condition.frozen = false);
    }

    /// Lets all bytes of both directions arrive so much later than they were sent, in their order and
    /// without loss; zero, as in the beginning, is at once. A question and its answer take twice that.
    ///
    /// It counts for bytes that are on their way, too. A megabyte or so of each connection and
    /// direction can be on its way; who sends more has to wait.
    pub fn delay(&self, by: Duration) {
        self.change_all(|condition| condition.delay = by);
    }

    /// The same in one direction.
    pub fn delay_way(&self, by: Duration, direction: Direction) {
        self.change(direction, |condition| condition.delay = by);
    }

    /// Lets at most so many bytes per second pass, in each direction of each connection. In the
    /// beginning there is no limit; one that is high does nothing, one that is low makes heartbeats
    /// late as well.
    ///
    /// # Panics
    ///
    /// When it is 0: that is [`freeze`](Self::freeze).
    pub fn throttle(&self, bytes_per_second: u64) {
        self.throttle_way(bytes_per_second, Direction::ToBroker);
        self.throttle_way(bytes_per_second, Direction::ToClient);
    }

    /// The same in one direction.
    ///
    /// # Panics
    ///
    /// When it is 0: that is [`freeze_way`](Self::freeze_way).
    pub fn throttle_way(&self, bytes_per_second: u64, direction: Direction) {
        assert!(bytes_per_second > 0, "0 bytes per second: freeze instead");
        let limit = Some(bytes_per_second);
        self.change(direction, |condition| condition.bandwidth = limit);
    }

    /// Lets bytes pass as fast as they come again.
    pub fn unthrottle(&self) {
        self.change_all(|condition| condition.bandwidth = None);
    }

    /// Cuts all connections once `bytes` more bytes have passed in one direction, in the middle of
    /// a frame or not.
    pub fn cut_after(&self, bytes: usize, direction: Direction) {
        *self.shared.way(direction).allowance() = Some(bytes);
    }

    /// How many connections were accepted so far.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// How many connections are open on both sides.
    #[must_use]
    pub fn open(&self) -> usize {
        self.shared.open().len()
    }

    /// How many bytes passed in one direction.
    #[must_use]
    pub fn bytes(&self, direction: Direction) -> u64 {
        self.shared.way(direction).bytes.load(Ordering::Relaxed)
    }

    fn change(&self, direction: Direction, change: impl FnOnce(&mut Condition)) {
        self.shared.way(direction).condition.send_modify(change);
    }

    fn change_all(&self, change: impl Fn(&mut Condition)) {
        for way in self.shared.ways() {
            way.condition.send_modify(&change);
        }
    }

    async fn turn_door(&self, door: Door) {
        self.shared.door.send_replace(door);
        let listens = door != Door::Refusing;
        let turned = self
            .shared
            .listening
            .subscribe()
            .wait_for(|now| *now == listens)
            .await
            .is_ok();
        assert!(turned, "the proxy's door keeper lives as long as the proxy");
    }

    async fn end(&self, how: End) {
        let doomed = self.shared.open().clone();
        // No connection, no receiver: nothing to end.
        let _nobody = self.shared.ends.send(how);
        // Meanwhile clients may have come back through an open door.
        let soon = Duration::from_secs(10);
        eventually(soon, "the proxy's connections have ended", async || {
            let left = self.shared.open().intersection(&doomed).count();
            if left == 0 {
                Ok(())
            } else {
                Err(format!("{left} open"))
            }
        })
        .await;
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.door.send_replace(Door::Gone);
        let _nobody = self.shared.ends.send(End::Reset);
    }
}
