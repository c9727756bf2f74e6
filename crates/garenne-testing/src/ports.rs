//! Ports that no other test process on this machine will take.

use std::net::{Ipv4Addr, TcpListener};

/// Below the ports that the kernel hands out by itself, so that a port stays ours while nobody
/// listens on it: a killed broker finds its port free again.
const FIRST: u16 = 20_000;
const LAST: u16 = 30_000;
const BLOCK: u16 = 8;

/// A block of loopback ports, ours until dropped.
///
/// The first port of the block is kept bound as the claim; every harness looks at the claim only,
/// and the kernel gives it back even when this process is killed.
#[derive(Debug)]
pub(crate) struct PortBlock {
    base: u16,
    _claim: TcpListener,
}

impl PortBlock {
    /// Claims a block of which all ports are free.
    pub(crate) fn claim() -> Self {
        let blocks = (LAST - FIRST) / BLOCK;
        // Processes that start together begin to search at different places.
        let start = u16::try_from(std::process::id() % u32::from(blocks)).unwrap_or_default();
        (0..blocks)
            .map(|i| FIRST + (start + i) % blocks * BLOCK)
            .find_map(|base| {
                let claim = bind(base)?;
                let free = (base + 1..base + BLOCK).all(|port| bind(port).is_some());
                free.then_some(Self {
                    base,
                    _claim: claim,
                })
            })
            .unwrap_or_else(|| panic!("no {BLOCK} free ports in a row between {FIRST} and {LAST}"))
    }

    /// The `n`th usable port of the block, from 0.
    pub(crate) fn port(&self, n: u16) -> u16 {
        assert!(n + 1 < BLOCK, "a block has {} usable ports", BLOCK - 1);
        self.base + 1 + n
    }

    /// A number that no other living block on this machine has.
    pub(crate) fn number(&self) -> u16 {
        self.base
    }
}

fn bind(port: u16) -> Option<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()
}
