//! How the bytes of a message become the value that a handler receives.

mod unlike;

use std::ops::{Deref, DerefMut};

use garenne_core::wire::readable;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::failure::with_causes;

pub use bytes::Bytes;

/// How the bytes of a message become a value.
///
/// A body that cannot be decoded never reaches the handler and never comes back: its message goes to the
/// fail sink once, with the reason `undecodable`. A panic of the decoder counts as a failure to decode.
///
/// ```
/// use garenne::prelude::*;
///
/// /// `<id>;<amount>`, as an old till sends it.
/// struct Receipt {
///     id: u64,
///     cents: u64,
/// }
///
/// impl Body for Receipt {
///     fn decode(bytes: &Bytes, _content_type: Option<&str>) -> Result<Self, Undecodable> {
///         let text = std::str::from_utf8(bytes)?;
///         let (id, cents) = text.split_once(';').ok_or_else(|| Undecodable::new("no `;`"))?;
///         Ok(Self { id: id.parse()?, cents: cents.parse()? })
///     }
/// }
///
/// let receipt = Receipt::decode(&Bytes::from("7;1999"), None).unwrap();
/// assert_eq!((receipt.id, receipt.cents), (7, 1999));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a message body",
    label = "cannot be decoded from the bytes of a message",
    note = "use `Json<{Self}>` for a type that derives `serde::Deserialize`, `Text` for a string, `Bytes` for raw bytes, or implement `garenne::Body`"
)]
pub trait Body: Sized + 'static {
    /// Decodes the bytes of a message; `content_type` is the message's own property, if it has that
    /// property.
    ///
    /// # Errors
    ///
    /// [`Undecodable`], with a text that tells the operator the fault of the body. `?` turns any
    /// `std::error::Error` into an `Undecodable`.
    fn decode(bytes: &Bytes, content_type: Option<&str>) -> Result<Self, Undecodable>;
}

/// Why a body could not be decoded; the text goes into the failure record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undecodable(String);

impl Undecodable {
    /// An explanation in words.
    pub fn new(why: impl std::fmt::Display) -> Self {
        Self(why.to_string())
    }

    /// The explanation, as it is recorded.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

// Like `Failure`, this type does not implement `Error` itself, so that every type that does can be turned
// into it through `?`.
impl<E: std::error::Error> From<E> for Undecodable {
    fn from(error: E) -> Self {
        Self(with_causes(&error))
    }
}

/// A body of JSON, decoded into `T` with `serde_json`. The content type is ignored.
///
/// In a delivery, the fields of `T` are reached directly: `order.order_id`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + 'static> Body for Json<T> {
    fn decode(bytes: &Bytes, content_type: Option<&str>) -> Result<Self, Undecodable> {
        serde_json::from_slice(bytes)
            .map(Json)
            .map_err(|error| no_json(bytes, content_type, &error))
    }
}

/// Why a body is not the expected JSON: its real form, or the place of the fault.
fn no_json(bytes: &[u8], content_type: Option<&str>, error: &serde_json::Error) -> Undecodable {
    // It is JSON, but of another form.
    if error.classify() == Category::Data {
        return Undecodable(format!("not the expected JSON: {error}"));
    }
    let what = unlike::json(bytes).unwrap_or_else(|| error.to_string());
    let other = content_type.filter(|name| !name.to_ascii_lowercase().contains("json"));
    Undecodable(match other {
        Some(name) => {
            let name = readable(name.as_bytes());
            format!("not the expected JSON: {what}; its content type is `{name}`")
        }
        None => format!("not the expected JSON: {what}"),
    })
}

impl<T> Deref for Json<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Json<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// A body of UTF-8 text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(pub String);

impl Body for Text {
    fn decode(bytes: &Bytes, _content_type: Option<&str>) -> Result<Self, Undecodable> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Self(text.to_owned())),
            Err(error) => {
                let what = unlike::text(bytes).unwrap_or_else(|| error.to_string());
                Err(Undecodable(format!("not UTF-8 text: {what}")))
            }
        }
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// The bytes as they came. Never undecodable.
impl Body for Bytes {
    fn decode(bytes: &Bytes, _content_type: Option<&str>) -> Result<Self, Undecodable> {
        Ok(bytes.clone())
    }
}
