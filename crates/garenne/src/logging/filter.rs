//! The filter of the log: `RUST_LOG`, and the faults in it.

use std::ffi::OsString;

use garenne_core::secret;
use garenne_core::wire::readable;
use tracing_subscriber::EnvFilter;

use crate::spelling::distance;

/// The default filter.
const DEFAULT: &str = "info";

/// The levels that a filter can set for everything.
const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
/// Other words for a level, which a filter takes for the name of a module.
const NO_LEVELS: [&str; 13] = [
    "warning",
    "err",
    "information",
    "verbose",
    "none",
    "all",
    "true",
    "yes",
    "on",
    "false",
    "no",
    "silent",
    "quiet",
];

/// The filter that `wanted` asks for, or the default filter and the fault of the value.
pub(super) fn filter(wanted: Option<OsString>) -> (EnvFilter, Option<String>) {
    let default = || EnvFilter::new(directives(DEFAULT));
    match wanted.map(OsString::into_string) {
        None => (default(), None),
        Some(Ok(text)) if text.trim().is_empty() => (default(), None),
        Some(Ok(text)) => match read(&text) {
            Ok(filter) => (filter, None),
            Err(why) => (default(), Some(fault(&text, &why))),
        },
        Some(Err(_)) => (default(), Some("RUST_LOG is not UTF-8 text".to_owned())),
    }
}

/// The fault of the value. The value may be any text, because a user may set the wrong variable.
fn fault(text: &str, why: &str) -> String {
    if secret::may_be_shown(text) {
        return format!("RUST_LOG is `{}`: {why}", readable(text.as_bytes()));
    }
    format!(
        "RUST_LOG is {}: that is no filter of the log, such as `info` or `warn,garenne=debug`",
        secret::quoted(text)
    )
}

/// The client library is silenced unless the filter names it.
fn directives(wanted: &str) -> String {
    if wanted.contains("lapin") {
        wanted.to_owned()
    } else {
        format!("{wanted},lapin=off")
    }
}

fn read(text: &str) -> Result<EnvFilter, String> {
    // A filter takes a word that is no level for a module, and everything else is then silent.
    for word in text.split(',').map(str::trim) {
        let word = word.to_lowercase();
        if let Some(level) = meant(&word) {
            return Err(format!(
                "`{}` is not a level; did you mean `{level}`?",
                readable(word.as_bytes())
            ));
        }
    }
    if let Some(why) = text.split(',').map(str::trim).find_map(no_module) {
        return Err(why);
    }
    // The other constructor leaves out the parts that it cannot read, and prints that.
    EnvFilter::try_new(directives(&tidied(text))).map_err(|error| error.to_string())
}

/// The text without white space around its parts, which a filter would take for a part of a name.
fn tidied(text: &str) -> String {
    let parts: Vec<_> = text.split(',').map(str::trim).collect();
    parts.join(",")
}

/// The fault in the module of a directive: without a report, its lines would just be missing.
fn no_module(directive: &str) -> Option<String> {
    // Fields of spans may have any text.
    if directive.contains(['[', '{', ']', '}', '"']) {
        return None;
    }
    let (module, level) = directive.split_once('=').unwrap_or((directive, ""));
    let is_level = level.is_empty() && directive.parse::<u8>().is_ok_and(|level| level <= 5);
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let begins = module.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if module.is_empty() || is_level || begins && module.chars().all(is_part) {
        return None;
    }
    Some(format!(
        "`{}` is no module; parts are separated by commas, and a module has `_` where its package has `-`",
        readable(module.as_bytes())
    ))
}

/// The level that the user probably meant by this word.
fn meant(word: &str) -> Option<&'static str> {
    if LEVELS.contains(&word) || word.is_empty() || word.parse::<u8>().is_ok() {
        return None;
    }
    if NO_LEVELS.contains(&word) {
        return Some(match word {
            "warning" => "warn",
            "err" => "error",
            "verbose" => "debug",
            "all" => "trace",
            "none" | "false" | "no" | "silent" | "quiet" => "off",
            _ => "info",
        });
    }
    let near = |level: &&str| distance(word, level) <= usize::from(level.len() > 3);
    LEVELS.into_iter().find(near)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(wanted: &str) -> (String, Option<String>) {
        let (filter, fault) = filter(Some(wanted.into()));
        (filter.to_string(), fault)
    }

    #[test]
    fn the_client_library_is_silent_unless_asked_for() {
        assert_eq!(directives("info"), "info,lapin=off");
        assert_eq!(directives("info,lapin=trace"), "info,lapin=trace");
    }

    #[test]
    fn a_good_filter_is_taken_as_it_is() {
        for good in [
            "debug",
            "OFF",
            "info,garenne=trace",
            "garenne",
            "warn,my_app[span]=debug",
            "2",
        ] {
            assert_eq!(of(good).1, None, "{good}");
        }
        assert_eq!(of("").1, None);
        assert_eq!(
            filter(None).0.to_string(),
            filter(Some("info".into())).0.to_string()
        );
    }

    #[test]
    fn white_space_around_a_part_is_none_of_it() {
        for (given, meant) in [
            (" info", "info"),
            ("Debug ", "debug"),
            ("warn , lapin=debug", "warn,lapin=debug"),
        ] {
            let (filter, fault) = of(given);
            assert_eq!(
                (filter, fault),
                (EnvFilter::new(directives(meant)).to_string(), None)
            );
        }
    }

    #[test]
    fn a_broken_filter_is_told_and_the_default_logs_everything_from_info() {
        let default = of("info").0;
        for broken in [
            "inof",
            "warning",
            "info,garenne=inf",
            "debgu",
            "Verbose",
            "a=b=c",
            "info,x=trce",
            "info;lapin=debug",
            "info:lapin debug",
            "6",
            "-1",
            "true",
            "all",
            "order-service=debug",
        ] {
            let (filter, fault) = of(broken);
            assert_eq!(filter, default, "{broken}");
            let fault = fault.unwrap_or_else(|| panic!("{broken} is taken"));
            assert!(fault.contains(broken), "{fault}");
        }
    }

    #[test]
    fn a_secret_that_somebody_has_put_into_the_wrong_variable_is_not_repeated() {
        const SECRET: &str = "s3cr3tZQ";
        for wrong in [
            format!("amqp://u:{SECRET}@h"),
            format!("password={SECRET}"),
            format!("info,password={SECRET}"),
            format!("dingtalk+https://robot.example/send?access_token={SECRET} x"),
            format!("-----BEGIN PRIVATE KEY-----\n{SECRET}IEvQIBADANBgkq"),
        ] {
            let (_, fault) = of(&wrong);
            assert!(!fault.unwrap_or_default().contains(SECRET), "{wrong}");
        }
    }

    #[test]
    fn a_fault_quotes_nothing_that_is_long_or_steers_a_terminal() {
        let fault = of(&format!("x=\u{1b}[2J{}", "y".repeat(1000))).1.unwrap();
        assert!(fault.len() < 1000 && !fault.contains('\u{1b}'), "{fault}");
    }
}
