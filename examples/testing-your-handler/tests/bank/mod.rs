//! The bank of the tests: does what a test wants.

use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::time::Duration;

use testing_your_handler::{Cards, Declined, Order};

/// Declines so many times, takes so long, and remembers what it was asked for.
#[derive(Debug, Default)]
pub(crate) struct Bank {
    pub(crate) declines: u32,
    pub(crate) takes: Duration,
    pub(crate) asked: Mutex<Vec<u64>>,
}

impl Bank {
    pub(crate) fn that_declines(declines: u32) -> Self {
        Self {
            declines,
            ..Self::default()
        }
    }

    /// How often it was asked to charge an order.
    pub(crate) fn times_asked(&self, order: u64) -> usize {
        let asked = self.asked.lock().expect("no test panics with it");
        asked.iter().filter(|id| **id == order).count()
    }
}

impl Cards for Bank {
    fn charge(&self, order: &Order) -> Pin<Box<dyn Future<Output = Result<(), Declined>>>> {
        self.asked
            .lock()
            .expect("no test panics with it")
            .push(order.id);
        let declined = self.times_asked(order.id) <= self.declines as usize;
        let takes = self.takes;
        Box::pin(async move {
            tokio::time::sleep(takes).await;
            if declined { Err(Declined) } else { Ok(()) }
        })
    }
}
