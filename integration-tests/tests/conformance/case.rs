//! A case, and how a file lists those it holds.

use std::pin::Pin;

use super::lab::{Lab, Needs};

type Run = fn(Lab) -> Pin<Box<dyn Future<Output = ()>>>;

/// Something that is done to a broker.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// The module it stands in.
    pub(crate) area: &'static str,
    /// What it shows.
    pub(crate) name: &'static str,
    pub(crate) run: Run,
    pub(crate) needs: Needs,
}

impl Case {
    pub(crate) fn new(module: &'static str, name: &'static str, run: Run) -> Self {
        Self {
            area: module.rsplit("::").next().unwrap_or(module),
            name,
            run,
            needs: Needs::Vhost,
        }
    }

    /// It would hurt other cases on the same node.
    pub(crate) fn own_node(self) -> Self {
        Self {
            needs: Needs::Node,
            ..self
        }
    }

    /// How it is called in tables and lists.
    pub(crate) fn title(&self) -> String {
        format!("{}: {}", self.area, self.name)
    }
}

/// Lists the functions that are cases, each with what it needs.
macro_rules! cases {
    ($($name:ident $(. $needs:ident ())?),* $(,)?) => {
        pub(crate) fn cases() -> Vec<$crate::conformance::case::Case> {
            vec![$(
                $crate::conformance::case::Case::new(
                    module_path!(),
                    stringify!($name),
                    |lab| Box::pin($name(lab)),
                )$(.$needs())?
            ),*]
        }
    };
}
pub(crate) use cases;
