//! Rows stored in batches, and one by one when one of them spoils its batch.

use super::database::Database;
use super::error::{Blame, SqlError};
use super::row::Row;
use super::session::Session;

/// The most bytes in one statement; a single row may be larger.
pub(super) const BATCH_BYTES: usize = 16 << 20;

/// Stores rows; says for each whether it is stored, and of those how many are new. An error means
/// that it is not known of any of them, and that the session should not be used any more.
pub(super) async fn store(
    session: &mut dyn Session,
    database: &Database,
    rows: &[Row],
) -> Result<(Vec<Result<(), SqlError>>, u64), SqlError> {
    match database.in_time(session.insert(rows)).await {
        Ok(new) => Ok((rows.iter().map(|_| Ok(())).collect(), new)),
        Err(error) if error.blame == Blame::Record && rows.len() == 1 => Ok((vec![Err(error)], 0)),
        Err(error) if error.blame == Blame::Record => {
            let (mut results, mut new) = (Vec::with_capacity(rows.len()), 0);
            for row in rows.chunks(1) {
                let (result, is_new) = Box::pin(store(session, database, row)).await?;
                results.extend(result);
                new += is_new;
            }
            Ok((results, new))
        }
        Err(error) => Err(error),
    }
}
