//! Bytes to frames, frames to methods, and back. No state but what a frame needs.

mod depth;
mod encode;
mod field;
mod frame;
mod method;
mod properties;
mod readable;

pub(crate) use depth::table_is_shallow;
#[cfg(test)]
pub(crate) use encode::encode_properties;
pub(crate) use encode::{Output, encode};
pub(crate) use field::{Field, Table, Value};
pub(crate) use frame::{
    CONTENT_BODY, CONTENT_HEADER, Frame, FrameReader, HEARTBEAT, Input, METHOD, broken, describe,
};
pub(crate) use method::{decode_method, method_id};
pub(crate) use properties::Properties;
