//! Who may come in.

use std::collections::HashMap;

use amq_protocol::frame::parsing::traits::ParsableInput;
use amq_protocol::types::parsing::parse_field_table;

use super::values::string;
use crate::exception::{Exception, command_invalid, erlang_binary, syntax_error};
use crate::password::Password;
use crate::wire::table_is_shallow;

/// The mechanisms that are offered, in this order.
pub(super) const MECHANISMS: &str = "PLAIN AMQPLAIN";

/// What became of a login.
pub(super) enum Login {
    Welcome(String),
    Refused,
}

/// Checks a response against the users.
pub(super) fn login(
    users: &HashMap<String, Password>,
    mechanism: &str,
    response: &[u8],
) -> Result<Login, Exception> {
    let (user, password) = match mechanism {
        "PLAIN" => plain(response)?,
        "AMQPLAIN" => amqplain(response)?,
        other => {
            return Err(command_invalid(format!(
                "unknown authentication mechanism '{other}'"
            )));
        }
    };
    match users.get(&user) {
        Some(expected) if *expected == Password::new(password) => Ok(Login::Welcome(user)),
        _ => Ok(Login::Refused),
    }
}

/// `\0user\0password`, perhaps with an identity before it that nobody uses.
fn plain(response: &[u8]) -> Result<(String, String), Exception> {
    let parts: Vec<&[u8]> = response.splitn(3, |&byte| byte == 0).collect();
    match parts[..] {
        [_, user, password] => Ok((lossy(user), lossy(password))),
        _ => Err(syntax_error(format!(
            "response {} invalid",
            erlang_binary(response)
        ))),
    }
}

/// A field table without its length.
fn amqplain(response: &[u8]) -> Result<(String, String), Exception> {
    let invalid = || syntax_error("AMQPLAIN auth info is missing LOGIN or PASSWORD field");
    let mut bytes = u32::try_from(response.len())
        .map_err(|_| invalid())?
        .to_be_bytes()
        .to_vec();
    bytes.extend_from_slice(response);
    if !table_is_shallow(&bytes) {
        return Err(invalid());
    }
    let (_, table) = parse(&bytes[..]).ok_or_else(invalid)?;
    match (string(&table, "LOGIN"), string(&table, "PASSWORD")) {
        (Some(user), Some(password)) => Ok((user, password)),
        _ => Err(invalid()),
    }
}

fn parse<I: ParsableInput>(bytes: I) -> Option<(I, amq_protocol::types::FieldTable)> {
    parse_field_table(bytes).ok()
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users() -> HashMap<String, Password> {
        HashMap::from([("guest".to_owned(), Password::new("secret"))])
    }

    #[test]
    fn plain_and_amqplain_let_the_right_password_in_only() {
        let amqplain = b"\x05LOGINS\0\0\0\x05guest\x08PASSWORDS\0\0\0\x06secret";
        for (mechanism, response, welcome) in [
            ("PLAIN", &b"\0guest\0secret"[..], true),
            ("PLAIN", b"\0guest\0wrong", false),
            ("PLAIN", b"\0nobody\0secret", false),
            ("AMQPLAIN", amqplain, true),
        ] {
            let login = login(&users(), mechanism, response).unwrap();
            assert_eq!(
                matches!(login, Login::Welcome(_)),
                welcome,
                "{mechanism} {response:?}"
            );
        }
    }

    #[test]
    fn nonsense_is_a_protocol_error() {
        assert!(login(&users(), "PLAIN", b"xx").is_err());
        assert!(login(&users(), "AMQPLAIN", b"\x05LOG").is_err());
        assert!(login(&users(), "EXTERNAL", b"").is_err());
    }
}
