//! The message that made the broker close a channel.

use super::answer::Answer;
use super::message::Names;

/// Whether this message made the broker close the channel with this code and text, and its answer then.
/// `None`: it was only in flight at the time.
pub(super) fn blame(message: &Names<'_>, code: u16, text: &str) -> Option<Answer> {
    let names = |what: &str, value: &str| text.contains(&format!("{what} '{value}'"));
    let names_exchange = || {
        names("exchange", message.exchange)
            // A permission may also depend on the routing key.
            && (!text.contains("topic '") || names("topic", message.routing_key))
    };
    let names_text = |what, value: Option<&str>| value.is_some_and(|value| names(what, value));
    let (is_to_blame, answer): (bool, fn(String) -> Answer) = match code {
        404 => (names_exchange(), Answer::Unroutable),
        403 => (names_exchange(), Answer::Refused),
        406 if text.contains("message size") => {
            let its_size = format!("message size {} ", message.body_len);
            (text.contains(&its_size), Answer::TooLarge)
        }
        406 if text.contains("user_id") => (names_text("set to", message.user_id), Answer::Refused),
        406 if text.contains("expiration") => (
            names_text("expiration", message.expiration),
            Answer::Refused,
        ),
        _ => return None,
    };
    is_to_blame.then(|| answer(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: Names<'_> = Names {
        exchange: "orders",
        routing_key: "new",
        body_len: 70,
        user_id: Some("bob"),
        expiration: Some("soon"),
    };

    fn is_to_blame(code: u16, text: &str) -> bool {
        blame(&SENT, code, text).is_some()
    }

    #[test]
    fn the_message_that_the_broker_names_is_to_blame_and_no_other() {
        let missing = |name| format!("NOT_FOUND - no exchange '{name}' in vhost '/'");
        let unroutable = blame(&SENT, 404, &missing("orders"));
        assert_eq!(unroutable, Some(Answer::Unroutable(missing("orders"))));
        assert!(!is_to_blame(404, &missing("order")) && !is_to_blame(320, &missing("orders")));

        let size = |bytes| format!("PRECONDITION_FAILED - message size {bytes} is larger than 60");
        assert_eq!(
            blame(&SENT, 406, &size(70)),
            Some(Answer::TooLarge(size(70)))
        );
        assert!(!is_to_blame(406, &size(700)));

        let user =
            "PRECONDITION_FAILED - user_id property set to 'bob' but authenticated user was 'al'";
        assert_eq!(
            blame(&SENT, 406, user),
            Some(Answer::Refused(user.to_owned()))
        );
        assert!(!is_to_blame(406, &user.replace("bob", "eve")));
        assert!(is_to_blame(
            406,
            "PRECONDITION_FAILED - invalid expiration 'soon': no number"
        ));
        assert!(!is_to_blame(
            406,
            "PRECONDITION_FAILED - invalid expiration '': no number"
        ));
    }

    #[test]
    fn a_right_that_ends_at_a_routing_key_blames_only_what_has_that_key() {
        let refused =
            |key| format!("ACCESS_REFUSED - access to topic '{key}' in exchange 'orders' refused");
        assert!(is_to_blame(403, &refused("new")));
        assert!(!is_to_blame(403, &refused("old")));
        assert!(is_to_blame(
            403,
            "ACCESS_REFUSED - access to exchange 'orders' refused"
        ));
    }
}
