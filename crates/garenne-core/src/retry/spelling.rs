//! A policy as it is written in configuration.

use std::fmt;
use std::str::FromStr;

use super::{Retry, Schedule};
use crate::duration::{DurationError, compact, parse_duration};
use crate::secret::quoted;

impl fmt::Display for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Schedule::List(delays) if delays.is_empty() => f.write_str("none"),
            Schedule::List(delays) => {
                let delays: Vec<_> = delays.iter().copied().map(compact).collect();
                f.write_str(&delays.join(","))
            }
            Schedule::Every { delay, times } => write!(f, "{}*{times}", compact(*delay)),
            Schedule::Doubling {
                first,
                ceiling,
                times,
            } => {
                write!(f, "{}..{}*{times}", compact(*first), compact(*ceiling))
            }
        }
    }
}

impl FromStr for Retry {
    type Err = RetryError;

    fn from_str(text: &str) -> Result<Self, RetryError> {
        parse(text.trim()).map_err(|source| RetryError {
            value: quoted(text),
            source,
        })
    }
}

fn parse(text: &str) -> Result<Retry, Option<DurationError>> {
    if text == "none" {
        return Ok(Retry::none());
    }
    let Some((delays, times)) = text.split_once('*') else {
        let delays: Result<Vec<_>, _> = text.split(',').map(parse_duration).collect();
        return Ok(Retry::delays(delays?));
    };
    let policy = match delays.split_once("..") {
        Some((first, ceiling)) => {
            Retry::exponential(parse_duration(first)?, parse_duration(ceiling)?)
        }
        None => Retry::every(parse_duration(delays)?),
    };
    Ok(policy.times(times.trim().parse().map_err(|_| None)?))
}

/// A text that is not a retry policy.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryError {
    value: String,
    source: Option<DurationError>,
}

impl fmt::Display for RetryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { value, .. } = self;
        write!(f, "{value} is not a retry policy; accepted: ")?;
        f.write_str("`20s*3` (every 20 s, three times), `1s,10s,1m`, `1s..1m*8` (doubling), `none`")
    }
}

impl std::error::Error for RetryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}
