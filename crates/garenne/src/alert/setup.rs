//! An alert as it is registered: its actor, its name, its pace.

use std::fmt;
use std::sync::Arc;

use actix::{Actor, Context, Handler, Recipient};
use actix_rt::ArbiterHandle;
use garenne_core::Fault;
use garenne_core::alert::Pace;

use super::Alert;

/// Starts the user's alert on a thread.
pub(super) type Start = Arc<dyn Fn(&ArbiterHandle) -> Recipient<Alert> + Send + Sync>;

/// An alert for [`SystemBuilder::alert`](crate::SystemBuilder::alert): its actor, its name, its pace. The
/// factory of an actor converts into it.
///
/// ```
/// use garenne::prelude::*;
/// # struct Mail;
/// # impl Actor for Mail { type Context = Context<Self>; }
/// # impl Handler<Alert> for Mail {
/// #     type Result = Result<(), AlertError>;
/// #     fn handle(&mut self, _: Alert, _: &mut Self::Context) -> Self::Result { Ok(()) }
/// # }
///
/// let at_most_one_an_hour = AlertSetup::new("mail to the manager", || Mail)
///     .pace(Pace::default().limit(1, 1.hours()));
/// ```
#[must_use = "an alert is never called unless a system is given it"]
pub struct AlertSetup {
    pub(super) name: String,
    pub(super) pace: Pace,
    pub(super) start: Start,
    faults: Vec<Fault>,
}

impl AlertSetup {
    /// An alert with this name, which appears in logs and in the status. The factory makes its
    /// actor, and makes it anew when it has panicked or hung.
    pub fn new<A, F>(name: impl Into<String>, factory: F) -> Self
    where
        A: Actor<Context = Context<A>> + Handler<Alert>,
        F: Fn() -> A + Send + Sync + 'static,
    {
        let factory = Arc::new(factory);
        Self {
            name: name.into(),
            pace: Pace::default(),
            start: Arc::new(move |arbiter| {
                let factory = Arc::clone(&factory);
                A::start_in_arbiter(arbiter, move |_| factory()).recipient()
            }),
            faults: Vec::new(),
        }
    }

    /// How often the alert is called, how it gathers news, how long it keeps trying. [`Pace`] has the
    /// defaults.
    pub fn pace(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }

    /// Adds faults of its configuration, to be reported by
    /// [`SystemBuilder::build`](crate::SystemBuilder::build) together with all others.
    pub fn with_faults(mut self, faults: impl IntoIterator<Item = Fault>) -> Self {
        self.faults.extend(faults);
        self
    }

    pub(crate) fn all_faults(&self) -> Vec<Fault> {
        let owner = format!("alert `{}`", self.name);
        let pace = self.pace.faults();
        let own = self.faults.iter().cloned();
        own.chain(pace).map(|fault| fault.within(&owner)).collect()
    }
}

impl<A, F> From<F> for AlertSetup
where
    A: Actor<Context = Context<A>> + Handler<Alert>,
    F: Fn() -> A + Send + Sync + 'static,
{
    /// An alert that is named after its actor's type.
    fn from(factory: F) -> Self {
        let path = std::any::type_name::<A>();
        let name = path
            .split('<')
            .next()
            .and_then(|path| path.rsplit("::").next());
        Self::new(name.unwrap_or(path), factory)
    }
}

impl fmt::Debug for AlertSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlertSetup")
            .field("name", &self.name)
            .field("pace", &self.pace)
            .finish_non_exhaustive()
    }
}
