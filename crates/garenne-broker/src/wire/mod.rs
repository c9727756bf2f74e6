//! Bytes to frames, frames to methods, and back. No state but what a frame needs.

mod depth;
mod encode;
mod frame;
mod method;

pub(crate) use depth::table_is_shallow;
pub(crate) use encode::{Output, encode, encode_properties};
pub(crate) use frame::{
    CONTENT_BODY, CONTENT_HEADER, Frame, FrameReader, HEARTBEAT, Input, METHOD, broken, describe,
};
pub(crate) use method::{decode_method, decode_properties, method_id};
