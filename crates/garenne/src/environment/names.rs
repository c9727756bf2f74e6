//! The names of the variables that garenne reads, and similar names that may be misspelled.

use garenne_core::Fault;
use garenne_core::wire::readable;

use crate::spelling::distance;

/// The variables that garenne reads, its command included.
const KNOWN: [&str; 10] = [
    "GARENNE_ALERT_OUTAGE_AFTER",
    "GARENNE_DATABASE",
    "GARENNE_DRAIN_DEADLINE",
    "GARENNE_LOG",
    "GARENNE_OUTAGE_WINDOW",
    "GARENNE_PREFETCH",
    "GARENNE_TLS_CA",
    "GARENNE_TLS_CERT",
    "GARENNE_TLS_KEY",
    "GARENNE_WORKERS",
];

/// The variables that the test kit and the project's own tests read.
const OF_TESTS: [&str; 4] = [
    "GARENNE_API_TEST_",
    "GARENNE_RABBITMQ",
    "GARENNE_TEST_",
    "GARENNE_WRITE_SEEDS",
];

const PREFIX: &str = "GARENNE_";
/// An unknown variable with this prefix is a fault, because the user relies on its setting.
const TLS: &str = "GARENNE_TLS_";

/// The longest name that is looked at; garenne's are shorter.
const LONGEST: usize = 64;

/// The faults in the names of variables.
#[derive(Debug, Default)]
pub(super) struct Unknown {
    /// Misspelled names: their settings are lost, and a lost setting may be a protection.
    pub(super) faults: Vec<Fault>,
    /// Names that begin like garenne's and resemble none of them: others may share the environment.
    pub(super) strange: Vec<String>,
}

/// Looks at the names of all variables.
pub(super) fn unknown(names: impl Iterator<Item = String>) -> Unknown {
    let mut unknown = Unknown::default();
    for name in names.filter(|name| name.len() <= LONGEST && !is_known(name)) {
        let upper = name.to_ascii_uppercase();
        let (nearest, far) = nearest(&upper);
        let is_near = far <= usize::from(nearest.len() > TLS.len()) + 1;
        if is_near || upper.starts_with(TLS) {
            let accepted = format!(
                "`{nearest}`; there is no variable of this name, and its value is not used"
            );
            unknown.faults.push(Fault::new(
                "the name of a variable",
                readable(name.as_bytes()),
                accepted,
            ));
        } else if upper.starts_with(PREFIX) {
            unknown.strange.push(format!(
                "nothing reads the variable `{}`; the nearest that garenne knows is `{nearest}`",
                readable(name.as_bytes())
            ));
        }
    }
    // The environment has no order of its own.
    unknown.faults.sort_by(|a, b| a.value.cmp(&b.value));
    unknown.strange.sort();
    unknown
}

fn is_known(name: &str) -> bool {
    KNOWN.contains(&name)
        || OF_TESTS.iter().any(|own| name.starts_with(own))
        || is_of_kubernetes(name)
}

/// Kubernetes sets variables about every service beside a container: a service with the name `garenne` sets
/// `GARENNE_SERVICE_HOST` and `GARENNE_PORT_5672_TCP_ADDR`.
fn is_of_kubernetes(name: &str) -> bool {
    name.contains("_SERVICE_HOST") || name.contains("_SERVICE_PORT") || {
        let port = name.split("_PORT").nth(1);
        port.is_some_and(|rest| {
            rest.is_empty()
                || rest
                    .strip_prefix('_')
                    .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        })
    }
}

fn nearest(name: &str) -> (&'static str, usize) {
    let far = |known: &'static str| (known, distance(name, known));
    let all = KNOWN.into_iter().map(far);
    all.min_by_key(|(_, far)| *far)
        .unwrap_or((KNOWN[0], usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Unknown {
        unknown(names.iter().map(|name| (*name).to_owned()))
    }

    #[test]
    fn a_misspelled_name_is_a_fault_that_says_the_right_one() {
        for (wrong, right) in [
            ("GARENNE_PREFECTH", "GARENNE_PREFETCH"),
            ("GARENNE_OUTAGEWINDOW", "GARENNE_OUTAGE_WINDOW"),
            ("GARENNE_DRAIN_DEADLIN", "GARENNE_DRAIN_DEADLINE"),
            ("GARRENNE_WORKERS", "GARENNE_WORKERS"),
            ("garenne_log", "GARENNE_LOG"),
            ("GARENNE_LOGS", "GARENNE_LOG"),
            ("GARENNE_TLS_CA_FILE", "GARENNE_TLS_CA"),
            ("GARENNE_TLS_PRIVATE_KEY", "GARENNE_TLS_KEY"),
        ] {
            let unknown = of(&[wrong]);
            assert_eq!(unknown.faults.len(), 1, "{wrong}");
            let fault = unknown.faults[0].to_string();
            assert!(
                fault.contains(wrong) && fault.contains(&format!("`{right}`")),
                "{fault}"
            );
        }
    }

    #[test]
    fn a_name_like_none_of_ours_is_told_and_no_fault() {
        let unknown = of(&["GARENNE_TEAM", "GARENNE_DRAIN_TIMEOUT", "GARENNE_"]);
        assert!(unknown.faults.is_empty(), "{:?}", unknown.faults);
        assert_eq!(unknown.strange.len(), 3);
        assert!(
            unknown
                .strange
                .iter()
                .any(|told| told.contains("GARENNE_TEAM"))
        );
    }

    #[test]
    fn what_others_set_is_none_of_our_business() {
        let unknown = of(&[
            "PATH",
            "AMQP_URL",
            "ORDERS_PREFETCH",
            "GARENNE_RABBITMQ",
            "GARENNE_SERVICE_HOST",
            "GARENNE_TLS_SERVICE_PORT_AMQP",
            "GARENNE_PORT",
            "GARENNE_PORT_5672_TCP_ADDR",
            "GARENNE_TLS_PORT_5671_TCP",
        ]);
        assert!(
            unknown.faults.is_empty() && unknown.strange.is_empty(),
            "{unknown:?}"
        );
        let known = of(&KNOWN);
        assert!(
            known.faults.is_empty() && known.strange.is_empty(),
            "{known:?}"
        );
    }
}
