//! One actor: its context, mailbox and references, and how a generation starts, runs and ends.

pub(crate) mod actor;
pub(crate) mod actor_ref;
pub(crate) mod answer;
pub(crate) mod arbiter;
pub(crate) mod cell;
pub(crate) mod clock;
pub(crate) mod context;
pub(crate) mod deadline;
pub(crate) mod delivery;
pub(crate) mod envelope;
pub(crate) mod error;
pub(crate) mod exit;
pub(crate) mod hang;
pub(crate) mod mailbox;
pub(crate) mod monitor;
pub(crate) mod pending_answer;
pub(crate) mod pool;
pub(crate) mod quarantine;
pub(crate) mod queue;
pub(crate) mod recipient;
pub(crate) mod reply_to;
pub(crate) mod spans;
pub(crate) mod turn;
pub(crate) mod within;
