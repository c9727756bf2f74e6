//! What is otherwise in the record of a failed message than a test says.

use garenne::core::{FailReason, FailedMessage};

pub(crate) fn other_reason(record: &FailedMessage, reason: FailReason) -> Option<String> {
    let is = record.reason;
    (is != reason).then(|| format!("with reason `{is}`, not `{reason}`"))
}

pub(crate) fn other_error(record: &FailedMessage, text: &str) -> Option<String> {
    let FailedMessage {
        error, error_chain, ..
    } = record;
    let mut errors = std::iter::once(error).chain(error_chain);
    if errors.any(|error| error.contains(text)) {
        return None;
    }
    let sources: String = error_chain
        .iter()
        .map(|source| format!(" (because of `{source}`)"))
        .collect();
    Some(format!(
        "with error `{error}`{sources}, which does not contain `{text}`"
    ))
}

pub(crate) fn other_attempts(record: &FailedMessage, attempts: u32) -> Option<String> {
    let is = record.attempts;
    (is != attempts).then(|| format!("after attempt {is}, not {attempts}"))
}
