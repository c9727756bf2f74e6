//! Configuration from the environment.

use std::env::{VarError, var};
use std::fmt::Display;

use garenne_core::{Fault, OutageWindow, parse_duration};

use super::SystemBuilder;
use super::logging::Format;
use super::names;
use crate::link::{BrokerUrl, Tls, is_contents};

/// What the environment says about the way to the broker.
pub(crate) struct BrokerSettings {
    /// None where nothing is said.
    pub(crate) brokers: Option<Vec<BrokerUrl>>,
    pub(crate) tls: Tls,
    pub(crate) faults: Vec<Fault>,
    /// Variables that begin like ours and that nobody reads.
    pub(crate) strange: Vec<String>,
}

/// Reads `AMQP_URL` and `GARENNE_TLS_*`.
pub(crate) fn broker_settings() -> BrokerSettings {
    let mut faults = Vec::new();
    let brokers = read(&mut faults, "AMQP_URL").map(|url| {
        let (brokers, wrong) = BrokerUrl::parse_list("AMQP_URL", &url);
        faults.extend(wrong);
        brokers
    });
    BrokerSettings {
        brokers,
        tls: tls(&mut faults),
        strange: {
            let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
            let unknown = names::unknown(names);
            faults.extend(unknown.faults);
            unknown.strange
        },
        faults,
    }
}

/// Reads every variable that is set, and notes every value that cannot be used.
pub(super) fn apply(mut builder: SystemBuilder) -> SystemBuilder {
    let settings = broker_settings();
    if let Some(brokers) = settings.brokers {
        builder.brokers = brokers;
    }
    builder.faults.extend(settings.faults);
    builder.strange = settings.strange;
    builder = builder.tls(settings.tls);
    if let Some(text) = read(&mut builder.faults, "GARENNE_OUTAGE_WINDOW") {
        match text.parse::<OutageWindow>() {
            Ok(window) => builder.window = window,
            Err(_) => note(
                &mut builder.faults,
                "GARENNE_OUTAGE_WINDOW",
                &text,
                "a duration above zero such as `2m` or `90s`, `never`, or `fail-fast`",
            ),
        }
    }
    if let Some(text) = read(&mut builder.faults, "GARENNE_DRAIN_DEADLINE") {
        match parse_duration(&text) {
            Ok(deadline) if !deadline.is_zero() => builder.drain_deadline = deadline,
            _ => note(
                &mut builder.faults,
                "GARENNE_DRAIN_DEADLINE",
                &text,
                "a duration above zero such as `25s` or `1m`",
            ),
        }
    }
    if let Some(text) = read(&mut builder.faults, "GARENNE_PREFETCH") {
        match text.trim().parse() {
            Ok(prefetch) if prefetch > 0 => builder.prefetch = prefetch,
            _ => note(
                &mut builder.faults,
                "GARENNE_PREFETCH",
                &text,
                "a whole number from 1 to 65535 (0 would mean no bound)",
            ),
        }
    }
    if let Some(text) = read(&mut builder.faults, "GARENNE_WORKERS") {
        match text.trim().parse() {
            Ok(workers) if (1..=256).contains(&workers) => builder.workers = workers,
            _ => note(
                &mut builder.faults,
                "GARENNE_WORKERS",
                &text,
                "a whole number from 1 to 256",
            ),
        }
    }
    if let Some(text) = read(&mut builder.faults, "GARENNE_LOG")
        && Format::parse(&text).is_none()
    {
        note(
            &mut builder.faults,
            "GARENNE_LOG",
            &text,
            "`text` or `json`",
        );
    }
    apply_alerting(builder)
}

fn apply_alerting(mut builder: SystemBuilder) -> SystemBuilder {
    if let Some(text) = read(&mut builder.faults, "GARENNE_ALERT_OUTAGE_AFTER") {
        match parse_duration(&text) {
            Ok(after) => builder.outage_alert_after = after,
            Err(_) => note(
                &mut builder.faults,
                "GARENNE_ALERT_OUTAGE_AFTER",
                &text,
                "a duration such as `30s` or `5m`",
            ),
        }
    }
    builder
}

fn tls(faults: &mut Vec<Fault>) -> Tls {
    let mut path = |name| {
        let value = read(faults, name)?;
        if is_contents(&value) {
            let accepted = "the path of a PEM file, not what stands in it";
            faults.push(Fault::hidden(name, accepted));
            return None;
        }
        Some(value)
    };
    let ca = path("GARENNE_TLS_CA");
    let cert = path("GARENNE_TLS_CERT");
    let key = path("GARENNE_TLS_KEY");
    let mut tls = Tls::new();
    if let Some(ca) = ca {
        tls = tls.ca_file(ca);
    }
    match (cert, key) {
        (Some(cert), key) => {
            let key = key.unwrap_or_else(|| cert.clone());
            tls.identity_files(cert, key)
        }
        (None, Some(key)) => {
            let accepted = "a key together with its certificate in GARENNE_TLS_CERT";
            note(faults, "GARENNE_TLS_KEY", &key, accepted);
            tls
        }
        (None, None) => tls,
    }
}

/// The value of a variable; one that is empty counts as not set.
fn read(faults: &mut Vec<Fault>, name: &str) -> Option<String> {
    match var(name) {
        Ok(value) if value.trim().is_empty() => None,
        Ok(value) => Some(value),
        Err(VarError::NotPresent) => None,
        Err(VarError::NotUnicode(_)) => {
            note(faults, name, "(not UTF-8)", "UTF-8 text");
            None
        }
    }
}

fn note(faults: &mut Vec<Fault>, name: &str, value: impl Display, accepted: &str) {
    faults.push(Fault::new(name, value, accepted));
}

/// The name that the program was started by.
pub(crate) fn program_name() -> String {
    let program = std::env::args_os().next().map(std::path::PathBuf::from);
    let name = program.as_deref().and_then(std::path::Path::file_stem);
    name.map_or_else(
        || "garenne".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// The name of this host: in a container, the container's.
pub(crate) fn host_name() -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = kernel
        .map(|name| name.trim().to_owned())
        .or_else(|| var("HOSTNAME").ok());
    name.filter(|name| !name.is_empty())
        .unwrap_or_else(|| "unknown".to_owned())
}
