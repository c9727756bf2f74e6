//! Configuration of a system from the environment.

use garenne_core::{OutageWindow, parse_duration};

use super::SystemBuilder;
use crate::environment::{broker_settings, note, read};
use crate::logging::Format;

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
