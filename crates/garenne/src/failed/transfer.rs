//! Removes failed messages, or moves them from one store into another.

use garenne_core::FailedQuery;

use super::store::{FailedCursor, FailedStore, FailureKey, Seen, StoreError, StoredFailure};

/// How many records are inserted at once, and how many bytes of bodies, unless a single record has more.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// Removes the messages that the query selects from the store for good, and returns their count. `progress`
/// gets the count so far, and says whether to go on.
///
/// # Errors
///
/// [`StoreError`]; messages that were removed before stay removed.
///
/// # Cancel safety
///
/// If the future is dropped, some of the messages may be removed.
pub async fn discard(
    store: &dyn FailedStore,
    query: &FailedQuery,
    mut progress: impl FnMut(u64) -> Flow,
) -> Result<u64, StoreError> {
    let mut discarded = 0;
    loop {
        let rest = rest_of(query, discarded);
        let mut cursor = store.open(&rest).await?;
        let before = discarded;
        let mut flow = Flow::GoOn;
        while flow == Flow::GoOn {
            let Some(stored) = cursor.next().await? else {
                break;
            };
            cursor.remove(stored.key).await?;
            discarded += 1;
            flow = progress(discarded);
        }
        let seen = cursor.close().await?;
        if seen == Seen::All || flow == Flow::Stop || discarded == before {
            return Ok(discarded);
        }
    }
}

/// Moves the messages that the query selects from one store into another, and returns their count. A message
/// is removed only when the other store has stored it durably. If the move is stopped at any moment, it loses
/// nothing, and can be run again. `progress` gets the count so far, and says whether to go on.
///
/// # Errors
///
/// [`StoreError`] of either store; messages that were not moved stay in their first store.
///
/// # Cancel safety
///
/// Dropping the future loses nothing; up to 256 messages may then be in both stores.
pub async fn transfer(
    from: &dyn FailedStore,
    query: &FailedQuery,
    to: &dyn FailedStore,
    mut progress: impl FnMut(u64) -> Flow,
) -> Result<u64, StoreError> {
    let mut moved = 0;
    loop {
        let rest = rest_of(query, moved);
        let mut cursor = from.open(&rest).await?;
        let before = moved;
        let mut flow = Flow::GoOn;
        while flow == Flow::GoOn {
            let batch = batch(&mut *cursor).await?;
            if batch.is_empty() {
                break;
            }
            moved += move_batch(&mut *cursor, batch, to).await?;
            flow = progress(moved);
        }
        let seen = cursor.close().await?;
        if seen == Seen::All || flow == Flow::Stop || moved == before {
            return Ok(moved);
        }
    }
}

/// Whether a long run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    GoOn,
    /// Stop cleanly, before the next message.
    Stop,
}

fn rest_of(query: &FailedQuery, done: u64) -> FailedQuery {
    match query.limit {
        Some(limit) => query.clone().limit(limit.saturating_sub(done)),
        None => query.clone(),
    }
}

async fn batch(cursor: &mut dyn FailedCursor) -> Result<Vec<StoredFailure>, StoreError> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while batch.len() < BATCH && bytes < BATCH_BYTES {
        let Some(stored) = cursor.next().await? else {
            break;
        };
        bytes += stored.record.body.len();
        batch.push(stored);
    }
    Ok(batch)
}

async fn move_batch(
    cursor: &mut dyn FailedCursor,
    batch: Vec<StoredFailure>,
    to: &dyn FailedStore,
) -> Result<u64, StoreError> {
    let (keys, records): (Vec<FailureKey>, Vec<_>) = batch
        .into_iter()
        .map(|stored| (stored.key, stored.record))
        .unzip();
    to.insert(records).await?;
    let mut moved = 0;
    for key in keys {
        cursor.remove(key).await?;
        moved += 1;
    }
    Ok(moved)
}
