//! What is measured in a run.

use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quantity {
    /// Messages per second, from the first to the last.
    Speed,
    /// CPU of the process per message, in µs, from the first to the last.
    Cpu,
    /// The most memory that the process ever had, in MiB.
    Peak,
    /// From the start of the process to its first message, in ms.
    First,
    /// From the start of the process to its last message, in ms.
    Last,
    /// From a broker that accepts connections again to the first message, in ms.
    Recovery,
    /// Half of the messages are handled within so many ms of being published.
    P50,
    /// 99 in 100 of them.
    P99,
    /// 999 in 1,000 of them.
    P999,
}

impl Quantity {
    pub(crate) fn head(self) -> &'static str {
        match self {
            Self::Speed => "messages/s",
            Self::Cpu => "CPU µs/message",
            Self::Peak => "peak MiB",
            Self::First => "first message, ms",
            Self::Last => "last message, ms",
            Self::Recovery => "recovery, ms",
            Self::P50 => "p50, ms",
            Self::P99 => "p99, ms",
            Self::P999 => "p999, ms",
        }
    }

    pub(crate) fn digits(self) -> usize {
        match self {
            Self::Speed | Self::First | Self::Last | Self::Recovery => 0,
            Self::Cpu | Self::Peak => 1,
            Self::P50 | Self::P99 | Self::P999 => 2,
        }
    }
}

/// What one run of one contender gave.
#[derive(Clone, Debug, Default)]
pub struct Sample(BTreeMap<Quantity, f64>);

impl Sample {
    pub fn with(mut self, quantity: Quantity, value: f64) -> Self {
        self.0.insert(quantity, value);
        self
    }

    /// The same for a time.
    pub fn with_time(self, quantity: Quantity, time: Duration) -> Self {
        self.with(quantity, time.as_secs_f64() * 1e3)
    }

    pub(crate) fn get(&self, quantity: Quantity) -> Option<f64> {
        self.0.get(&quantity).copied()
    }
}

/// The value that this part of all others does not exceed; `None` of nothing.
pub fn percentile(values: &mut [u64], part: f64) -> Option<u64> {
    values.sort_unstable();
    let rank = (values.len() as f64 * part).ceil() as usize;
    values.get(rank.max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let mut values: Vec<u64> = (1..=1000).rev().collect();
        let mut at = |part| percentile(&mut values, part);
        assert_eq!(at(0.5), Some(500));
        assert_eq!(at(0.99), Some(990));
        assert_eq!(at(0.999), Some(999));
        assert_eq!(at(1.0), Some(1000));
    }

    #[test]
    fn of_one_value_every_percentile_is_that_one() {
        assert_eq!(percentile(&mut [7], 0.5), Some(7));
        assert_eq!(percentile(&mut [7], 0.999), Some(7));
        assert_eq!(percentile(&mut [], 0.5), None);
    }
}
