//! The arguments of `eth_simulateV1`.

use actoreum_evm::{BlockOverrides, CallRequest, StateOverrides};
use actoreum_primitives::{Address, B256, Withdrawal};

use super::super::call_request::{BlockOverrideArgs, CallArgs, StateOverrideArgs};
use crate::server::object::Object;
use crate::server::param::{FromParam, ParamError};

/// The blocks to simulate, and the options.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct SimulateArgs {
    /// The blocks, in order.
    pub(super) blocks: Vec<BlockArgs>,
    /// Whether transfers of ether are logged.
    pub(super) traces_transfers: bool,
    /// Whether nonces and the base fee are checked.
    pub(super) validates: bool,
    /// Whether the transactions are shown in full.
    pub(super) returns_full: bool,
}

impl FromParam for SimulateArgs {
    const SCHEMA: &'static str = r#"{"title":"simulation","type":"object","properties":{"blockStateCalls":{"type":"array"},"traceTransfers":{"type":"boolean"},"validation":{"type":"boolean"},"returnFullTransactions":{"type":"boolean"}}}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        let object = Object::new(raw, "ethapi.simOpts")?;
        Ok(Self {
            blocks: object.get("blockStateCalls")?.unwrap_or_default(),
            traces_transfers: object.get("traceTransfers")?.unwrap_or_default(),
            validates: object.get("validation")?.unwrap_or_default(),
            returns_full: object.get("returnFullTransactions")?.unwrap_or_default(),
        })
    }
}

/// A block to simulate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct BlockArgs {
    /// Fields of the header that are given.
    pub(super) header: HeaderArgs,
    /// Changes to accounts before the calls.
    pub(super) states: StateOverrides,
    /// The calls, in order.
    pub(super) calls: Vec<SimulatedCallArgs>,
}

impl FromParam for BlockArgs {
    const SCHEMA: &'static str = r#"{"type":"object"}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        let object = Object::new(raw, "ethapi.simBlock")?;
        let states: Option<StateOverrideArgs> = object.get("stateOverrides")?;
        Ok(Self {
            header: object.get("blockOverrides")?.unwrap_or_default(),
            states: states.unwrap_or_default().0,
            calls: object.get("calls")?.unwrap_or_default(),
        })
    }
}

/// The fields of a header, and the withdrawals, that a request gives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct HeaderArgs {
    /// The fields that a call can read.
    pub(super) fields: BlockOverrides,
    /// The root of the parent beacon block.
    pub(super) beacon_root: Option<B256>,
    /// The withdrawals of the block.
    pub(super) withdrawals: Vec<Withdrawal>,
}

impl FromParam for HeaderArgs {
    const SCHEMA: &'static str = BlockOverrideArgs::SCHEMA;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        let object = Object::new(raw, "ethapi.BlockOverrides")?;
        Ok(Self {
            fields: BlockOverrideArgs::from_raw(raw)?.0,
            beacon_root: object.get("beaconRoot")?,
            withdrawals: object.get("withdrawals")?.unwrap_or_default(),
        })
    }
}

impl FromParam for Withdrawal {
    const SCHEMA: &'static str = r#"{"title":"withdrawal","type":"object"}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        let object = Object::new(raw, "types.Withdrawal")?;
        Ok(Self {
            index: object.get("index")?.unwrap_or_default(),
            validator_index: object.get("validatorIndex")?.unwrap_or_default(),
            address: object.get("address")?.unwrap_or_default(),
            amount: object.get("amount")?.unwrap_or_default(),
        })
    }
}

/// A call of a simulated block: the fields of a transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SimulatedCallArgs {
    /// The call. Unlike in `eth_call`, gas of zero is a limit of zero.
    pub(super) request: CallRequest,
    /// The nonce; that of the sender if absent.
    pub(super) nonce: Option<u64>,
    /// The chain id, which must be the chain's.
    pub(super) chain_id: Option<u64>,
}

impl SimulatedCallArgs {
    /// Returns the sender: the zero address if the request names none.
    pub(super) fn sender(&self) -> Address {
        self.request.from.unwrap_or_default()
    }
}

impl FromParam for SimulatedCallArgs {
    const SCHEMA: &'static str = CallArgs::SCHEMA;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        let object = Object::new(raw, "ethapi.TransactionArgs")?;
        let request = CallRequest {
            gas: object.get("gas")?,
            ..CallArgs::from_raw(raw)?.0
        };
        Ok(Self {
            request,
            nonce: object.get("nonce")?,
            chain_id: object.get("chainId")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulation_is_read() {
        let raw = r#"{"blockStateCalls":[{"blockOverrides":{"number":"0x7","withdrawals":[
            {"index":"0x1","validatorIndex":"0x2","address":"0x0100000000000000000000000000000000000000","amount":"0x3"}]},
            "calls":[{"gas":"0x0","nonce":"0x5"}]},{}],"validation":true}"#;
        let args = SimulateArgs::from_raw(raw).unwrap();
        assert!(args.validates && !args.traces_transfers && !args.returns_full);
        assert_eq!(args.blocks[1], BlockArgs::default());
        let block = &args.blocks[0];
        assert_eq!(block.header.withdrawals[0].amount, 3);
        assert_eq!(block.calls[0].nonce, Some(5));
        assert_eq!(block.calls[0].request.gas, Some(0), "zero is a limit");
    }
}
