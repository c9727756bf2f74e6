//! A record as the columns of a table, and back.

use std::sync::Arc;
use std::time::SystemTime;

use garenne::core::json::{read_headers, read_properties, write_headers, write_properties};
use garenne::core::{FailReason, FailedMessage, Headers, Properties, within_years_of_four_digits};
use garenne::failed::{FailureKey, StoredFailure};
use serde_json::{Map, Value as Json};
use sqlx::{ColumnIndex, Decode, Type};

use super::key::record_key;
use super::text::{json_with_nul, json_without_nul, with_nul, without_nul};

/// The columns that are written, in this order.
pub(super) const COLUMNS: &str = "record_key, message_id, queue, exchange, routing_key, reason, error, error_chain, attempts, \
     first_failed_at, last_failed_at, host, service, version, trace_id, properties, headers, body";

/// A record, ready to be written.
pub(super) struct Row {
    pub(super) record_key: Vec<u8>,
    pub(super) message_id: String,
    pub(super) queue: String,
    pub(super) exchange: String,
    pub(super) routing_key: String,
    pub(super) reason: &'static str,
    pub(super) error: String,
    pub(super) error_chain: String,
    pub(super) attempts: i64,
    pub(super) first_failed_at: String,
    pub(super) last_failed_at: String,
    pub(super) host: String,
    pub(super) service: String,
    pub(super) version: String,
    pub(super) trace_id: Option<String>,
    pub(super) properties: String,
    pub(super) headers: String,
    pub(super) body: Arc<[u8]>,
}

impl Row {
    /// The columns of a record; an error when it cannot be written, whatever the database.
    pub(super) fn of(record: &FailedMessage) -> Result<Self, String> {
        let unreadable = |error| format!("the headers cannot be written as JSON: {error}");
        let headers = write_headers(&record.properties.headers).map_err(unreadable)?;
        let bare = |delivery_mode| {
            let properties = Properties {
                headers: Headers::new(),
                delivery_mode,
                ..record.properties.clone()
            };
            write_properties(&properties).map(text)
        };
        let headers = text(headers);
        let identity = bare(None).map_err(unreadable)?;
        let plain = |text: &str| without_nul(text).into_owned();
        let chain: Vec<_> = record.error_chain.iter().map(|text| plain(text)).collect();
        Ok(Self {
            record_key: record_key(record, &identity, &headers),
            message_id: plain(&record.message_id),
            queue: plain(&record.queue),
            exchange: plain(&record.exchange),
            routing_key: plain(&record.routing_key),
            reason: record.reason.as_str(),
            error: plain(&record.error),
            error_chain: Json::from(chain).to_string(),
            attempts: record.attempts.into(),
            first_failed_at: time(record.first_failed_at),
            last_failed_at: time(record.last_failed_at),
            host: plain(&record.host),
            service: plain(&record.service),
            version: plain(&record.version),
            trace_id: record.trace_context().map(|t| t.trace_id().to_owned()),
            properties: bare(record.properties.delivery_mode).map_err(unreadable)?,
            headers,
            body: Arc::clone(&record.body),
        })
    }

    /// About how many bytes it takes on its way to the database.
    pub(super) fn size(&self) -> usize {
        let texts = [
            &self.error,
            &self.error_chain,
            &self.properties,
            &self.headers,
        ];
        1000 + self.body.len() + texts.into_iter().map(String::len).sum::<usize>()
    }
}

/// A row as it was read: texts, numbers and bytes, in the order of [`COLUMNS`] less the key.
pub(super) struct ReadRow {
    pub(super) id: i64,
    pub(super) texts: [String; 6],
    pub(super) error_chain: String,
    pub(super) attempts: i64,
    pub(super) times: [String; 2],
    pub(super) names: [String; 3],
    pub(super) properties: String,
    pub(super) headers: String,
    pub(super) body: Vec<u8>,
}

impl ReadRow {
    /// Reads what a database selected: the columns of this type, in its order.
    pub(super) fn read<'r, R>(row: &'r R) -> Result<Self, sqlx::Error>
    where
        R: sqlx::Row,
        usize: ColumnIndex<R>,
        i64: Decode<'r, R::Database> + Type<R::Database>,
        String: Decode<'r, R::Database> + Type<R::Database>,
        Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
    {
        let text = |n: usize| row.try_get::<String, _>(n);
        Ok(Self {
            id: row.try_get(0)?,
            texts: [text(1)?, text(2)?, text(3)?, text(4)?, text(5)?, text(6)?],
            error_chain: text(7)?,
            attempts: row.try_get(8)?,
            times: [text(9)?, text(10)?],
            names: [text(11)?, text(12)?, text(13)?],
            properties: text(14)?,
            headers: text(15)?,
            body: row.try_get(16)?,
        })
    }

    /// The record; an error when somebody has written what cannot be read.
    pub(super) fn into_failure(self) -> Result<StoredFailure, String> {
        let id = self.id;
        let wrong = |error: String| format!("row {id} cannot be read: {error}");
        let key = u64::try_from(id).map_err(|e| wrong(e.to_string()))?;
        let record = self.into_record().map_err(wrong)?;
        Ok(StoredFailure {
            key: FailureKey::new(key),
            record,
        })
    }

    fn into_record(self) -> Result<FailedMessage, String> {
        let mut properties =
            read_properties(&object(&self.properties)?).map_err(|e| e.to_string())?;
        properties.headers = read_headers(&object(&self.headers)?).map_err(|e| e.to_string())?;
        let chain: Vec<String> =
            serde_json::from_str(&self.error_chain).map_err(|e| format!("error_chain: {e}"))?;
        let [first_failed_at, last_failed_at] = self.times.map(|time| read_time(&time));
        let [message_id, queue, exchange, routing_key, reason, error] = self.texts.map(with_nul);
        let [host, service, version] = self.names.map(with_nul);
        Ok(FailedMessage {
            message_id,
            queue,
            exchange,
            routing_key,
            body: self.body.into(),
            properties,
            attempts: self
                .attempts
                .clamp(0, u32::MAX.into())
                .try_into()
                .unwrap_or(1),
            first_failed_at: first_failed_at?,
            last_failed_at: last_failed_at?,
            // A newer garenne may know reasons that this one does not.
            reason: reason.parse().unwrap_or(FailReason::Exhausted),
            error,
            error_chain: chain.into_iter().map(with_nul).collect(),
            host,
            service,
            version,
        })
    }
}

fn text(object: Map<String, Json>) -> String {
    Json::Object(json_without_nul(object)).to_string()
}

fn object(text: &str) -> Result<Map<String, Json>, String> {
    match serde_json::from_str(text) {
        Ok(Json::Object(object)) => Ok(json_with_nul(object)),
        Ok(_) => Err("not a JSON object".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// RFC 3339, UTC, milliseconds, as headers of parked messages have it. A time outside the years 1970
/// to 9999 is taken as the nearest inside.
pub(super) fn time(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(within_years_of_four_digits(time)).to_string()
}

fn read_time(text: &str) -> Result<SystemTime, String> {
    humantime::parse_rfc3339(text).map_err(|error| format!("the time `{text}`: {error}"))
}
