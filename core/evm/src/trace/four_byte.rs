//! Which selectors were called, and how often.

use std::collections::BTreeMap;

use revm::context::TxEnv;
use revm::interpreter::{CallInputs, CallOutcome};
use revm::primitives::hex;

use crate::machine::EvmContext;

/// Counts `selector-bytes of arguments`; calls of precompiles do not count.
#[derive(Debug, Default)]
pub(crate) struct FourByteTracer {
    counts: BTreeMap<String, u64>,
    /// What each running frame called, to be counted when it turns out to be no precompile.
    calls: Vec<Option<String>>,
}

impl FourByteTracer {
    pub(crate) fn enter_call(&mut self, context: &EvmContext<'_>, inputs: &CallInputs) {
        // The outermost call is the transaction, whose data is at hand in the end.
        let key = (!self.calls.is_empty())
            .then(|| key(&inputs.input.as_bytes(context)))
            .flatten();
        self.calls.push(key);
    }

    pub(crate) fn leave_call(&mut self, outcome: &CallOutcome) {
        if let Some(Some(key)) = self.calls.pop()
            && !outcome.was_precompile_called
        {
            *self.counts.entry(key).or_default() += 1;
        }
    }

    pub(crate) fn enter_create(&mut self) {
        self.calls.push(None);
    }

    pub(crate) fn leave_create(&mut self) {
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
