//! `4byteTracer`: the called selectors and their counts.

use std::collections::BTreeMap;

use revm::context::TxEnv;
use revm::interpreter::{CallInputs, CallOutcome};
use revm::primitives::hex;

use crate::context::EvmContext;

/// Counts keys of the form `selector-bytes of arguments`. Calls of precompiles do not count.
#[derive(Debug, Default)]
pub(crate) struct FourByteTracer {
    counts: BTreeMap<String, u64>,
    /// Key of each running frame; it is counted when the frame ends, unless the callee is a
    /// precompile.
    calls: Vec<Option<String>>,
}

impl FourByteTracer {
    pub(crate) fn enter_call(&mut self, context: &EvmContext<'_>, inputs: &CallInputs) {
        // The outermost call is the transaction; `finish` counts its data.
        let key = (!self.calls.is_empty())
            .then(|| key(&inputs.input.as_bytes(context)))
            .flatten();
        self.calls.push(key);
    }

    pub(crate) fn exit_call(&mut self, outcome: &CallOutcome) {
        if let Some(Some(key)) = self.calls.pop()
            && !outcome.was_precompile_called
        {
            *self.counts.entry(key).or_default() += 1;
        }
    }

    pub(crate) fn enter_create(&mut self) {
        self.calls.push(None);
    }

    pub(crate) fn exit_create(&mut self) {
        self.calls.pop();
    }

    pub(crate) fn finish(mut self, tx: &TxEnv) -> BTreeMap<String, u64> {
        if let Some(key) = key(&tx.data) {
            *self.counts.entry(key).or_default() += 1;
        }
        self.counts
    }
}

fn key(input: &[u8]) -> Option<String> {
    let (selector, arguments) = input.split_first_chunk::<4>()?;
    Some(format!("0x{}-{}", hex::encode(selector), arguments.len()))
}
