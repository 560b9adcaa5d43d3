//! The supervision tree: specifications, supervisors, restarts, and start and stop in order.

pub(crate) mod decision;
pub(crate) mod dynamic;
pub(crate) mod dynamic_supervisor;
pub(crate) mod handle;
pub(crate) mod launch;
pub(crate) mod outcome;
pub(crate) mod rng;
pub(crate) mod root;
pub(crate) mod running_children;
pub(crate) mod spec;
pub(crate) mod strategy;
pub(crate) mod supervisor;
