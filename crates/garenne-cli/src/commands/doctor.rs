//! `garenne doctor`.

use garenne::PublishError;
use garenne::admin::{BrokerAdmin, Difference, Finding, is_usable, risks};
use garenne::core::{Entity, Queue};
use serde_json::json;

use super::topology::{STREAM, check, is_stream, listed, name};
use crate::args::Doctor;
use crate::exit::{Done, Trouble, say};
use crate::output::{BAD, FAINT, GOOD, Screen, clean, count, styled};

/// The series of RabbitMQ that garenne is tested with.
const TESTED: [&str; 2] = ["3.10.", "4.0."];
/// Two hosts whose clocks are further apart than this make times in records misleading.
const SKEW_MAX_SECS: u64 = 5;

/// AMQP's reply code for a right that a user does not have.
const ACCESS_REFUSED: u16 = 403;

/// What one look has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    Bad,
    /// Nothing is wrong, but somebody should know; or it could not be seen.
    Note,
}

/// What the name of a queue stands for on the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Queue,
    Stream,
}

struct Report {
    screen: Screen,
    json: bool,
    bad: u64,
}

pub(crate) async fn run(doctor: &Doctor) -> Result<Done, Trouble> {
    let queues: Vec<_> = doctor
        .queue
        .iter()
        .map(|name| doctor.shape.queue(name))
        .collect();
    check(&queues)?;
    let mut report = Report {
        screen: Screen::new(),
        json: doctor.json,
        bad: 0,
    };
    let broker = BrokerAdmin::connect(doctor.url.as_deref()).await?;
    let examined = examine(&broker, &queues, doctor.adopt, &mut report).await;
    broker.close().await;
    examined?;
    if report.bad == 0 {
        return Ok(Done::Everything);
    }
    say(&format!("{} to mend", count(report.bad, "thing")));
    Ok(Done::NotEverything)
}

async fn examine(
    broker: &BrokerAdmin,
    queues: &[Queue],
    adopt: bool,
    report: &mut Report,
) -> Result<(), Trouble> {
    let login = format!("logged in to {} as {}", broker.address(), broker.user());
    report.say(Verdict::Good, "connection", &login)?;
    version(broker, report).await?;
    heartbeat(broker, report)?;
    publishing(broker, report).await?;
    clock(broker, report).await?;
    for queue in queues {
        if topology(broker, queue, adopt, report).await? == Kind::Stream {
            // No message is taken out of one by asking for it.
            continue;
        }
        reading(broker, queue, report).await?;
    }
    Ok(())
}

async fn version(broker: &BrokerAdmin, report: &mut Report) -> Result<(), Trouble> {
    let server = match broker.server().await {
        Ok(server) => server,
        Err(error) => return report.say(Verdict::Note, "version", &error.to_string()),
    };
    let who = format!(
        "{} {} on {}",
        server.product, server.version, server.platform
    );
    let is_tested = TESTED
        .iter()
        .any(|series| server.version.starts_with(series));
    if is_tested {
        report.say(
            Verdict::Good,
            "version",
            &format!("{who}, tested with garenne"),
        )
    } else {
        let text = format!("{who}; garenne is tested with RabbitMQ 3.10 and 4.0");
        report.say(Verdict::Note, "version", &text)
    }
}

fn heartbeat(broker: &BrokerAdmin, report: &mut Report) -> Result<(), Trouble> {
    match broker.heartbeat_secs() {
        0 => report.say(
            Verdict::Bad,
            "heartbeat",
            "none on either side: a link that is cut without a word is never found dead; leave `heartbeat` out of the address, or set it \
             above 0",
        ),
        seconds => report.say(Verdict::Good, "heartbeat", &format!("every {seconds} s")),
    }
}

async fn publishing(broker: &BrokerAdmin, report: &mut Report) -> Result<(), Trouble> {
    let publisher = broker.publisher().await?;
    let sent = publisher.takes_messages().await;
    publisher.close().await;
    match sent {
        Ok(()) => report.say(
            Verdict::Good,
            "publishing",
            "the broker takes messages and confirms them",
        ),
        Err(error @ PublishError::Refused { .. }) => {
            let text = format!("{error}; give the user the right to write to `amq.default`");
            report.say(Verdict::Bad, "publishing", &text)
        }
        Err(error) => report.say(Verdict::Bad, "publishing", &error.to_string()),
    }
}

async fn clock(broker: &BrokerAdmin, report: &mut Report) -> Result<(), Trouble> {
    let ahead = match broker.clock_ahead_secs().await {
        Ok(ahead) => ahead,
        Err(error) => {
            let text = format!("the broker's clock could not be read: {error}");
            return report.say(Verdict::Note, "clock", &text);
        }
    };
    if ahead.unsigned_abs() <= SKEW_MAX_SECS {
        return report.say(Verdict::Good, "clock", "the broker's and this host's agree");
    }
    let side = if ahead > 0 { "ahead of" } else { "behind" };
    let text = format!(
        "the broker's is {} s {side} this host's; see to NTP on both",
        ahead.unsigned_abs()
    );
    report.say(Verdict::Bad, "clock", &text)
}

async fn topology(
    broker: &BrokerAdmin,
    queue: &Queue,
    adopt: bool,
    report: &mut Report,
) -> Result<Kind, Trouble> {
    let mut kind = Kind::Queue;
    for entity in queue.topology() {
        let (what, name) = name(&entity);
        let what = format!("{what} {name}");
        let (verdict, text) = match broker.inspect(&entity).await? {
            Finding::Differs { differences } if is_stream(&differences) => {
                kind = Kind::Stream;
                (Verdict::Bad, STREAM.to_owned())
            }
            Finding::Missing if adopt && name == queue.name() => {
                let text = "missing; with `Declare::Verify` the service does not make it. Declare it, or let the service do it (`Declare::Create`)";
                (Verdict::Bad, text.to_owned())
            }
            Finding::Differs { differences } => {
                for risk in risks(&differences) {
                    report.say(Verdict::Note, &what, &format!("as it is, {risk}"))?;
                }
                differing(&differences, adopt && is_usable(&name, queue, &differences))
            }
            finding => explain(finding, &entity),
        };
        report.say(verdict, &what, &text)?;
    }
    Ok(kind)
}

fn differing(differences: &[Difference], is_adopted: bool) -> (Verdict, String) {
    let differs = format!("differs in {}", listed(differences));
    if is_adopted {
        return (Verdict::Note, format!("{differs}; used as it is"));
    }
    let remedy = "declare it so, or adopt it with `Declare::Verify`";
    (Verdict::Bad, format!("{differs}; {remedy}"))
}

fn explain(finding: Finding, entity: &Entity) -> (Verdict, String) {
    match finding {
        Finding::Same {
            messages: Some(messages),
            consumers,
        } => {
            let messages = count(messages.into(), "message");
            let consumers = count(consumers.unwrap_or(0).into(), "consumer");
            (
                Verdict::Good,
                format!("as declared; {messages} ready, {consumers}"),
            )
        }
        Finding::Same { .. } => (Verdict::Good, "there".to_owned()),
        Finding::Missing => {
            let text = match entity {
                Entity::Queue(_) => {
                    "missing; the service makes it when it starts, unless it may not: then `garenne topology --declare`. If it was there before, look for a policy \
                     with `expires`, and for who deletes it"
                }
                _ => "missing",
            };
            (Verdict::Bad, text.to_owned())
        }
        Finding::Unseen { reason } => (
            Verdict::Note,
            format!("there, but not comparable: {reason}"),
        ),
        Finding::Refused { reason } => (Verdict::Bad, reason),
        _ => (Verdict::Note, "unknown".to_owned()),
    }
}

async fn reading(broker: &BrokerAdmin, queue: &Queue, report: &mut Report) -> Result<(), Trouble> {
    for name in [queue.name().to_owned(), queue.parking_name()] {
        let what = format!("reading {name}");
        match broker.may_read(&name).await {
            Ok(Some(())) => report.say(Verdict::Good, &what, "allowed")?,
            Ok(None) => {
                let text = "not tried: it would take a message out";
                report.say(Verdict::Note, &what, text)?;
            }
            Err(error) if error.is_missing() => {}
            Err(error) => {
                let mut text = error.to_string();
                if error.code() == Some(ACCESS_REFUSED) {
                    text.push_str("; give the user the right to read it");
                }
                report.say(Verdict::Bad, &what, &text)?;
            }
        }
    }
    Ok(())
}

impl Report {
    fn say(&mut self, verdict: Verdict, what: &str, text: &str) -> Result<(), Trouble> {
        let (style, sign, name) = match verdict {
            Verdict::Good => (GOOD, "ok  ", "ok"),
            Verdict::Bad => (BAD, "BAD ", "bad"),
            Verdict::Note => (FAINT, "note", "note"),
        };
        self.bad += u64::from(verdict == Verdict::Bad);
        if self.json {
            self.screen
                .json(&json!({ "verdict": name, "what": what, "text": text }))?;
        } else {
            let sign = styled(style, sign);
            self.screen
                .line(&format!("{sign}  {}: {}", clean(what), clean(text)))?;
        }
        Ok(())
    }
}
