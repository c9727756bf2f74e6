use super::*;

#[test]
fn what_to_do_follows_what_the_broker_says() {
    let timed_out = "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out";
    let error = LinkError::of_close(406, timed_out.to_owned()).advised();
    let text = error.to_string();
    assert!(text.starts_with(timed_out), "{text}");
    assert!(text.contains("`consumer_timeout`"), "{text}");
    assert_eq!(error.advised().to_string(), text, "said once");
    let other = LinkError::of_close(406, "PRECONDITION_FAILED - else".to_owned());
    assert_eq!(other.clone().advised().to_string(), other.to_string());
    let gone = LinkError::transient("the connection is gone").advised();
    assert_eq!(gone.to_string(), "the connection is gone");
}

#[derive(Debug)]
struct Outer(std::num::ParseIntError);

impl fmt::Display for Outer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the stream is odd")
    }
}

impl Error for Outer {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn the_error_underneath_is_kept_and_its_sources_follow_and_nothing_is_said_twice() {
    let outer = Outer("x".parse::<u8>().unwrap_err());
    let error = LinkError::of_io(io::Error::other(outer)).while_doing("cannot reach it");
    assert_eq!(error.to_string(), "cannot reach it: the stream is odd");
    let below = error.source().unwrap();
    assert_eq!(below.to_string(), "invalid digit found in string");
    assert!(below.source().is_none());
    let underneath = error.told.source.0.as_ref().unwrap();
    assert!(underneath.downcast_ref::<io::Error>().is_some());
}

/// lapin and the link's own task have the same error of a socket.
#[test]
fn an_error_that_lapin_hands_back_is_classified_like_the_one_it_was_given() {
    let untrusted = rustls::CertificateError::UnknownIssuer;
    let tls = io::Error::other(rustls::Error::InvalidCertificate(untrusted));
    let (kind, shared) = (tls.kind(), Arc::new(tls));
    let ours = LinkError::of_io(Arc::clone(&shared));
    let theirs = LinkError::of_io(io::Error::new(kind, shared));
    assert_eq!(theirs.kind, Kind::Configuration);
    assert_eq!(theirs.to_string(), ours.to_string());
}

#[test]
fn the_code_and_what_it_means_stay_whatever_is_said_around_it() {
    let text = "NOT_FOUND - no queue 'q' in vhost '/'";
    let error = LinkError::of_close(404, text.to_owned())
        .while_doing("reading queue `q`")
        .with_advice("make it");
    assert!(error.code == 404 && error.is_missing(), "{error:?}");
    assert_eq!(
        error.to_string(),
        format!("reading queue `q`: {text}; make it")
    );
}

/// garenne's own errors may quote the broker's words.
#[test]
fn who_only_names_a_thing_so_is_not_taken_for_the_broker() {
    let error = LinkError::transient("cannot read queue `NOT_FOUND - no `");
    assert!(!error.is_missing() && !error.is_refusal(), "{error:?}");
}
