//! The credentials of a link. lapin does not get them, because at `trace` it logs every frame that it writes.

use std::ops::Range;

use garenne_core::reader::FRAME_HEAD;

/// Class and method of `connection.start-ok`.
const START_OK: [u8; 4] = [0, 10, 0, 11];

/// The position of the payload's size in the head of a frame.
const SIZE: Range<usize> = 3..7;

/// The SASL response: the answer to the broker's question for credentials.
pub(in crate::link) struct Login(Vec<u8>);

impl Login {
    /// User and password, in plain text (RFC 4616).
    pub(in crate::link) fn plain(user: &str, password: &str) -> Self {
        Self(format!("\0{user}\0{password}").into_bytes())
    }

    /// The identity that TLS has established.
    pub(in crate::link) fn external() -> Self {
        Self(Vec::new())
    }

    /// The whole frame with this response in place of lapin's, if it is `connection.start-ok`: a table, a
    /// short string (the mechanism), the response, a short string.
    pub(super) fn put_into(&self, frame: &[u8]) -> Option<Vec<u8>> {
        let is_method = frame.first() == Some(&1);
        if !is_method || frame.get(FRAME_HEAD..)?.first_chunk() != Some(&START_OK) {
            return None;
        }
        let mechanism = behind_long(frame, FRAME_HEAD + START_OK.len())?;
        let answer = mechanism + 1 + usize::from(*frame.get(mechanism)?);
        let rest = frame.get(behind_long(frame, answer)?..)?;
        let length = u32::try_from(self.0.len()).ok()?;
        let front = frame.get(..answer)?;
        let mut put = [front, &length.to_be_bytes(), &self.0, rest].concat();
        // A frame ends with an extra byte.
        let size = u32::try_from(put.len() - FRAME_HEAD - 1).ok()?;
        put.get_mut(SIZE)?.copy_from_slice(&size.to_be_bytes());
        Some(put)
    }
}

/// The position after a table or a long string: its length, and as many bytes.
fn behind_long(frame: &[u8], at: usize) -> Option<usize> {
    let length = u32::from_be_bytes(*frame.get(at..)?.first_chunk()?);
    Some(at + 4 + usize::try_from(length).ok()?)
}
