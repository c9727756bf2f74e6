//! The trace that a message belongs to, as W3C Trace Context writes it into headers.

use crate::header::{TRACEPARENT, TRACESTATE};
use crate::value::{Headers, Value};

/// The trace context of a message: its headers `traceparent` and `tracestate`, as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext<'a> {
    parent: &'a str,
    state: Option<&'a str>,
}

impl<'a> TraceContext<'a> {
    /// The context in these headers; `None` without a valid `traceparent`. It must begin with the form
    /// `00-<32 hex digits>-<16 hex digits>-<2 hex digits>`; later versions only add to that form.
    #[must_use]
    pub fn of(headers: &'a Headers) -> Option<Self> {
        let text = |name| headers.get(name).and_then(Value::as_str);
        let parent = text(TRACEPARENT).filter(|parent| is_parent(parent))?;
        Some(Self {
            parent,
            state: text(TRACESTATE),
        })
    }

    /// `traceparent`: the version, the id of the trace, the id of the producer's span, and flags.
    #[must_use]
    pub const fn parent(self) -> &'a str {
        self.parent
    }

    /// `tracestate`, if there is one: data that tracing systems want to be passed on.
    #[must_use]
    pub const fn state(self) -> Option<&'a str> {
        self.state
    }

    /// The id of the trace: 32 hexadecimal digits, by which a tracing system is searched.
    #[must_use]
    pub fn trace_id(self) -> &'a str {
        self.parent.split('-').nth(1).unwrap_or_default()
    }
}

fn is_parent(text: &str) -> bool {
    const LENGTHS: [usize; 4] = [2, 32, 16, 2];
    let is_hex = |part: &str| part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let parts: Vec<_> = text.split('-').take(LENGTHS.len()).collect();
    let has_form = parts.len() == LENGTHS.len()
        && parts
            .iter()
            .zip(LENGTHS)
            .all(|(part, len)| part.len() == len && is_hex(part));
    has_form && parts[0] != "ff" && parts[1].bytes().any(|digit| digit != b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn headers(parent: impl Into<Value>) -> Headers {
        Headers::from([(TRACEPARENT.to_owned(), parent.into())])
    }

    #[test]
    fn a_trace_is_found_by_its_id() {
        let headers = headers(PARENT);
        let trace = TraceContext::of(&headers);
        assert_eq!(
            trace.map(TraceContext::trace_id),
            Some("0af7651916cd43dd8448eb211c80319c")
        );
        assert_eq!(trace.and_then(TraceContext::state), None);
    }

    #[test]
    fn what_a_later_version_adds_is_let_be() {
        assert!(TraceContext::of(&headers(format!("01{}-more", &PARENT[2..]))).is_some());
    }

    #[test]
    fn what_is_no_trace_is_not_taken_for_one() {
        let zero = PARENT.replace(|c: char| c.is_ascii_alphanumeric(), "0");
        let upper = PARENT.to_uppercase();
        let forbidden = format!("ff{}", &PARENT[2..]);
        for text in ["", "00-7-7-01", &PARENT[..50], &zero, &upper, &forbidden] {
            assert_eq!(TraceContext::of(&headers(text)), None, "{text}");
        }
        assert_eq!(TraceContext::of(&headers(Value::Void)), None);
        assert_eq!(TraceContext::of(&Headers::new()), None);
    }
}
