//! What all runs of an axis gave.

use std::collections::BTreeMap;

use crate::contender::Contender;
use crate::quantity::{Quantity, Sample};

/// A contender in a case, by the case's place among those of its axis.
pub(crate) type Cell = (usize, Contender);

/// All samples, in the order of their rounds.
#[derive(Debug, Default)]
pub struct Results(BTreeMap<Cell, Vec<Sample>>);

impl Results {
    pub fn add(&mut self, case: usize, contender: Contender, sample: Sample) {
        self.0.entry((case, contender)).or_default().push(sample);
    }

    pub(crate) fn cells(&self) -> impl Iterator<Item = Cell> {
        self.0.keys().copied()
    }

    pub(crate) fn values(&self, cell: Cell, quantity: Quantity) -> Vec<f64> {
        let samples = self.0.get(&cell).into_iter().flatten();
        samples.filter_map(|sample| sample.get(quantity)).collect()
    }

    /// How one compares with another: the median of what each round says. Rounds are compared one by
    /// one, since both had the same neighbours in the same round.
    pub(crate) fn ratio(&self, one: Cell, other: Cell, quantity: Quantity) -> Option<f64> {
        let (one, other) = (self.values(one, quantity), self.values(other, quantity));
        median(
            one.iter()
                .zip(other)
                .map(|(one, other)| one / other)
                .collect(),
        )
    }
}

/// The middle one; between the two in the middle when their number is even; `None` of nothing.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => None,
        length if length % 2 == 1 => Some(values[half]),
        _ => Some(f64::midpoint(values[half - 1], values[half])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_does_not_follow_an_outlier() {
        assert_eq!(median(vec![1000.0, 2.0, 1.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 1000.0]), Some(3.0));
        assert_eq!(median(vec![]), None);
    }

    #[test]
    fn contenders_are_compared_within_their_round() {
        let mut results = Results::default();
        // The machine was ten times slower in the second round.
        for speed in [1000.0, 100.0, 1000.0] {
            let sample = |speed| Sample::default().with(Quantity::Speed, speed);
            results.add(0, Contender::Garenne, sample(speed * 2.0));
            results.add(0, Contender::Pika, sample(speed));
        }
        let (one, other) = ((0, Contender::Garenne), (0, Contender::Pika));
        assert_eq!(results.ratio(one, other, Quantity::Speed), Some(2.0));
    }

    #[test]
    fn who_was_not_measured_has_no_ratio() {
        let mut results = Results::default();
        let sample = Sample::default().with(Quantity::Speed, 1.0);
        results.add(0, Contender::Garenne, sample);
        let (one, other) = ((0, Contender::Garenne), (0, Contender::Pika));
        assert_eq!(results.ratio(one, other, Quantity::Speed), None);
    }
}
