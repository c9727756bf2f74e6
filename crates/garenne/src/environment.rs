//! The environment of the process: variables, the program's name, the host's.

mod names;

use std::env::{VarError, var};
use std::fmt::Display;

use garenne_core::Fault;

use crate::link::{BrokerUrl, Tls, is_contents};

/// The environment's settings for the way to the broker.
pub(crate) struct BrokerSettings {
    /// None if the environment does not set it.
    pub(crate) brokers: Option<Vec<BrokerUrl>>,
    pub(crate) tls: Tls,
    pub(crate) faults: Vec<Fault>,
    /// Variables that begin like garenne's and are never read.
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

/// The value of a variable; an empty value counts as not set.
pub(crate) fn read(faults: &mut Vec<Fault>, name: &str) -> Option<String> {
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

pub(crate) fn note(faults: &mut Vec<Fault>, name: &str, value: impl Display, accepted: &str) {
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

/// The name of this host: in a container, the container's name.
pub(crate) fn host_name() -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = kernel
        .map(|name| name.trim().to_owned())
        .or_else(|| var("HOSTNAME").ok());
    name.filter(|name| !name.is_empty())
        .unwrap_or_else(|| "unknown".to_owned())
}
