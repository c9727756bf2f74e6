//! Protocol errors with RabbitMQ's codes and texts.

use std::fmt;

/// A reply code of AMQP 0-9-1, as RabbitMQ uses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Code {
    AccessRefused = 403,
    NotFound = 404,
    ResourceLocked = 405,
    PreconditionFailed = 406,
    FrameError = 501,
    CommandInvalid = 503,
    ChannelError = 504,
    UnexpectedFrame = 505,
    NotAllowed = 530,
    NotImplemented = 540,
    InternalError = 541,
    SyntaxError = 502,
}

impl Code {
    /// The name that RabbitMQ puts before every text.
    fn name(self) -> &'static str {
        match self {
            Self::AccessRefused => "ACCESS_REFUSED",
            Self::NotFound => "NOT_FOUND",
            Self::ResourceLocked => "RESOURCE_LOCKED",
            Self::PreconditionFailed => "PRECONDITION_FAILED",
            Self::FrameError => "FRAME_ERROR",
            Self::CommandInvalid => "COMMAND_INVALID",
            Self::ChannelError => "CHANNEL_ERROR",
            Self::UnexpectedFrame => "UNEXPECTED_FRAME",
            Self::NotAllowed => "NOT_ALLOWED",
            Self::NotImplemented => "NOT_IMPLEMENTED",
            Self::InternalError => "INTERNAL_ERROR",
            Self::SyntaxError => "SYNTAX_ERROR",
        }
    }

    /// The reply code on the wire.
    pub(crate) fn number(self) -> u16 {
        self as u16
    }

    /// Whether the error costs the channel only; the others cost the connection.
    pub(crate) fn is_soft(self) -> bool {
        matches!(
            self,
            Self::AccessRefused | Self::NotFound | Self::ResourceLocked | Self::PreconditionFailed
        )
    }
}

/// Why a channel or a connection is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exception {
    pub(crate) code: Code,
    text: String,
}

impl Exception {
    pub(crate) fn new(code: Code, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
        }
    }

    /// The whole reply text, cut to what a short string can carry. What RabbitMQ did not foresee
    /// has none but its name.
    pub(crate) fn reply_text(&self) -> String {
        if self.code == Code::InternalError {
            return self.code.name().to_owned();
        }
        short(&format!("{} - {}", self.code.name(), self.text))
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code.number(), self.reply_text())
    }
}

/// Cuts a text to the 255 bytes of a short string, with dots where something is missing.
pub(crate) fn short(text: &str) -> String {
    if text.len() <= 255 {
        return text.to_owned();
    }
    let end = (0..=252)
        .rev()
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or(0);
    format!("{}...", &text[..end])
}

macro_rules! kinds {
    ($($name:ident => $code:ident),* $(,)?) => {$(
        pub(crate) fn $name(text: impl Into<String>) -> Exception {
            Exception::new(Code::$code, text)
        }
    )*};
}

kinds! {
    access_refused => AccessRefused,
    not_found => NotFound,
    resource_locked => ResourceLocked,
    precondition_failed => PreconditionFailed,
    frame_error => FrameError,
    internal_error => InternalError,
    command_invalid => CommandInvalid,
    channel_error => ChannelError,
    unexpected_frame => UnexpectedFrame,
    not_allowed => NotAllowed,
    not_implemented => NotImplemented,
    syntax_error => SyntaxError,
}

/// Writes bytes the way Erlang prints a binary, because RabbitMQ's texts quote frames so.
pub(crate) fn erlang_binary(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "<<>>".to_owned();
    }
    if bytes.iter().all(|&b| (32..127).contains(&b)) {
        return format!("<<\"{}\">>", String::from_utf8_lossy(bytes));
    }
    let numbers: Vec<String> = bytes.iter().take(128).map(u8::to_string).collect();
    format!("<<{}>>", numbers.join(","))
}

/// Bytes as Erlang shows them as text: whoever does not speak UTF-8 speaks Latin-1.
pub(crate) fn latin1_or_utf8(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    }
}

/// Writes bytes the way Erlang prints a list: as Latin-1 if all of it can be printed.
pub(crate) fn erlang_list(bytes: &[u8]) -> String {
    let is_printable = |byte: &u8| matches!(byte, b' '..=b'~' | 0xa0..=0xff);
    if bytes.iter().all(is_printable) {
        let text: String = bytes.iter().copied().map(char::from).collect();
        let text = text.replace('\\', "\\\\").replace('"', "\\\"");
        return format!("\"{text}\"");
    }
    let numbers: Vec<String> = bytes.iter().map(u8::to_string).collect();
    format!("[{}]", numbers.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_at_a_character_and_ends_in_dots() {
        let text = precondition_failed("é".repeat(300)).reply_text();
        assert!(text.len() <= 255);
        assert!(text.ends_with("..."));
    }

    #[test]
    fn bytes_are_printed_as_erlang_prints_them() {
        assert_eq!(erlang_binary(b""), "<<>>");
        assert_eq!(erlang_binary(b"abc"), "<<\"abc\">>");
        assert_eq!(erlang_binary(&[0, 20, 1]), "<<0,20,1>>");
        assert_eq!(erlang_list(b"abc\xe9"), "\"abcé\"");
        assert_eq!(erlang_list(&[b'a', 0]), "[97,0]");
        assert_eq!(latin1_or_utf8(b"caf\xe9"), "café");
        assert_eq!(latin1_or_utf8("café".as_bytes()), "café");
    }
}
