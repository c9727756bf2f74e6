//! What was measured, as tables.

use std::collections::BTreeMap;

use crate::contender::Contender;
use crate::measure::Sample;
use crate::plan::Load;

/// All samples, in the order of their rounds.
#[derive(Default)]
pub struct Results(BTreeMap<(u16, Contender), Vec<Sample>>);

impl Results {
    pub fn add(&mut self, prefetch: u16, contender: Contender, sample: Sample) {
        self.0
            .entry((prefetch, contender))
            .or_default()
            .push(sample);
    }

    pub fn prefetches(&self) -> Vec<u16> {
        let mut prefetches: Vec<u16> = self.0.keys().map(|(prefetch, _)| *prefetch).collect();
        prefetches.dedup();
        prefetches
    }

    /// How one contender compares with another: the median of what each round says. Rounds are
    /// compared one by one, since both had the same neighbours in the same round.
    pub fn ratio(
        &self,
        prefetch: u16,
        one: Contender,
        other: Contender,
        of: fn(&Sample) -> f64,
    ) -> Option<f64> {
        let (one, other) = (
            self.0.get(&(prefetch, one))?,
            self.0.get(&(prefetch, other))?,
        );
        Some(median(
            one.iter()
                .zip(other)
                .map(|(one, other)| of(one) / of(other))
                .collect(),
        ))
    }
}

pub fn speed(sample: &Sample) -> f64 {
    sample.messages_per_second
}

pub fn cost(sample: &Sample) -> f64 {
    sample.cpu_us_per_message
}

/// The table of one prefetch, in Markdown.
pub fn of_prefetch(results: &Results, load: Load) -> String {
    let Load { prefetch, messages } = load;
    let mut table = format!(
        "Quorum queue, 100 B, one worker, prefetch {prefetch}, {messages} messages a run:\n\n\
         | contender | messages/s, median | min | max | CPU µs/message | peak MiB | ratio to garenne |\n\
         |---|---:|---:|---:|---:|---:|---:|\n"
    );
    for (&(_, contender), samples) in results.0.iter().filter(|((of, _), _)| *of == prefetch) {
        let speeds: Vec<f64> = samples.iter().map(speed).collect();
        let (min, max) = (
            speeds.iter().copied().fold(f64::INFINITY, f64::min),
            speeds.iter().copied().fold(0.0, f64::max),
        );
        let cost = median(samples.iter().map(cost).collect());
        let peak = samples
            .iter()
            .map(|sample| sample.peak_bytes)
            .max()
            .unwrap_or_default() as f64;
        let ratio = results.ratio(prefetch, contender, Contender::Garenne, speed);
        let ratio = ratio.map_or("–".to_owned(), |ratio| format!("{ratio:.2}"));
        table += &format!(
            "| {} | {:.0} | {min:.0} | {max:.0} | {cost:.1} | {:.1} | {ratio} |\n",
            contender.name(),
            median(speeds),
            peak / f64::from(1 << 20),
        );
    }
    table
}

/// The middle one; between the two in the middle when their number is even.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => values[half],
        _ => f64::midpoint(values[half - 1], values[half]),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn sample(messages_per_second: f64, cpu_us_per_message: f64) -> Sample {
        Sample {
            messages_per_second,
            cpu_us_per_message,
            peak_bytes: 3 << 20,
        }
    }

    #[test]
    fn a_median_does_not_follow_an_outlier() {
        assert_eq!(median(vec![1000.0, 2.0, 1.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 1000.0]), 3.0);
    }

    #[test]
    fn contenders_are_compared_within_their_round() {
        let mut results = Results::default();
        // The machine was ten times slower in the second round.
        for speed in [1000.0, 100.0, 1000.0] {
            results.add(100, Contender::Garenne, sample(speed * 2.0, 1.0));
            results.add(100, Contender::Pika, sample(speed, 1.0));
        }
        let ratio = results.ratio(100, Contender::Garenne, Contender::Pika, speed);
        assert_eq!(ratio, Some(2.0));
    }

    #[test]
    fn a_row_tells_speed_cost_memory_and_ratio() {
        let mut results = Results::default();
        results.add(10, Contender::Garenne, sample(200.0, 5.0));
        results.add(10, Contender::Pika, sample(100.0, 50.0));
        let table = of_prefetch(
            &results,
            Load {
                prefetch: 10,
                messages: 7,
            },
        );
        assert!(
            table.ends_with("| pika | 100 | 100 | 100 | 50.0 | 3.0 | 0.50 |\n"),
            "{table}"
        );
    }
}
