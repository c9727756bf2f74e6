//! URLs that hold passwords, taken apart.
//!
//! People write passwords into URLs unescaped: with `@`, `/`, `?` or `#` in them, or without a host behind
//! them. A lenient reader then takes a part of the password for the host, the port or the path, and a program
//! that shows these shows the password. So this reader is strict. It refuses a URL with more than one
//! reading, and its errors repeat no part of the URL.

use std::error::Error;
use std::fmt;

/// The parts of a URL such as `amqp://user:password@host:5672/path?name=value`. All but the path are
/// percent-decoded. Its `Debug` leaves out user, password and query.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UrlParts {
    /// The scheme: the text before `://`, in lower case.
    pub scheme: String,
    /// The user, if the URL has an `@`.
    pub user: Option<String>,
    /// The password, if there is a colon behind the user.
    pub password: Option<String>,
    /// The host: a name or an address; an IPv6 address without its brackets. Empty if there is none.
    pub host: String,
    /// The port, from 1.
    pub port: Option<u16>,
    /// The text behind the first slash after the host, as it was written; `None` without that slash.
    pub path: Option<String>,
    /// Names and values of the query, in their order.
    pub query: Vec<(String, String)>,
}

/// Why a text is not a URL with a single reading. It repeats no part of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UrlError(&'static str);

impl UrlParts {
    /// Splits a URL into its parts.
    ///
    /// # Errors
    ///
    /// [`UrlError`] if there is no scheme, if the host cannot be a host, or if an escape is NUL or not UTF-8.
    /// Also for everything that allows two readings: white space, a control character, `#` or a comma
    /// anywhere; a `%` that begins no escape; a colon without a port; an `@`, a second `?`, a `;` or a `://`
    /// behind the host. In user, password, path and query, write these as escapes, such as `%40`.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = text
            .split_once("://")
            .ok_or(UrlError("it must begin with a scheme and `://`"))?;
        let is_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        if scheme.is_empty() || !scheme.chars().all(is_scheme) {
            return Err(UrlError("it must begin with a scheme and `://`"));
        }
        refuse_ambiguous(rest)?;
        let (place, query) = match rest.split_once('?') {
            Some((place, query)) => (place, Some(query)),
            None => (rest, None),
        };
        let (authority, path) = match place.split_once('/') {
            Some((authority, path)) => (authority, Some(path)),
            None => (place, None),
        };
        for behind in path.iter().chain(&query) {
            refuse_behind_host(behind)?;
        }
        let (userinfo, place) = match authority.rsplit_once('@') {
            Some((userinfo, place)) => (Some(userinfo), place),
            None => (None, authority),
        };
        let (host, port) = host_and_port(place)?;
        let (user, password) = match userinfo.map(|info| info.split_once(':')) {
            None => (None, None),
            Some(None) => (userinfo.map(decoded).transpose()?, None),
            Some(Some((user, password))) => (Some(decoded(user)?), Some(decoded(password)?)),
        };
        Ok(Self {
            scheme: scheme.to_ascii_lowercase(),
            user,
            password,
            host,
            port,
            path: path.map(str::to_owned),
            query: pairs(query.unwrap_or_default())?,
        })
    }

    /// The path with its escapes decoded; empty without one.
    ///
    /// # Errors
    ///
    /// [`UrlError`] if the decoded path is not UTF-8.
    pub fn decoded_path(&self) -> Result<String, UrlError> {
        decoded(self.path.as_deref().unwrap_or_default())
    }
}

/// Escapes a text so that it can stand anywhere in a URL.
///
/// ```
/// assert_eq!(garenne_core::url::escaped("/a b"), "%2fa%20b");
/// ```
#[must_use]
pub fn escaped(text: &str) -> String {
    use fmt::Write;
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            write!(escaped, "%{byte:02x}").expect("a String takes every text");
        }
    }
    escaped
}

fn refuse_ambiguous(text: &str) -> Result<(), UrlError> {
    if text.contains(',') {
        return Err(UrlError("a comma in it is written `%2C`"));
    }
    let is_blank = |c: char| c.is_whitespace() || c.is_control();
    if text.contains(is_blank) {
        return Err(UrlError(
            "there is white space or a control character in it; a space is written `%20`",
        ));
    }
    if text.contains('#') {
        return Err(UrlError("a `#` in it is written `%23`"));
    }
    let mut behind = text.split('%').skip(1);
    let is_escape = |rest: &str| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if behind.all(is_escape) {
        Ok(())
    } else {
        Err(UrlError("a `%` in it is written `%25`"))
    }
}

/// The text behind the host may be a part of a password that was not escaped.
fn refuse_behind_host(text: &str) -> Result<(), UrlError> {
    if text.contains(['@', '?', ';']) || text.contains("://") {
        return Err(UrlError(
            "in user, password and path, `@` is written `%40`, `/` `%2F`, `?` `%3F` and `;` `%3B`",
        ));
    }
    Ok(())
}

fn host_and_port(place: &str) -> Result<(String, Option<u16>), UrlError> {
    let (host, port) = if let Some(rest) = place.strip_prefix('[') {
        let (host, behind) = rest
            .split_once(']')
            .ok_or(UrlError("its host begins with `[` and has no `]`"))?;
        let address: std::net::Ipv6Addr = host.parse().map_err(|_| {
            UrlError("what stands in brackets for the host is not an address of IPv6")
        })?;
        let port = match behind.strip_prefix(':') {
            None if behind.is_empty() => None,
            None => {
                return Err(UrlError(
                    "behind the host follows neither a port nor a path",
                ));
            }
            port => port,
        };
        (address.to_string(), port)
    } else {
        let (host, port) = match place.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        };
        let host = decoded(host)?;
        let can_be = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        // The host may be a local socket, named by its path in escapes.
        let is_socket = host.starts_with('/') && !place.starts_with('/');
        if !is_socket && !host.chars().all(can_be) {
            return Err(UrlError(
                "its host has other characters than ASCII letters, digits, `-`, `.` and `_`",
            ));
        }
        (host, port)
    };
    let port = port.map(|port| {
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        let number = port.parse().ok().filter(|port: &u16| digits && *port > 0);
        number.ok_or(UrlError(
            "behind the host and its colon stands no port from 1 to 65535; is the host missing, or a character of \
             the password not escaped?",
        ))
    });
    Ok((host, port.transpose()?))
}

fn pairs(query: &str) -> Result<Vec<(String, String)>, UrlError> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decoded(name)?, decoded(value)?))
        })
        .collect()
}

/// Replaces escapes by the characters that they stand for.
fn decoded(text: &str) -> Result<String, UrlError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let escape = (first == b'%').then(|| behind.get(..2)).flatten();
        let byte = escape
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &behind[2..] } else { behind };
    }
    let text = String::from_utf8(bytes).map_err(|_| UrlError("an escape in it is not UTF-8"))?;
    if text.contains('\0') {
        return Err(UrlError("there is a NUL character in it"));
    }
    Ok(text)
}

impl fmt::Debug for UrlParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UrlParts")
            .field("scheme", &self.scheme)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for UrlError {}

#[cfg(test)]
mod tests;
