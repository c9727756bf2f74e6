//! The identity of this service.

/// The identity of this service, for failure records and connection names.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) service: String,
    pub(crate) host: String,
    /// Empty unless the program sets it.
    pub(crate) version: String,
}

impl Identity {
    /// The name of a link as the broker's operator sees it.
    pub(crate) fn link_name(&self, purpose: &str) -> String {
        format!("{} on {} ({purpose})", self.service, self.host)
    }
}
