//! Runs cases, compares what they noted, and says so in a table.

use std::fmt::Write as _;
use std::pin::Pin;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use tokio::task::LocalSet;

use super::lab::{Lab, Needs};
use super::record::Record;
use super::wire::Wire;

/// How many cases run at once: they mostly wait.
const AT_ONCE: usize = 8;

/// After this a case hangs.
const PATIENCE: Duration = Duration::from_secs(100);

type Run = fn(Lab) -> Pin<Box<dyn Future<Output = ()>>>;

/// Something that is done to a broker.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    area: &'static str,
    name: &'static str,
    run: Run,
    needs: Needs,
    since_4: Option<&'static str>,
    differs: Option<&'static str>,
    as_3: Option<&'static str>,
}

impl Case {
    pub(crate) fn new(module: &'static str, name: &'static str, run: Run) -> Self {
        let area = module.rsplit("::").next().unwrap_or(module);
        Self {
            area,
            name,
            run,
            needs: Needs::Vhost,
            since_4: None,
            differs: None,
            as_3: None,
        }
    }

    /// RabbitMQ 3 does it in another way, which is said here; the embedded broker follows 4.
    pub(crate) fn since_4(self, before: &'static str) -> Self {
        Self {
            since_4: Some(before),
            ..self
        }
    }

    /// The embedded broker does it in another way on purpose, and its documentation says so.
    pub(crate) fn differs(self, how: &'static str) -> Self {
        Self {
            differs: Some(how),
            ..self
        }
    }

    /// RabbitMQ 4 does it in another way, which the embedded broker does not follow, and says so.
    pub(crate) fn as_3(self, how: &'static str) -> Self {
        Self {
            as_3: Some(how),
            ..self
        }
    }

    /// It would hurt other cases on the same node.
    pub(crate) fn own_node(self) -> Self {
        Self {
            needs: Needs::Node,
            ..self
        }
    }
}

/// Lists the functions that are cases, each with what is to be said about it.
macro_rules! cases {
    ($($name:ident $(. $how:ident ( $($text:expr)? ))*),* $(,)?) => {
        pub(crate) fn cases() -> Vec<$crate::conformance::suite::Case> {
            vec![$(
                $crate::conformance::suite::Case::new(
                    module_path!(),
                    stringify!($name),
                    |lab| Box::pin($name(lab)),
                )$(.$how($($text)?))*
            ),*]
        }
    };
}
pub(crate) use cases;

/// Only cases that have this in their name run.
fn chosen(mut cases: Vec<Case>) -> Vec<Case> {
    if let Ok(wanted) = std::env::var("CONFORMANCE_ONLY") {
        cases.retain(|case| format!("{} {}", case.area, case.name).contains(&wanted));
    }
    cases
}

/// What came of a case.
struct Finding {
    case: Case,
    rabbit: Option<Vec<String>>,
    embedded: Vec<String>,
    verdict: Result<String, String>,
    took: Duration,
}

/// Runs the cases on the embedded broker and compares with what was seen of RabbitMQ 4.
pub(crate) async fn check_embedded(cases: Vec<Case>) {
    let record = Record::load();
    let findings = stream::iter(chosen(cases)).map(async |case| {
        let started = Instant::now();
        let embedded = run(&case, Lab::embedded().await).await;
        let recorded = record.get(case.area, case.name);
        let verdict = match (recorded == Some(&embedded), case.differs.or(case.as_3)) {
            (true, None) => Ok("yes".to_owned()),
            (false, Some(how)) => Ok(format!("no: {how}")),
            (true, Some(_)) => Err("said to differ, and does not".to_owned()),
            (false, None) => Err(difference(
                "recorded",
                recorded.map_or(&[], Vec::as_slice),
                &embedded,
            )),
        };
        Finding {
            case,
            rabbit: None,
            embedded,
            verdict,
            took: started.elapsed(),
        }
    });
    let findings = LocalSet::new()
        .run_until(findings.buffered(AT_ONCE).collect())
        .await;
    report("RabbitMQ 4", findings);
}

/// Runs the cases on both brokers and compares them.
pub(crate) async fn compare(cases: Vec<Case>) {
    let version = Wire::version(&Lab::rabbit(Needs::Vhost).await).await;
    let major = version.split('.').next().unwrap_or_default().to_owned();
    let record = Record::load();
    let findings = stream::iter(chosen(cases)).map(async |case| {
        let started = Instant::now();
        let on_rabbit = async { run(&case, Lab::rabbit(case.needs).await).await };
        let on_embedded = async { run(&case, Lab::embedded().await).await };
        let (rabbit, embedded) = tokio::join!(on_rabbit, on_embedded);
        let same = rabbit == embedded;
        let older = case.since_4.filter(|_| major == "3");
        let differs = case.differs.or(case.as_3.filter(|_| major != "3"));
        let verdict = match (same, differs, older) {
            (true, None, None) => Ok("yes".to_owned()),
            (true, Some(_), _) => Err("said to differ, and does not".to_owned()),
            (true, None, Some(_)) => Err("said to be new in 4, and is not".to_owned()),
            (false, Some(how), _) => Ok(format!("no: {how}")),
            (false, None, Some(before)) => {
                // A RabbitMQ of today is not here to be asked; what it said is.
                match record.get(case.area, case.name) {
                    Some(recorded) if *recorded == embedded => Ok(format!("as 4; 3: {before}")),
                    recorded => Err(difference(
                        "recorded of 4",
                        recorded.map_or(&[], Vec::as_slice),
                        &embedded,
                    )),
                }
            }
            (false, None, None) => Err(difference("RabbitMQ", &rabbit, &embedded)),
        };
        Finding {
            case,
            rabbit: Some(rabbit),
            embedded,
            verdict,
            took: started.elapsed(),
        }
    });
    let findings: Vec<_> = LocalSet::new()
        .run_until(findings.buffered(AT_ONCE).collect())
        .await;
    if std::env::var_os("CONFORMANCE_RECORD").is_some() {
        assert_eq!(
            major, "4",
            "what is recorded is what RabbitMQ 4 does, this is {version}"
        );
        let seen = findings.iter().filter_map(|finding| {
            Some((
                finding.case.area,
                finding.case.name,
                finding.rabbit.clone()?,
            ))
        });
        record.update(seen);
    }
    report(&format!("RabbitMQ {version}"), findings);
}

/// Runs one case on one broker and gives its notes.
async fn run(case: &Case, lab: Lab) -> Vec<String> {
    let task = tokio::task::spawn_local(tokio::time::timeout(PATIENCE, (case.run)(lab.clone())));
    match task.await {
        Ok(Ok(())) => {}
        Ok(Err(_)) => lab.note("!", "the case hangs"),
        Err(error) => lab.note("!", format!("the case failed: {}", panic_text(error))),
    }
    lab.notes()
}

fn panic_text(error: tokio::task::JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else {
        return "cancelled".to_owned();
    };
    match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
        (Some(text), _) => text.clone(),
        (None, Some(text)) => (*text).to_owned(),
        (None, None) => "a panic without a text".to_owned(),
    }
}

fn report(reference: &str, findings: Vec<Finding>) {
    let names = findings
        .iter()
        .map(|finding| finding.case.area.len() + finding.case.name.len());
    let width = names.max().unwrap_or(0) + 2;
    let mut table = format!(
        "{:width$} | {reference:32} | {:32} | same\n",
        "case", "embedded"
    );
    let (mut failures, mut excused) = (String::new(), 0);
    for finding in &findings {
        let name = format!("{}: {}", finding.case.area, finding.case.name);
        let rabbit = finding
            .rabbit
            .as_deref()
            .map_or_else(|| "(recorded)".to_owned(), in_short);
        let broken = finding.embedded.iter().any(|line| line.starts_with("!:"));
        let verdict = match &finding.verdict {
            Ok(_) if broken => Err("the case itself fails".to_owned()),
            other => other.clone(),
        };
        let same = match &verdict {
            Ok(same) => same.as_str(),
            Err(_) => "NO",
        };
        excused += usize::from(same != "yes" && verdict.is_ok());
        let embedded = in_short(&finding.embedded);
        let _ = writeln!(
            table,
            "{name:width$} | {rabbit:32} | {embedded:32} | {same}"
        );
        if let Err(why) = verdict {
            let _ = writeln!(failures, "\n{name}\n{why}");
        }
    }
    let mut slowest: Vec<_> = findings
        .iter()
        .map(|one| (one.took, one.case.name))
        .collect();
    slowest.sort_unstable();
    let slowest = slowest
        .iter()
        .rev()
        .take(3)
        .map(|(took, name)| format!("{name} ({took:.1?})"));
    let slowest = slowest.collect::<Vec<_>>().join(", ");
    println!(
        "{table}{} cases, {excused} excused; the slowest: {slowest}",
        findings.len()
    );
    assert!(failures.is_empty(), "not the same:\n{failures}");
}

/// The beginning of some notes, as long as a column is wide.
fn in_short(notes: &[String]) -> String {
    let text = notes.join("; ");
    if text.chars().count() <= 32 {
        return text;
    }
    text.chars().take(31).chain(['…']).collect()
}

/// The lines in which notes differ.
fn difference(reference: &str, expected: &[String], embedded: &[String]) -> String {
    let mut text = String::new();
    for line in 0..expected.len().max(embedded.len()) {
        let (expected, embedded) = (expected.get(line), embedded.get(line));
        if expected != embedded {
            let nothing = "(nothing)".to_owned();
            let _ = writeln!(text, "  {reference:>14} {}", expected.unwrap_or(&nothing));
            let _ = writeln!(
                text,
                "  {:>14} {}",
                "embedded",
                embedded.unwrap_or(&nothing)
            );
        }
    }
    text
}
