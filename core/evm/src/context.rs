//! The types of revm's context and error over this crate's state.

use revm::Context;
use revm::context::{BlockEnv, CfgEnv, TxEnv};
use revm::context_interface::result::EVMError;

use crate::overlay::{Overlay, OverlayError};

/// The context in which revm runs code: environment, journal, and the [`Overlay`] below it.
pub(crate) type EvmContext<'a> = Context<BlockEnv, TxEnv, CfgEnv, Overlay<'a>>;

/// The error of a transaction that revm does not finish.
pub(crate) type EvmError = EVMError<OverlayError>;
