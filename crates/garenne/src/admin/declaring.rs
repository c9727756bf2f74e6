//! Declares the entities that a queue needs, as far as that is possible.

use garenne_core::{Declare, Entity, Queue};

use super::is_usable;
use super::{AdminError, BrokerAdmin, Difference, Finding};
use crate::link::declare_one;

/// The result of declaring an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Declared {
    /// The entity was missing, or cannot be inspected, and exists now.
    Made,
    /// The entity existed with the wanted arguments.
    There,
    /// The entity exists, but this user may not see its arguments.
    Unseen,
    /// The entity exists with other arguments; a service that adopts it can use it as it is.
    Adopted {
        /// The arguments that differ.
        differences: Vec<Difference>,
    },
    /// The entity exists with other arguments, and stays as it is.
    Differs {
        /// The arguments that differ.
        differences: Vec<Difference>,
    },
    /// The queue itself is to be adopted, and does not exist.
    Missing,
    /// The broker does not allow the declaration.
    Refused {
        /// The broker's reason.
        reason: String,
    },
}

impl Declared {
    /// Whether a service can work with the entity.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        matches!(
            self,
            Self::Made | Self::There | Self::Unseen | Self::Adopted { .. }
        )
    }
}

impl BrokerAdmin {
    /// Declares every entity that the queue needs, in turn. An entity that cannot be made does not
    /// stop the others. With [`Declare::Verify`] the queue itself is adopted: it is inspected, not made.
    ///
    /// # Errors
    ///
    /// [`AdminError`] when the broker does not answer. A refusal is not an error but a [`Declared`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, some entities may have been made. Declaring again makes the rest.
    pub async fn declare_each(&self, queue: &Queue) -> Result<Vec<(Entity, Declared)>, AdminError> {
        let mut all = Vec::new();
        for entity in queue.topology() {
            let name = queue_name(&entity);
            let adopts = queue.declare == Declare::Verify;
            let is_main = name == Some(queue.name());
            let usable = |differences: &[Difference]| {
                name.is_some_and(|name| is_usable(name, queue, differences))
            };
            let declared = match self.inspect(&entity).await? {
                Finding::Same { .. } if name.is_some() => Declared::There,
                Finding::Differs { differences } if adopts && usable(&differences) => {
                    Declared::Adopted { differences }
                }
                Finding::Differs { differences } => Declared::Differs { differences },
                Finding::Missing if adopts && is_main => Declared::Missing,
                Finding::Missing => self.try_to_make(&entity, Declared::Made).await?,
                // A passive declare does not look at an exchange's type.
                Finding::Same { .. } => self.try_to_make(&entity, Declared::There).await?,
                Finding::Unseen { .. } if name.is_some() => Declared::Unseen,
                Finding::Unseen { .. } => self.try_to_make(&entity, Declared::Made).await?,
                Finding::Refused { reason } => Declared::Refused { reason },
            };
            all.push((entity, declared));
        }
        Ok(all)
    }

    async fn try_to_make(&self, entity: &Entity, made: Declared) -> Result<Declared, AdminError> {
        match declare_one(self.link(), entity).await {
            Ok(()) => Ok(made),
            Err(error) if self.link().is_up() => Ok(Declared::Refused {
                reason: error.to_string(),
            }),
            Err(error) => Err(AdminError::of(&error)),
        }
    }
}

fn queue_name(entity: &Entity) -> Option<&str> {
    match entity {
        Entity::Queue(queue) => Some(&queue.name),
        _ => None,
    }
}
