//! Payloads to methods, through `amq-protocol`.

use amq_protocol::protocol::{AMQPClass, parse_class};

use super::depth::{skip_short_strings, table_is_shallow};
use super::frame::{METHOD, broken};
use crate::exception::{Exception, command_invalid, erlang_binary, frame_error};

/// Class and method, as the first four bytes of a method frame name them.
pub(crate) fn method_id(payload: &[u8]) -> Option<(u16, u16)> {
    let bytes = payload.get(..4)?;
    Some((
        u16::from_be_bytes([bytes[0], bytes[1]]),
        u16::from_be_bytes([bytes[2], bytes[3]]),
    ))
}

/// Decodes the payload of a method frame.
pub(crate) fn decode_method(payload: &[u8]) -> Result<AMQPClass, Exception> {
    let Some((class, method)) = method_id(payload) else {
        return Err(broken(METHOD, payload, "unknown_frame"));
    };
    let fields = &payload[4..];
    if !is_known(class, method) {
        return Err(command_invalid(format!(
            "unknown method {{{class},{method}}}"
        )));
    }
    if table_of(class, method, fields).is_some_and(|table| !table_is_shallow(table)) {
        return Err(frame_error("field table nested too deeply"));
    }
    match parse_class(payload) {
        Ok(([], parsed)) => Ok(parsed),
        _ => Err(frame_error(format!(
            "cannot decode {}",
            erlang_binary(fields)
        ))),
    }
}

/// The field table inside a client's method, if it has one.
fn table_of(class: u16, method: u16, fields: &[u8]) -> Option<&[u8]> {
    let (skip, strings, bits) = match (class, method) {
        (10, 11) => (0, 0, 0),                 // connection.start-ok
        (40, 10) => (2, 2, 1),                 // exchange.declare
        (40, 30 | 40) | (50, 20) => (2, 3, 1), // exchange.bind, exchange.unbind, queue.bind
        (50, 10) => (2, 1, 1),                 // queue.declare
        (50, 50) => (2, 3, 0),                 // queue.unbind
        (60, 20) => (2, 2, 1),                 // basic.consume
        _ => return None,
    };
    skip_short_strings(fields.get(skip..)?, strings)?.get(bits..)
}

/// Whether the protocol has such a method; connection.start is known but never a client's to send,
/// and its table is not guarded, so it is not decoded.
fn is_known(class: u16, method: u16) -> bool {
    match class {
        10 => matches!(
            method,
            11 | 20 | 21 | 30 | 31 | 40 | 41 | 50 | 51 | 60 | 61 | 70 | 71
        ),
        20 => matches!(method, 10 | 11 | 20 | 21 | 40 | 41),
        30 => matches!(method, 10 | 11),
        40 => matches!(method, 10 | 11 | 20 | 21 | 30 | 31 | 40 | 51),
        50 => matches!(method, 10 | 11 | 20 | 21 | 30 | 31 | 40 | 41 | 50 | 51),
        60 => matches!(
            method,
            10 | 11
                | 20
                | 21
                | 30
                | 31
                | 40
                | 50
                | 60
                | 70
                | 71
                | 72
                | 80
                | 90
                | 100
                | 110
                | 111
                | 120
        ),
        85 => matches!(method, 10 | 11),
        90 => matches!(method, 10 | 11 | 20 | 21 | 30 | 31),
        _ => false,
    }
}
