//! Scan of a table of the newest state, with the values that later blocks have overwritten in place.

use std::ops::ControlFlow;

use actoreum_primitives::B256;

use crate::tables::after_prefix;
use crate::{StorageError, Store};

/// Calls `visitor` with each entry of a served state whose table key begins with `prefix` and goes on
/// with a hash of `start` or above, in ascending order, until the visitor breaks. `changed` are the
/// entries from `start` on that differ from the newest ones; `None` is one that did not exist.
pub(super) fn scan<T>(
    store: &Store,
    prefix: &[u8],
    start: &B256,
    changed: impl Iterator<Item = (B256, Option<T>)>,
    decode: impl Fn(&[u8]) -> Result<Option<T>, StorageError>,
    mut visitor: impl FnMut(B256, T) -> ControlFlow<()>,
) -> Result<(), StorageError> {
    let mut changed = changed.peekable();
    let mut show = |key: B256, value: Option<T>| match value {
        Some(value) => visitor(key, value),
        None => ControlFlow::Continue(()),
    };
    let mut outcome = Ok(ControlFlow::Continue(()));
    let first = [prefix, start.as_slice()].concat();
    let end = after_prefix(prefix);
    store
        .database()
        .visit(&first, end.as_deref(), &mut |key, value| {
            let hash = key.get(prefix.len()..).map(B256::try_from);
            let (Some(Ok(hash)), value) = (hash, decode(value)) else {
                outcome = Err(StorageError::Corrupt(
                    "a key of the state is truncated".into(),
                ));
                return ControlFlow::Break(());
            };
            let value = match value {
                Ok(value) => value,
                Err(error) => {
                    outcome = Err(error);
                    return ControlFlow::Break(());
                }
            };
            let mut flow = ControlFlow::Continue(());
            while flow.is_continue()
                && let Some((key, old)) = changed.next_if(|(key, _)| *key < hash)
            {
                flow = show(key, old);
            }
            if flow.is_continue() {
                flow = match changed.next_if(|(key, _)| *key == hash) {
                    Some((_, old)) => show(hash, old),
                    None => show(hash, value),
                };
            }
            outcome = Ok(flow);
            flow
        })?;
    if outcome?.is_continue() {
        for (key, old) in changed {
            if show(key, old).is_break() {
                break;
            }
        }
    }
    Ok(())
}
