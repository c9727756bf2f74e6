//! One HTTP request at a time, by `ureq`.
//!
//! Its calls block, which suits an actor with a thread of its own: no second runtime, no pool of
//! connections, a fifth of the dependencies of an asynchronous client. At `trace` it writes
//! addresses and headers into the log, so its calls are made where `tracing` hears nothing (`actor.rs`).

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use garenne::AlertError;
use ureq::Agent;
use ureq::http::header::{CONTENT_TYPE, RETRY_AFTER};
use ureq::http::{HeaderMap, Response};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::answer::Answer;
use super::body::Request;

/// How much of an answer is read, in bytes. More than anybody has to say.
const MAX_ANSWER: u64 = 64 * 1024;
/// The longest wait that another side can ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(86_400);

/// A client that gives up after this time. `encrypted` addresses are checked against the system's
/// roots.
pub(super) fn agent(timeout: Duration, encrypted: bool) -> Result<Agent, AlertError> {
    let config = Agent::config_builder()
        .timeout_global(Some(timeout))
        // The body of a refusal says why.
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        // Minutes pass between two calls: a connection would be dead by then.
        .max_idle_connections(0)
        .user_agent(concat!("garenne/", env!("CARGO_PKG_VERSION")));
    let config = if encrypted {
        config.tls_config(tls()?)
    } else {
        config
    };
    Ok(config.build().new_agent())
}

fn tls() -> Result<TlsConfig, AlertError> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let why = found
            .errors
            .first()
            .map(ToString::to_string)
            .unwrap_or_default();
        return Err(AlertError::new(format_args!(
            "this host has no root certificates ({why}); install them (Debian: ca-certificates), or name a file in \
             SSL_CERT_FILE"
        )));
    }
    let certs: Vec<_> = found
        .certs
        .iter()
        .map(|cert| Certificate::from_der(cert).to_owned())
        .collect();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&certs))
        .unversioned_rustls_crypto_provider(provider)
        .build())
}

/// Posts the document, and reads the answer.
pub(super) fn post(
    agent: &Agent,
    request: &Request,
    headers: &HeaderMap,
) -> Result<Answer, ureq::Error> {
    let mut post = agent
        .post(&request.url)
        .header(CONTENT_TYPE, "application/json; charset=utf-8");
    for (name, value) in headers {
        post = post.header(name, value);
    }
    let mut response = post.send(request.body.to_string())?;
    let retry_after = retry_after(&response, SystemTime::now());
    let body = response
        .body_mut()
        .with_config()
        .limit(MAX_ANSWER)
        .lossy_utf8(true)
        .read_to_string();
    Ok(Answer {
        status: response.status().as_u16(),
        retry_after,
        // What was done is known by the status; an answer that breaks off is judged by what it is.
        body: body.unwrap_or_default(),
    })
}

/// Seconds, or a date.
fn retry_after<T>(response: &Response<T>, now: SystemTime) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = httpdate::parse_http_date(text).ok()?;
            date.duration_since(now).unwrap_or(Duration::ZERO)
        }
    };
    Some(wait.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn a_wait_is_read_in_seconds_and_as_a_date() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_770);
        for (text, seconds) in [
            ("30", Some(30)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(7)),
            ("Sat, 05 Nov 1994 08:49:37 GMT", Some(0)),
            ("99999999999", Some(86_400)),
            ("soon", None),
        ] {
            let response = Response::builder()
                .header(RETRY_AFTER, text)
                .body(())
                .unwrap();
            assert_eq!(
                retry_after(&response, now),
                seconds.map(Duration::from_secs),
                "{text}"
            );
        }
    }
}
