//! Who this service is.

/// Who we are, for failure records and connection names.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) service: String,
    pub(crate) host: String,
    /// Empty unless the program says it.
    pub(crate) version: String,
}

impl Identity {
    /// What the broker's operator sees of a link.
    pub(crate) fn link_name(&self, purpose: &str) -> String {
        format!("{} on {} ({purpose})", self.service, self.host)
    }
}
