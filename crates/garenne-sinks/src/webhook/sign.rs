//! Signatures, as DingTalk and Feishu want them: HMAC-SHA256 over the time and the secret.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

/// DingTalk: the secret is the key, time and secret are the message. To be put into a query.
pub(super) fn dingtalk(timestamp_ms: u128, secret: &str) -> String {
    let sign = hmac_sha256(secret, &format!("{timestamp_ms}\n{secret}"));
    // The three characters of Base64 that a query may not contain.
    sign.replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D")
}

/// Feishu: time and secret are the key, the message is empty. To be put into the body.
pub(super) fn feishu(timestamp_s: u64, secret: &str) -> String {
    hmac_sha256(&format!("{timestamp_s}\n{secret}"), "")
}

fn hmac_sha256(key: &str, message: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    STANDARD.encode(hmac::sign(&key, message.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_that_the_services_compute() {
        // Computed with Python's hmac, as the services' documentation does.
        assert_eq!(
            dingtalk(1_700_000_000_123, "SECtest"),
            "lrMq5E54T40t3FfGVjxdvoqIbXlWY6mzkZYiVoI6emk%3D"
        );
        assert_eq!(
            feishu(1_700_000_000, "SECtest"),
            "G7XpBpG8NgG02fJOAhX6FRAObIljmFoxVReo8I62pEk="
        );
    }
}
