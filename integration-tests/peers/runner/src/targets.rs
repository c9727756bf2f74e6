//! What garenne wants to reach, as ratios of the same run, and whether it did.

use crate::contender::Contender;
use crate::measure::Sample;
use crate::table::{Results, cost, speed};

/// From which prefetch on the targets of throughput hold.
const PIPELINED: u16 = 100;

struct Target {
    what: &'static str,
    other: Contender,
    of: fn(&Sample) -> f64,
    bound: Bound,
    holds: fn(u16) -> bool,
}

enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

const TARGETS: [Target; 5] = [
    Target {
        what: "speed",
        other: Contender::LapinAwaitAck,
        of: speed,
        bound: Bound::AtLeast(2.5),
        holds: pipelined,
    },
    Target {
        what: "speed",
        other: Contender::Amqp091Go,
        of: speed,
        bound: Bound::AtLeast(1.2),
        holds: pipelined,
    },
    Target {
        what: "speed",
        other: Contender::LapinNoAck,
        of: speed,
        bound: Bound::AtLeast(0.7),
        holds: pipelined,
    },
    Target {
        what: "CPU per message",
        other: Contender::LapinBest,
        of: cost,
        bound: Bound::AtMost(1.15),
        holds: pipelined,
    },
    Target {
        what: "speed",
        other: Contender::LapinAwaitAck,
        of: speed,
        bound: Bound::AtLeast(1.0),
        holds: |prefetch| prefetch == 1,
    },
];

fn pipelined(prefetch: u16) -> bool {
    prefetch >= PIPELINED
}

/// Every target that these results can answer, met or missed.
pub fn report(results: &Results) -> String {
    let mut report = "Targets, garenne against another:\n\n\
        | prefetch | what | against | wanted | is | |\n|---:|---|---|---:|---:|---|\n"
        .to_owned();
    for prefetch in results.prefetches() {
        for target in TARGETS.iter().filter(|target| (target.holds)(prefetch)) {
            let Some(is) = results.ratio(prefetch, Contender::Garenne, target.other, target.of)
            else {
                continue;
            };
            let (sign, bound, met) = match target.bound {
                Bound::AtLeast(bound) => ('≥', bound, is >= bound),
                Bound::AtMost(bound) => ('≤', bound, is <= bound),
            };
            let (what, against) = (target.what, target.other.name());
            let verdict = if met { "met" } else { "missed" };
            report += &format!(
                "| {prefetch} | {what} | {against} | {sign} {bound:.2} | {is:.2} | {verdict} |\n"
            );
        }
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::tests::sample;

    fn against(other: Contender, prefetch: u16, own: Sample, theirs: Sample) -> String {
        let mut results = Results::default();
        results.add(prefetch, Contender::Garenne, own);
        results.add(prefetch, other, theirs);
        report(&results)
    }

    #[test]
    fn speed_below_its_bound_is_missed() {
        let report = |own| {
            against(
                Contender::LapinAwaitAck,
                100,
                sample(own, 1.0),
                sample(100.0, 1.0),
            )
        };
        assert!(report(249.0).contains("missed"));
        assert!(!report(250.0).contains("missed"));
    }

    #[test]
    fn cpu_above_its_bound_is_missed() {
        let report = |own| {
            against(
                Contender::LapinBest,
                100,
                sample(1.0, own),
                sample(1.0, 100.0),
            )
        };
        assert!(report(116.0).contains("missed"));
        assert!(!report(114.0).contains("missed"));
    }

    #[test]
    fn at_prefetch_1_only_the_plain_loop_is_a_measure() {
        let one = sample(100.0, 1.0);
        let report = |other| against(other, 1, one, one);
        assert!(report(Contender::LapinAwaitAck).contains("| ≥ 1.00 | 1.00 | met |"));
        assert!(!report(Contender::Amqp091Go).contains("met"));
    }
}
