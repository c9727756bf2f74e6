//! How the command ends: an exit code, and what is said on standard error.

use std::error::Error;
use std::fmt;
use std::io;
use std::process::ExitCode;

use garenne::admin::AdminError;
use garenne::failed::{StoreError, StoreErrorKind};
use garenne::{ConnectError, ConnectErrorKind, PublishError};

use crate::output::{FAULT, clean, styled, tell};

/// Something failed, or is left undone.
const LEFT: u8 = 1;
/// The arguments cannot be used.
pub(crate) const USAGE: u8 = 2;
/// A fault of this command.
const INTERNAL: u8 = 70;
/// The broker or the database cannot be reached: try again later.
const UNREACHABLE: u8 = 75;
/// The broker or the database refuses: somebody must change something.
const REFUSED: u8 = 78;

/// The command has run. That does not mean that all is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// Everything that was asked for is done.
    Everything,
    /// Something failed or is left undone, and that was said.
    NotEverything,
}

/// Why the command could not go on.
#[derive(Debug)]
pub(crate) struct Trouble {
    code: u8,
    text: String,
    causes: Vec<String>,
    /// The reader of standard output has gone: there is nobody to tell.
    is_broken_pipe: bool,
}

impl Trouble {
    fn new(code: u8, text: impl fmt::Display) -> Self {
        Self {
            code,
            text: text.to_string(),
            causes: Vec::new(),
            is_broken_pipe: false,
        }
    }

    /// Something failed that a person can mend.
    pub(crate) fn failed(text: impl fmt::Display) -> Self {
        Self::new(LEFT, text)
    }

    /// It may go better later, or in another place.
    pub(crate) fn unreachable(text: impl fmt::Display) -> Self {
        Self::new(UNREACHABLE, text)
    }

    /// The broker refuses.
    pub(crate) fn refused(text: impl fmt::Display) -> Self {
        Self::new(REFUSED, text)
    }

    /// The arguments do not fit together.
    pub(crate) fn usage(text: impl fmt::Display) -> Self {
        Self::new(USAGE, text)
    }

    /// A fault of this command.
    pub(crate) fn internal(text: impl fmt::Display) -> Self {
        Self::new(INTERNAL, text)
    }

    /// Says what it stood in the way of.
    pub(crate) fn while_doing(mut self, doing: impl fmt::Display) -> Self {
        let text = std::mem::replace(&mut self.text, doing.to_string());
        self.causes.insert(0, text);
        self
    }
}

impl From<ConnectError> for Trouble {
    fn from(error: ConnectError) -> Self {
        let code = match error.kind() {
            ConnectErrorKind::Faulty => USAGE,
            ConnectErrorKind::Refused => REFUSED,
            _ => UNREACHABLE,
        };
        Self::new(code, error)
    }
}

impl From<AdminError> for Trouble {
    fn from(error: AdminError) -> Self {
        let code = if error.is_refusal() {
            REFUSED
        } else {
            UNREACHABLE
        };
        Self::new(code, error)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        let code = match error.kind() {
            StoreErrorKind::Unreachable => UNREACHABLE,
            StoreErrorKind::Refused | StoreErrorKind::Missing => REFUSED,
            _ => LEFT,
        };
        let mut causes = Vec::new();
        let mut source = error.source();
        while let Some(cause) = source {
            causes.push(cause.to_string());
            source = cause.source();
        }
        Self {
            causes,
            ..Self::new(code, error)
        }
    }
}

impl From<PublishError> for Trouble {
    fn from(error: PublishError) -> Self {
        let code = match error {
            PublishError::Disconnected { .. }
            | PublishError::Blocked { .. }
            | PublishError::Timeout { .. } => UNREACHABLE,
            _ => LEFT,
        };
        Self::new(code, error)
    }
}

impl Trouble {
    /// An export that was not written to its end, even if its reader had enough: what is missing in it may
    /// be thrown away next.
    pub(crate) fn incomplete(error: &io::Error) -> Self {
        Self::new(
            LEFT,
            format_args!("not everything was exported: cannot write: {error}"),
        )
    }
}

/// Of writing to standard output.
impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self {
            is_broken_pipe: error.kind() == io::ErrorKind::BrokenPipe,
            ..Self::new(LEFT, format_args!("cannot write: {error}"))
        }
    }
}

/// The last words, and the exit code.
pub(crate) fn end(done: Result<Done, Trouble>) -> ExitCode {
    let trouble = match done {
        Ok(Done::Everything) => return ExitCode::SUCCESS,
        Ok(Done::NotEverything) => return ExitCode::from(LEFT),
        // `garenne failed ls | head` has got what it wanted.
        Err(trouble) if trouble.is_broken_pipe => return ExitCode::SUCCESS,
        Err(trouble) => trouble,
    };
    say_fault(&trouble.text);
    for cause in &trouble.causes {
        tell(&format!("  because {}", clean(cause)));
    }
    ExitCode::from(trouble.code)
}

/// One line on standard error, whoever wrote parts of it.
pub(crate) fn say(text: &str) {
    tell(&clean(text));
}

/// One line on standard error that tells of a fault.
pub(crate) fn say_fault(text: &str) {
    tell(&format!("{} {}", styled(FAULT, "garenne:"), clean(text)));
}
