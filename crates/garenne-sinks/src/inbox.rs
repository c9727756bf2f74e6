//! Messages that were handled, in the database of the work itself.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use garenne::Delivery;

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

/// A table that says which messages were handled, written in the transaction of the work: so either
/// both are there or neither is, whatever dies when.
///
/// ```
/// # #[cfg(feature = "postgres")]
/// # mod example {
/// use garenne::prelude::*;
/// use garenne_sinks::Inbox;
/// use sqlx::PgPool;
///
/// async fn charge(order: Delivery<Text>, inbox: Inbox, pool: PgPool) -> Result<(), Failure> {
///     let mut transaction = pool.begin().await?;
///     if inbox.is_first(&mut *transaction, &order).await? {
///         let charge = sqlx::query("INSERT INTO charges (order_id) VALUES ($1)");
///         charge.bind(order.body().0.as_str()).execute(&mut *transaction).await?;
///     }
///     transaction.commit().await?;
///     // On every run: the process may have died between its commit and this.
///     order.publish(Outgoing::to_queue("invoices", order.body().clone()).derived());
///     Ok(())
/// }
/// # }
/// ```
///
/// # What it protects from, and what not
///
/// It recognises a message by the queue it came from and its message id, in every process that uses
/// the same table, for as long as its row is kept. Of copies that are handled at the same time, one
/// waits in the database until the other's transaction has ended. An id must name one message; one
/// without an id is always the first.
///
/// It makes *one database's* work happen once. A charge at a bank, a mail, a file are not in its
/// transaction: give those the message id, so that they can recognise it themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbox {
    /// Quoted, as it stands in statements.
    table: Cow<'static, str>,
}

/// A database that an [`Inbox`] can be in: `sqlx::PgConnection` and `sqlx::SqliteConnection`, which a
/// transaction, a pool's connection or a connection all are, behind `&mut *`.
pub trait InboxConnection: sealed::Statements {}

mod sealed {
    use std::time::Duration;

    /// What an inbox does in a database.
    pub trait Statements: Send {
        fn create(&mut self, table: &str) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
        /// The number of rows that were added: one, or none.
        fn add(
            &mut self,
            table: &str,
            queue: &str,
            message_id: &str,
        ) -> impl Future<Output = Result<u64, sqlx::Error>> + Send;
        fn forget(
            &mut self,
            table: &str,
            age: Duration,
        ) -> impl Future<Output = Result<u64, sqlx::Error>> + Send;
    }
}

/// A name that is none of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxNameError(String);

impl fmt::Display for InboxNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not a table's name; accepted: letters, digits and `_`, with one dot between a schema and a table",
            self.0
        )
    }
}

impl std::error::Error for InboxNameError {}

impl Default for Inbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Inbox {
    /// The table `garenne_inbox`.
    #[must_use]
    pub const fn new() -> Self {
        let table = Cow::Borrowed("\"garenne_inbox\"");
        Self { table }
    }

    /// A table of another name, with or without its schema: `shop.inbox`.
    ///
    /// # Errors
    ///
    /// [`InboxNameError`] for a name that would have to be quoted.
    pub fn in_table(name: &str) -> Result<Self, InboxNameError> {
        let is_word = |word: &str| {
            let mut letters = word.chars();
            let begins = letters
                .next()
                .is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
            begins && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        let words: Vec<_> = name.split('.').collect();
        if words.len() > 2 || !words.iter().all(|word| is_word(word)) {
            return Err(InboxNameError(name.to_owned()));
        }
        let quoted: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
        let table = Cow::Owned(quoted.join("."));
        Ok(Self { table })
    }

    /// Makes the table if it is not there; several services may do so at once.
    ///
    /// | column | what it says |
    /// |---|---|
    /// | `queue`, `message_id` | the message; together the primary key |
    /// | `handled_at` | when its row was written |
    ///
    /// # Errors
    ///
    /// The database's, when it is not there or the user has not the right.
    pub async fn create<C: InboxConnection>(&self, connection: &mut C) -> Result<(), sqlx::Error> {
        connection.create(&self.table).await
    }

    /// Whether this message is handled for the first time; from then on, if the transaction commits,
    /// it is not any more.
    ///
    /// # Errors
    ///
    /// The database's. Under `REPEATABLE READ` or `SERIALIZABLE`, PostgreSQL fails here when another
    /// copy of the message was handled meanwhile; a retry then finds its row.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the transaction as sqlx does with any statement: roll it back.
    pub async fn is_first<C: InboxConnection, B>(
        &self,
        transaction: &mut C,
        delivery: &Delivery<B>,
    ) -> Result<bool, sqlx::Error> {
        let Some(id) = delivery.message_id() else {
            return Ok(true);
        };
        let (queue, id) = (as_text(delivery.queue()), as_text(id));
        let added = transaction.add(&self.table, &queue, &id).await?;
        Ok(added > 0)
    }

    /// Deletes the rows that are older, and says how many they were. Call it now and then: nothing
    /// else does. Whatever can come again must be kept that long: the longest delay and the time a
    /// message waits in a failed store before somebody replays it.
    ///
    /// # Errors
    ///
    /// The database's.
    pub async fn forget<C: InboxConnection>(
        &self,
        connection: &mut C,
        age: Duration,
    ) -> Result<u64, sqlx::Error> {
        connection.forget(&self.table, age).await
    }
}

/// PostgreSQL's texts hold every character but NUL, which AMQP's may have. Different ids stay
/// different.
fn as_text(text: &str) -> Cow<'_, str> {
    if text.contains(['\0', '\\']) {
        Cow::Owned(text.replace('\\', "\\\\").replace('\0', "\\0"))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_needs_no_care() {
        for (name, quoted) in [
            ("inbox", "\"inbox\""),
            ("shop.in_box2", "\"shop\".\"in_box2\""),
        ] {
            assert_eq!(Inbox::in_table(name).unwrap().table, quoted);
        }
        for name in ["", ".", "a.b.c", "1a", "a b", "a\"; DROP TABLE b; --", "ä"] {
            assert_eq!(Inbox::in_table(name), Err(InboxNameError(name.to_owned())));
        }
    }

    #[test]
    fn different_ids_stay_different_as_texts() {
        let ids = ["a\0", "a\\0", "a\\\\0", "a\\", "a"];
        let texts: std::collections::BTreeSet<_> = ids.iter().map(|id| as_text(id)).collect();
        assert_eq!(texts.len(), ids.len());
        assert!(texts.iter().all(|text| !text.contains('\0')));
    }
}
