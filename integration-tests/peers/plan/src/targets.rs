//! What garenne wants to reach, as ratios of the same run, and whether it did.

use crate::axis::Axis;
use crate::case::Case;
use crate::contender::Contender;
use crate::quantity::Quantity;
use crate::results::{Cell, Results};

/// From which prefetch on the targets of throughput hold.
const PIPELINED: u16 = 100;

/// How much CPU a message may cost at a prefetch, as a part of what it costs another.
const CPU: [(u16, Contender, f64); 3] = [
    (100, Contender::LapinBest, 0.8),
    (1000, Contender::LapinBest, 0.65),
    (1000, Contender::LapinNoAck, 0.6),
];

struct Target {
    /// Of what the ratio is, and where.
    what: String,
    quantity: Quantity,
    own: Cell,
    other: Cell,
    bound: Bound,
}

#[derive(Clone, Copy)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// Every target of this axis that the results can answer, met or missed; nothing if there is none.
pub fn report(axis: Axis, cases: &[Case], results: &Results) -> String {
    let mut rows = String::new();
    for target in targets(axis, cases) {
        let Some(is) = results.ratio(target.own, target.other, target.quantity) else {
            continue;
        };
        let (sign, bound, met) = match target.bound {
            Bound::AtLeast(bound) => ('≥', bound, is >= bound),
            Bound::AtMost(bound) => ('≤', bound, is <= bound),
        };
        let (what, against) = (target.what, target.other.1.name());
        let verdict = if met { "met" } else { "missed" };
        rows += &format!("| {what} | {against} | {sign} {bound:.2} | {is:.2} | {verdict} |\n");
    }
    if rows.is_empty() {
        return rows;
    }
    format!(
        "Targets, garenne against another:\n\n| ratio of | against | wanted | is | |\n|---|---|---:|---:|---|\n{rows}"
    )
}

fn targets(axis: Axis, cases: &[Case]) -> Vec<Target> {
    match axis {
        Axis::Core => core(cases),
        Axis::Failures => failures(cases),
        Axis::Latency => vec![Target {
            what: "p99".to_owned(),
            quantity: Quantity::P99,
            own: (0, Contender::Garenne),
            other: (0, Contender::LapinAwaitAck),
            bound: Bound::AtMost(1.3),
        }],
        _ => Vec::new(),
    }
}

fn core(cases: &[Case]) -> Vec<Target> {
    let mut targets = Vec::new();
    for (place, case) in cases.iter().enumerate() {
        let mut add = |what: &str, quantity, other, bound| {
            targets.push(Target {
                what: format!("{what}, prefetch {}", case.prefetch),
                quantity,
                own: (place, Contender::Garenne),
                other: (place, other),
                bound,
            });
        };
        let mut speed = |other, bound| add("speed", Quantity::Speed, other, Bound::AtLeast(bound));
        if case.prefetch == 1 {
            speed(Contender::LapinAwaitAck, 1.0);
        }
        if case.prefetch < PIPELINED {
            continue;
        }
        speed(Contender::LapinAwaitAck, 2.5);
        speed(Contender::Amqp091Go, 1.2);
        let all = Axis::Core.contenders().iter();
        for framework in all.filter(|contender| contender.is_framework()) {
            speed(*framework, 1.5);
        }
        speed(Contender::LapinNoAck, 0.7);
        for (_, other, most) in CPU.into_iter().filter(|cpu| cpu.0 == case.prefetch) {
            add("CPU per message", Quantity::Cpu, other, Bound::AtMost(most));
        }
    }
    targets
}

/// What a failed message costs, beside one that succeeded: both are garenne's.
fn failures(cases: &[Case]) -> Vec<Target> {
    let place = |every| cases.iter().position(|case| case.fail_every == every);
    let (Some(none), Some(all)) = (place(0), place(1)) else {
        return Vec::new();
    };
    let (good, failed) = ((none, Contender::Garenne), (all, Contender::Garenne));
    vec![
        Target {
            what: "CPU, a failed message to one that succeeded".to_owned(),
            quantity: Quantity::Cpu,
            own: failed,
            other: good,
            bound: Bound::AtMost(3.0),
        },
        Target {
            what: "speed, succeeding to failing".to_owned(),
            quantity: Quantity::Speed,
            own: good,
            other: failed,
            bound: Bound::AtMost(3.0),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantity::Sample;

    fn sample(speed: f64, cpu: f64) -> Sample {
        Sample::default()
            .with(Quantity::Speed, speed)
            .with(Quantity::Cpu, cpu)
    }

    fn against(other: Contender, case: usize, own: Sample, theirs: Sample) -> String {
        let mut results = Results::default();
        results.add(case, Contender::Garenne, own);
        results.add(case, other, theirs);
        report(Axis::Core, &Axis::Core.cases(), &results)
    }

    #[test]
    fn speed_below_its_bound_is_missed() {
        let report = |own| {
            let theirs = sample(100.0, 1.0);
            against(Contender::LapinAwaitAck, 2, sample(own, 1.0), theirs)
        };
        assert!(report(249.0).contains("missed"));
        assert!(!report(250.0).contains("missed"));
    }

    #[test]
    fn cpu_above_its_bound_is_missed() {
        for (other, place, bound) in [
            (Contender::LapinBest, 2, 80.0),
            (Contender::LapinBest, 3, 65.0),
            (Contender::LapinNoAck, 3, 60.0),
        ] {
            let report = |own| against(other, place, sample(100.0, own), sample(100.0, 100.0));
            assert!(report(bound + 1.0).contains("| missed |"), "{other:?}");
            let met = report(bound - 1.0);
            assert!(met.contains("CPU") && !met.contains("missed"), "{met}");
        }
    }

    #[test]
    fn every_bound_on_cpu_is_of_a_prefetch_that_is_measured() {
        let cases = Axis::Core.cases();
        let of_cpu = |target: &Target| matches!(target.quantity, Quantity::Cpu);
        let targets = core(&cases).into_iter().filter(of_cpu);
        assert_eq!(targets.count(), CPU.len());
    }

    #[test]
    fn cpu_is_compared_with_no_acks_at_prefetch_1000_alone() {
        let report = |place| {
            let own = sample(100.0, 90.0);
            against(Contender::LapinNoAck, place, own, sample(100.0, 100.0))
        };
        assert!(!report(2).contains("CPU"));
        assert!(report(3).contains("CPU"));
    }

    #[test]
    fn at_prefetch_1_only_the_plain_loop_is_a_measure() {
        let report = |other| against(other, 0, sample(100.0, 1.0), sample(100.0, 1.0));
        assert!(report(Contender::LapinAwaitAck).contains("| ≥ 1.00 | 1.00 | met |"));
        assert_eq!(report(Contender::Amqp091Go), "");
    }

    #[test]
    fn every_framework_is_to_be_outdone() {
        for framework in [Contender::ApalisAmqp, Contender::Celery] {
            let report = against(framework, 3, sample(149.0, 1.0), sample(100.0, 1.0));
            assert!(report.contains("| ≥ 1.50 | 1.49 | missed |"), "{report}");
        }
    }

    #[test]
    fn a_failed_message_is_measured_by_one_that_succeeded() {
        let mut results = Results::default();
        results.add(0, Contender::Garenne, sample(300.0, 10.0));
        results.add(2, Contender::Garenne, sample(100.0, 31.0));
        let report = report(Axis::Failures, &Axis::Failures.cases(), &results);
        assert!(report.contains("| ≤ 3.00 | 3.10 | missed |"), "{report}");
        assert!(report.contains("| ≤ 3.00 | 3.00 | met |"), "{report}");
    }
}
