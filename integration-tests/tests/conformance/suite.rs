//! Runs cases on brokers and compares what they noted with the book.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use tokio::task::LocalSet;

use super::book::Book;
use super::case::Case;
use super::differences;
use super::lab::{Lab, Needs};
use super::table::{self, Cell, Row};
use super::wire::Wire;

/// How many cases run at once: they mostly wait.
const AT_ONCE: usize = 8;

/// After this a case hangs.
const PATIENCE: Duration = Duration::from_secs(100);

/// Cases, and the book that says what they are to note.
#[derive(Debug)]
pub(crate) struct Suite {
    cases: Vec<Case>,
    book: Book,
}

impl Suite {
    pub(crate) fn new(cases: Vec<Case>, book: &str) -> Self {
        let book = Book::open(book);
        let orphans = book.orphans(&cases);
        assert!(orphans.is_empty(), "in the book, but no cases: {orphans:?}");
        Self { cases, book }
    }

    pub(crate) fn titles(&self) -> impl Iterator<Item = String> {
        self.cases.iter().map(Case::title)
    }

    /// Runs the cases on the embedded broker.
    pub(crate) async fn on_embedded(self) {
        let rows = self.each(async |case| {
            let started = Instant::now();
            let cells = vec![self.embedded(&case).await];
            let took = started.elapsed();
            Row { case, cells, took }
        });
        table::print(&["embedded"], &rows.await);
    }

    /// Runs the cases on the embedded broker and on RabbitMQ, whichever version the tests use.
    pub(crate) async fn on_both(self) {
        let version = Wire::version(&Lab::rabbit(Needs::Vhost).await).await;
        let rows = self.each(async |case| {
            let started = Instant::now();
            let on_rabbit = run(&case, Lab::rabbit(case.needs));
            let (embedded, notes) = tokio::join!(self.embedded(&case), on_rabbit);
            let expected = differences::of_rabbitmq(&version, &case.title());
            let rabbit = Cell::of(self.book.get(&case), &notes, expected);
            let took = started.elapsed();
            let cells = vec![embedded, rabbit];
            Row { case, cells, took }
        });
        table::print(&["embedded", &format!("RabbitMQ {version}")], &rows.await);
    }

    /// Runs the cases on RabbitMQ 4, and makes what they note the book.
    pub(crate) async fn record(self) {
        let version = Wire::version(&Lab::rabbit(Needs::Vhost).await).await;
        assert!(
            version.starts_with("4."),
            "the book is about RabbitMQ 4, this is {version}: set GARENNE_RABBITMQ to 4"
        );
        let seen = self.each(async |case| {
            let notes = run(&case, Lab::rabbit(case.needs)).await;
            let broken = notes.iter().find(|line| line.starts_with("!: "));
            assert!(broken.is_none(), "{}: {broken:?}", case.title());
            (case, notes)
        });
        let seen = seen.await;
        self.book.rewrite(seen);
    }

    async fn embedded(&self, case: &Case) -> Cell {
        let seen = run(case, Lab::embedded()).await;
        let expected = differences::of_embedded(&case.title());
        Cell::of(self.book.get(case), &seen, expected)
    }

    /// Does something with each case that is wanted, some at a time.
    async fn each<T>(&self, work: impl AsyncFn(Case) -> T) -> Vec<T> {
        let only = std::env::var("CONFORMANCE_ONLY").unwrap_or_default();
        must_choose(&only, &super::titles());
        let mut cases = self.cases.clone();
        cases.retain(|case| case.title().contains(&only));
        let all = stream::iter(cases)
            .map(|case| work(case))
            .buffered(AT_ONCE)
            .collect();
        LocalSet::new().run_until(all).await
    }
}

/// That a choice of cases, those with `only` in their titles, is one. Where it is meant for one suite,
/// another may have none.
fn must_choose(only: &str, titles: &[String]) {
    assert!(
        titles.iter().any(|title| title.contains(only)),
        "CONFORMANCE_ONLY is `{only}`, and no case has that in its title"
    );
}

/// Runs one case on one broker and gives its notes; a line that starts with `!` says how it failed.
async fn run(case: &Case, lab: impl Future<Output = Lab> + 'static) -> Vec<String> {
    let lab = match tokio::task::spawn_local(lab).await {
        Ok(lab) => lab,
        Err(error) => return vec![format!("!: there is no broker: {}", panic_text(error))],
    };
    let task = tokio::task::spawn_local(tokio::time::timeout(PATIENCE, (case.run)(lab.clone())));
    match task.await {
        Ok(Ok(())) => {}
        Ok(Err(_)) => lab.note("!", "the case hangs"),
        Err(error) => lab.note("!", format!("the case failed: {}", panic_text(error))),
    }
    lab.notes()
}

fn panic_text(error: tokio::task::JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else {
        return "cancelled".to_owned();
    };
    match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
        (Some(text), _) => text.clone(),
        (None, Some(text)) => (*text).to_owned(),
        (None, None) => "a panic without a text".to_owned(),
    }
}

mod tests {
    use super::must_choose;

    fn titles() -> Vec<String> {
        ["queues: one_is_declared", "retries: one_comes_back"]
            .map(str::to_owned)
            .into()
    }

    #[test]
    fn all_cases_or_those_with_a_part_of_a_title_can_be_chosen() {
        for only in ["", "retries", "one_is"] {
            must_choose(only, &titles());
        }
    }

    #[test]
    #[should_panic(expected = "CONFORMANCE_ONLY is `one_was`, and no case has that in its title")]
    fn a_choice_of_no_case_fails_and_says_so() {
        must_choose("one_was", &titles());
    }
}
