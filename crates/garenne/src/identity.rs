//! The identity of a service.

/// The service's identity, for failure records and connection names.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) service: String,
    pub(crate) host: String,
    /// Empty unless the program sets it.
    pub(crate) version: String,
}

impl Identity {
    /// The name of a link that the broker's operator sees.
    pub(crate) fn link_name(&self, purpose: &str) -> String {
        format!("{} on {} ({purpose})", self.service, self.host)
    }
}
