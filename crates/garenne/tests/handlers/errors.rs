//! What handlers may return, and what becomes of it.

use std::error::Error;
use std::fmt;
use std::num::ParseIntError;

use garenne::core::FailReason;
use garenne::prelude::*;
use garenne::{IntoFailure, Wish};
use garenne_testing::{TestSystem, perform};

/// A struct that fails with this error, whatever its type.
struct Fails<E>(fn() -> E);

impl<E: IntoFailure + 'static> Handle<Text, E> for Fails<E> {
    async fn handle(&self, _: Delivery<Text>) -> Result<(), E> {
        Err((self.0)())
    }
}

/// What both kinds of handlers make of the error.
async fn failed<E: IntoFailure + 'static>(error: fn() -> E) -> (Wish, String, Vec<String>) {
    let function = move |_: Delivery<Text>| async move { Err(error()) };
    let of_function = parts(&perform(function, "x").await.unwrap_err());
    let of_struct = parts(&perform(Fails(error), "x").await.unwrap_err());
    assert_eq!(of_function, of_struct);
    of_struct
}

fn parts(failure: &Failure) -> (Wish, String, Vec<String>) {
    let (error, chain) = (failure.error().to_owned(), failure.chain().to_owned());
    (failure.wish(), error, chain)
}

fn expected(wish: Wish, error: &str, chain: &[&str]) -> (Wish, String, Vec<String>) {
    let chain = chain.iter().map(ToString::to_string).collect();
    (wish, error.to_owned(), chain)
}

const CAUSE: &str = "invalid digit found in string";

fn no_number() -> ParseIntError {
    "x".parse::<u8>().unwrap_err()
}

/// An error with a source.
#[derive(Debug)]
struct NoAmount<E>(E);

impl<E> fmt::Display for NoAmount<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no amount")
    }
}

impl<E: Error + 'static> Error for NoAmount<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

type Boxed = Box<dyn Error + Send + Sync>;

#[tokio::test]
async fn an_error_of_every_kind_is_retried_with_its_causes() {
    let retried = expected(Wish::Retry, "no amount", &[CAUSE]);
    assert_eq!(failed(|| NoAmount(no_number())).await, retried);
    assert_eq!(failed(|| Boxed::from(NoAmount(no_number()))).await, retried);
    let anyhow = || anyhow::Error::new(no_number()).context("no amount");
    assert_eq!(failed(anyhow).await, retried);
    let eyre = || eyre::Report::new(no_number()).wrap_err("no amount");
    assert_eq!(failed(eyre).await, retried);
    assert_eq!(
        failed(|| Failure::from(anyhow::Error::from(NoAmount(no_number())))).await,
        retried
    );
    let text = expected(Wish::Retry, "no amount", &[]);
    assert_eq!(failed(|| "no amount").await, text);
    assert_eq!(failed(|| "no amount".to_owned()).await, text);
}

/// An error that is no `std::error::Error`, and says by itself what should happen.
enum ChargeError {
    NoSuchOrder,
    Busy,
    Gateway(NoAmount<ParseIntError>),
}

impl From<ChargeError> for Failure {
    fn from(error: ChargeError) -> Self {
        match error {
            ChargeError::NoSuchOrder => Failure::permanent("there is no such order"),
            ChargeError::Busy => Failure::retry_after(5.secs(), "busy"),
            ChargeError::Gateway(error) => error.into(),
        }
    }
}

#[tokio::test]
async fn an_error_type_of_ones_own_says_what_should_happen() {
    let permanent = expected(Wish::Permanent, "there is no such order", &[]);
    assert_eq!(failed(|| ChargeError::NoSuchOrder).await, permanent);
    let later = expected(Wish::RetryAfter(5.secs()), "busy", &[]);
    assert_eq!(failed(|| ChargeError::Busy).await, later);
    let retried = expected(Wish::Retry, "no amount", &[CAUSE]);
    let gateway = || ChargeError::Gateway(NoAmount(no_number()));
    assert_eq!(failed(gateway).await, retried);
}

fn discarded() -> FailureError {
    Failure::discard("not wanted").into()
}

#[tokio::test]
async fn a_failure_among_the_sources_says_what_should_happen() {
    let alone = expected(Wish::Discard, "not wanted", &[]);
    assert_eq!(failed(discarded).await, alone);
    assert_eq!(failed(|| Boxed::from(discarded())).await, alone);
    assert_eq!(failed(|| anyhow::Error::new(discarded())).await, alone);
    assert_eq!(failed(|| eyre::Report::new(discarded())).await, alone);

    let source = expected(Wish::Discard, "no amount", &["not wanted"]);
    assert_eq!(failed(|| NoAmount(discarded())).await, source);
    let anyhow = || anyhow::Error::new(discarded()).context("no amount");
    assert_eq!(failed(anyhow).await, source);
    let eyre = || eyre::Report::new(discarded()).wrap_err("no amount");
    assert_eq!(failed(eyre).await, source);
}

#[test]
fn a_failure_comes_out_of_an_error_as_it_went_in() {
    let failure = || Failure::from(NoAmount(NoAmount(no_number()))).wishing(Wish::Permanent);
    let again = Failure::from(FailureError::from(failure()));
    assert_eq!(parts(&again), parts(&failure()));
    assert_eq!(again.chain(), ["no amount", CAUSE]);
}

#[test]
fn the_outermost_failure_among_the_sources_counts() {
    let inner = Failure::from(NoAmount(discarded()));
    let outer = FailureError::from(inner.wishing(Wish::Permanent));
    let failure = Failure::from(NoAmount(outer));
    let permanent = expected(Wish::Permanent, "no amount", &["no amount", "not wanted"]);
    assert_eq!(parts(&failure), permanent);
}

#[test]
fn printed_with_its_causes_a_failure_says_what_should_happen() {
    let text = |failure: Failure| format!("{:#}", anyhow::Error::new(FailureError::from(failure)));
    let permanent = Failure::from(NoAmount(no_number())).wishing(Wish::Permanent);
    assert_eq!(
        text(permanent),
        format!("no amount: not to be tried again: {CAUSE}")
    );
    let later = Failure::retry_after(90.secs(), "busy");
    assert_eq!(text(later), "busy: to be tried again after 1m 30s");
    assert_eq!(text(Failure::discard("x")), "x: to be discarded");
    assert_eq!(text(Failure::transient("x")), "x: to be tried again");
}

#[tokio::test]
async fn a_question_mark_keeps_the_causes_whatever_should_happen() {
    async fn charge(how: Delivery<Text>) -> Result<(), Failure> {
        let amount = || Err::<(), _>(NoAmount(no_number()));
        match &**how.body() {
            "permanent" => amount().or_permanent()?,
            "discard" => amount().or_discard()?,
            "later" => amount().or_retry_after(5.secs())?,
            "anyhow" => anyhow::Context::context(Err(no_number()), "no amount").or_permanent()?,
            _ => amount()?,
        };
        Ok(())
    }
    for (how, wish) in [
        ("permanent", Wish::Permanent),
        ("discard", Wish::Discard),
        ("later", Wish::RetryAfter(5.secs())),
        ("anyhow", Wish::Permanent),
        ("retry", Wish::Retry),
    ] {
        let failure = perform(charge, how).await.unwrap_err();
        assert_eq!(
            parts(&failure),
            expected(wish, "no amount", &[CAUSE]),
            "{how}"
        );
    }
}

/// Its own source.
#[derive(Debug)]
struct Endless;

impl fmt::Display for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("again")
    }
}

impl Error for Endless {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self)
    }
}

#[test]
fn an_error_whose_sources_never_end_becomes_a_failure() {
    let failure = Failure::from(Endless);
    assert_eq!(failure.chain(), ["again"; 16]);
}

#[tokio::test]
async fn an_error_of_anyhow_is_parked_with_its_causes_and_as_what_it_says() {
    async fn charge(how: Delivery<Text>) -> anyhow::Result<()> {
        if &**how.body() == "no such order" {
            let why = Failure::permanent("it was never placed");
            let why = anyhow::Error::new(FailureError::from(why));
            return Err(why.context("order 7"));
        }
        Err(anyhow::Error::new(no_number()).context("no amount"))
    }
    let queue = Queue::quorum("q").retry(Retry::every(20.secs()).times(1));
    let system = TestSystem::start(|builder| builder.consume_fn(queue, charge)).await;
    let permanent = system.send("q", "no such order").await;
    let retried = system.send("q", "no amount").await;
    system.settled().await;
    let parked = system.assert_parked(&permanent).attempts(1);
    let parked = parked.reason(FailReason::Permanent).error("order 7");
    assert_eq!(parked.record().error_chain, ["it was never placed"]);
    system.assert_retried(&retried).after(20.secs());
    system.advance(20.secs()).await;
    let parked = system.assert_parked(&retried).attempts(2);
    let parked = parked.reason(FailReason::Exhausted).error("no amount");
    assert_eq!(parked.record().error_chain, [CAUSE]);
    system.finish().await;
}

#[cfg(feature = "anyhow")]
#[tokio::test]
async fn with_the_feature_a_failure_goes_through_anyhow_as_it_is() {
    async fn charge(how: Delivery<Text>) -> anyhow::Result<()> {
        match &**how.body() {
            "bail" => anyhow::bail!(Failure::discard("not wanted")),
            "context" => {
                let failure = anyhow::Error::from(Failure::discard("not wanted"));
                Err(failure.context("no amount"))
            }
            _ => Ok(Err(Failure::discard("not wanted"))?),
        }
    }
    let alone = expected(Wish::Discard, "not wanted", &[]);
    let failure = |how: &'static str| async move { perform(charge, how).await.unwrap_err() };
    assert_eq!(parts(&failure("bail").await), alone);
    assert_eq!(parts(&failure("?").await), alone);
    let source = expected(Wish::Discard, "no amount", &["not wanted"]);
    assert_eq!(parts(&failure("context").await), source);
}

#[cfg(feature = "eyre")]
#[tokio::test]
async fn with_the_feature_a_failure_goes_through_eyre_as_it_is() {
    async fn charge(how: Delivery<Text>) -> eyre::Result<()> {
        match &**how.body() {
            "bail" => eyre::bail!(Failure::discard("not wanted")),
            "context" => {
                let report = eyre::Report::from(Failure::discard("not wanted"));
                Err(report.wrap_err("no amount"))
            }
            _ => Ok(Err(Failure::discard("not wanted"))?),
        }
    }
    let alone = expected(Wish::Discard, "not wanted", &[]);
    let failure = |how: &'static str| async move { perform(charge, how).await.unwrap_err() };
    assert_eq!(parts(&failure("bail").await), alone);
    assert_eq!(parts(&failure("?").await), alone);
    let source = expected(Wish::Discard, "no amount", &["not wanted"]);
    assert_eq!(parts(&failure("context").await), source);
}
