//! The names that a service needs: `use garenne::prelude::*;`.

pub use actix::{Actor, AsyncContext, Context, Handler};
pub use garenne_core::alert::Pace;
pub use garenne_core::{
    Declare, DurationExt, ExchangeKind, OutageWindow, Queue, QueueKind, Retry, Topology,
};

pub use crate::{
    Alert, AlertError, AlertSetup, Body, Bytes, Dedup, Delays, Delivery, FailSinkSetup,
    FailedMessage, Failure, FailureError, Handle, HandlerFuture, Json, LogSink, OrFail, Outgoing,
    PublishError, Publisher, RequestError, SinkError, SystemBuilder, SystemHandle, Text, Tls,
    Undecodable, WhenDown,
};
