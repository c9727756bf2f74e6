//! An inbox, whatever database it is in.

use std::time::Duration;

use futures_util::future::join_all;
use garenne::core::{Attempt, Properties};
use garenne::{Bytes, Delivery};
use garenne_sinks::{Inbox, InboxConnection};
use sqlx::{Database, Pool};

const SOON: Duration = Duration::from_secs(60);

fn delivery(queue: &str, id: Option<&str>) -> Delivery<Bytes> {
    let properties = Properties {
        message_id: id.map(str::to_owned),
        ..Properties::default()
    };
    Delivery::fabricate(queue, Attempt::FIRST, &properties, "").unwrap()
}

/// What the handling of a message ends with.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Commit,
    Rollback,
}

/// Handles a message: says whether it was the first time.
async fn handle<DB: Database>(
    pool: &Pool<DB>,
    message: &Delivery<Bytes>,
    end: End,
) -> Result<bool, sqlx::Error>
where
    DB::Connection: InboxConnection,
{
    let mut transaction = pool.begin().await?;
    let first = Inbox::new().is_first(&mut *transaction, message).await?;
    match end {
        End::Commit => transaction.commit().await?,
        End::Rollback => transaction.rollback().await?,
    }
    Ok(first)
}

pub(crate) async fn a_message_is_the_first_until_its_transaction_commits<DB: Database>(
    pool: &Pool<DB>,
) where
    DB::Connection: InboxConnection,
{
    let inbox = Inbox::new();
    for _ in 0..2 {
        inbox
            .create(&mut *pool.acquire().await.unwrap())
            .await
            .unwrap();
    }
    let ids = ["7", "a\0", "a\\0", "a\\", "é", ""];
    for id in ids {
        let order = delivery("orders", Some(id));
        for end in [End::Rollback, End::Rollback, End::Commit] {
            assert!(handle(pool, &order, end).await.unwrap(), "{id:?}");
        }
        assert!(!handle(pool, &order, End::Commit).await.unwrap(), "{id:?}");
    }
    assert!(
        handle(pool, &delivery("invoices", Some("7")), End::Commit)
            .await
            .unwrap()
    );
    for _ in 0..2 {
        assert!(
            handle(pool, &delivery("orders", None), End::Commit)
                .await
                .unwrap()
        );
    }
}

/// Copies come at the same time, some of their handlers fail, and a failed one comes again.
pub(crate) async fn of_copies_at_once_one_is_the_first<DB: Database>(pool: &Pool<DB>)
where
    DB::Connection: InboxConnection,
{
    let inbox = Inbox::new();
    let creating = (0..5).map(async |_| inbox.create(&mut *pool.acquire().await?).await);
    for created in join_all(creating).await {
        created.unwrap();
    }
    let copies = (0..60_u32).map(async |n| {
        let order = delivery("orders", Some(&(n % 10).to_string()));
        let mut firsts = 0;
        // The first ten give up once after they were the first.
        let mut ends = vec![End::Commit];
        ends.extend((n < 10).then_some(End::Rollback));
        while let Some(end) = ends.last().copied() {
            match handle(pool, &order, end).await {
                Ok(first) => {
                    firsts += u32::from(first && end == End::Commit);
                    ends.pop();
                }
                // A database that is busy fails the attempt, and there is another one.
                Err(sqlx::Error::Database(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        firsts
    });
    let firsts = tokio::time::timeout(SOON, join_all(copies)).await;
    assert_eq!(firsts.unwrap().iter().sum::<u32>(), 10);
}

pub(crate) async fn what_is_old_is_forgotten_and_nothing_else<DB: Database>(pool: &Pool<DB>)
where
    DB::Connection: InboxConnection,
{
    let inbox = Inbox::in_table("in_box").unwrap();
    let mut connection = pool.acquire().await.unwrap();
    inbox.create(&mut *connection).await.unwrap();
    let order = delivery("orders", Some("7"));
    assert!(inbox.is_first(&mut *connection, &order).await.unwrap());
    let hour = Duration::from_secs(3600);
    assert_eq!(inbox.forget(&mut *connection, hour).await.unwrap(), 0);
    // Its row is as young as the clock is coarse.
    let forgetting = async {
        while inbox
            .forget(&mut *connection, Duration::ZERO)
            .await
            .unwrap()
            == 0
        {}
    };
    tokio::time::timeout(SOON, forgetting).await.unwrap();
    assert!(inbox.is_first(&mut *connection, &order).await.unwrap());
}
