//! What whoever waits for a message is told.

/// Whether the broker takes messages right now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gate {
    /// It does, as far as is known; also before the first attempt to reach it.
    Open,
    /// There is no link, and why.
    Down(String),
    /// There is a link, and the broker blocks it, and why.
    Blocked(String),
}

impl Gate {
    /// Whether the broker takes nothing.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        *self != Self::Open
    }

    /// What keeps the broker from taking messages.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Open => "no confirm came".to_owned(),
            Self::Down(reason) => reason.clone(),
            Self::Blocked(reason) => format!("the broker blocks publishers: {reason}"),
        }
    }
}

/// How the sending of one message ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The broker has taken responsibility for it.
    Confirmed,
    /// The broker refused to take responsibility for it.
    Nacked,
    /// No queue takes it, in the broker's words: it was returned, or its exchange is missing.
    Unroutable(String),
    /// The broker closed the channel over it, with these words.
    Refused(String),
    /// The broker closed the channel over its size, with these words.
    TooLarge(String),
    /// The broker ended two links while nothing but this message was on its way; the words of the second
    /// time.
    EndsLinks(String),
    /// The broker did not take it in time.
    NotTaken {
        /// Why; [`Gate::Open`] if no confirm came and nothing is known to be wrong.
        gate: Gate,
        /// Whether it was handed to a channel before: it may be stored.
        sent: bool,
    },
}
