//! The answers to the sender of a message.

/// Whether the broker takes messages right now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gate {
    /// It takes messages, as far as is known; also before the first attempt to reach it.
    Open,
    /// There is no link, for this reason.
    Down(String),
    /// There is a link, and the broker blocks it for this reason.
    Blocked(String),
}

impl Gate {
    /// Whether the broker takes no messages.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        *self != Self::Open
    }

    /// The reason why the broker takes no messages.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Open => "no confirm came".to_owned(),
            Self::Down(reason) => reason.clone(),
            Self::Blocked(reason) => format!("the broker blocks publishers: {reason}"),
        }
    }
}

/// How the sending of a message ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The broker has taken responsibility for the message.
    Confirmed,
    /// The broker refused to take responsibility for the message.
    Nacked,
    /// No queue takes the message, in the broker's words: it was returned, or its exchange is missing.
    Unroutable(String),
    /// The broker closed the channel because of the message, with this text.
    Refused(String),
    /// The broker closed the channel because of the message's size, with this text.
    TooLarge(String),
    /// The broker ended two links while only this message was in flight; the text of the second time.
    EndsLinks(String),
    /// The broker did not take the message in time.
    NotTaken {
        /// The reason; [`Gate::Open`] if no confirm came and no trouble is known.
        gate: Gate,
        /// Whether the message was handed to a channel before: it may be stored.
        sent: bool,
    },
}
