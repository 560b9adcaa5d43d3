//! Simulated blocks (`eth_simulateV1`): blocks of calls that are executed like blocks of
//! transactions and never become part of the chain.

use actoreum_primitives::{
    Address, BlockHashes, Bytes, ChainConfig, Fork, Header, Receipt, ReceiptOutcome, StateDiff,
    StateError, StateReader, Transaction, U256, Withdrawal,
};
use revm::context_interface::block::BlobExcessGasAndPrice;
use revm::context_interface::result::ExecutionResult;

use crate::call::{CallOutcome, CallRequest, outcome, request_tx};
use crate::error::{ExecutionError, TxError, tx_error};
use crate::interrupt::Interrupt;
use crate::machine::Machine;
use crate::outcome::BlockOutcome;
use crate::overlay::Overlay;
use crate::overrides::{StateOverrides, apply_state_overrides};
use crate::spec::{Rules, block_env};
use crate::system::{BEACON_ROOTS_ADDRESS, HISTORY_STORAGE_ADDRESS, collect_requests, record_hash};
use crate::transfer_log::{IndexedLog, TransferLog};

/// The state and the options of a simulated block.
#[derive(Clone, Copy)]
pub struct SimulationEnv<'a> {
    /// Config of the chain.
    pub config: &'a ChainConfig,
    /// State after the parent.
    pub state: &'a dyn StateReader,
    /// Block hashes for BLOCKHASH.
    pub hashes: &'a dyn BlockHashes,
    /// Returns the state root after changes of the block. It is called before Byzantium, where each
    /// receipt holds a root.
    pub root_after: &'a dyn Fn(&StateDiff) -> Result<actoreum_primitives::B256, StateError>,
    /// Whether nonces and the base fee are checked as for a transaction.
    pub validates: bool,
    /// Whether transfers of ether are logged (ERC-7528).
    pub logs_transfers: bool,
    /// An interrupt that can stop the calls.
    pub interrupt: Option<Interrupt<'a>>,
}

impl std::fmt::Debug for SimulationEnv<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimulationEnv")
            .field("validates", &self.validates)
            .field("logs_transfers", &self.logs_transfers)
            .finish_non_exhaustive()
    }
}

/// The result of a simulated call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulatedCall {
    /// The result of the call; its logs are those of the receipt.
    pub outcome: CallOutcome,
    /// Gas used before refunds, at least the floor cost of the data (EIP-7623).
    pub max_gas_used: u64,
    /// The logs of the call and of its transfers.
    pub logs: Vec<IndexedLog>,
}

/// Executes a simulated block step by step: [`Self::begin`] applies the overrides and runs the system
/// calls, [`Self::call`] adds a call, [`Self::finish`] does everything that follows the calls.
pub struct SimulatedBlock<'a> {
    env: SimulationEnv<'a>,
    rules: Rules,
    machine: Machine<'a, TransferLog>,
    gas_used: u64,
    blob_gas_used: u64,
    receipts: Vec<Receipt>,
}

impl std::fmt::Debug for SimulatedBlock<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimulatedBlock")
            .field("rules", &self.rules)
            .field("gas_used", &self.gas_used)
            .finish_non_exhaustive()
    }
}

impl<'a> SimulatedBlock<'a> {
    /// Starts a block. Its header needs the same fields as for [`crate::BlockBuilder::begin`];
    /// `blob_base_fee`, in wei, takes the place of the one that follows from the header.
    ///
    /// # Errors
    /// The overrides are invalid, or the state cannot be read.
    pub fn begin(
        env: SimulationEnv<'a>,
        header: &Header,
        state_overrides: &StateOverrides,
        blob_base_fee: Option<u128>,
    ) -> Result<Self, TxError> {
        let rules = Rules::at(env.config, header);
        let mut block = block_env(&rules, header, header.beneficiary);
        if let Some(blob_gasprice) = blob_base_fee {
            block.blob_excess_gas_and_price = Some(BlobExcessGasAndPrice {
                excess_blob_gas: header.excess_blob_gas.unwrap_or(0),
                blob_gasprice,
            });
        }
        let clears = rules.state_clearing();
        let mut overlay = Overlay::new(env.state, env.hashes, clears, rules.delegations());
        apply_state_overrides(state_overrides, &mut overlay)?;
        let inspector = TransferLog::new(env.logs_transfers);
        let mut machine = Machine::new(&rules, block, overlay, inspector);
        machine.override_precompiles(state_overrides)?;
        if let Some(interrupt) = env.interrupt {
            machine.set_interrupt(interrupt);
        }
        let cfg = &mut machine.context().cfg;
        cfg.disable_nonce_check = !env.validates;
        cfg.disable_eip3607 = true;
        // The caller compares the gas with what the block has left.
        cfg.disable_block_gas_limit = true;
        cfg.tx_gas_limit_cap = Some(u64::MAX);
        let mut block = Self {
            env,
            rules,
            machine,
            gas_used: 0,
            blob_gas_used: 0,
            receipts: Vec::new(),
        };
        block.before_calls(header).map_err(system_failure)?;
        Ok(block)
    }

    fn before_calls(&mut self, header: &Header) -> Result<(), ExecutionError> {
        if self.rules.fork >= Fork::Prague {
            let parent = header.parent_hash;
            record_hash(&mut self.machine, HISTORY_STORAGE_ADDRESS, parent)?;
        }
        if self.rules.fork >= Fork::Cancun
            && let Some(root) = header.parent_beacon_block_root
        {
            record_hash(&mut self.machine, BEACON_ROOTS_ADDRESS, root)?;
        }
        Ok(())
    }

    /// Returns the next nonce of an account.
    pub fn nonce(&mut self, address: Address) -> Result<u64, StateError> {
        let account = self.machine.overlay().account(address)?;
        Ok(account.map_or(0, |account| account.nonce))
    }

    /// Returns the gas used so far.
    pub fn gas_used(&self) -> u64 {
        self.gas_used
    }

    /// Executes a call as the next one of the block. `transaction` has the same fields as the request
    /// and stands for the call in the block; the request's gas is required.
    ///
    /// # Errors
    /// The call could not be a transaction, by the rules that are checked.
    pub fn call(
        &mut self,
        request: &CallRequest,
        transaction: &Transaction,
    ) -> Result<SimulatedCall, TxError> {
        let base_fee = self.machine.context().block.basefee;
        let gas_limit = request.gas.unwrap_or(0);
        let mut tx = request_tx(request, &self.rules, base_fee, gas_limit)?;
        if self.env.validates {
            tx.nonce = transaction.nonce();
        }
        let is_free = tx.gas_price == 0 && tx.gas_priority_fee.unwrap_or(0) == 0;
        let caller = tx.caller;
        let before = self.machine.context().block.blob_excess_gas_and_price;
        if !self.env.validates {
            let context = self.machine.context();
            context.cfg.disable_base_fee = is_free;
            if tx.max_fee_per_blob_gas == 0
                && let Some(blob) = &mut context.block.blob_excess_gas_and_price
            {
                blob.blob_gasprice = 0;
            }
        }
        let nonce = self.nonce(caller)?;
        if self.env.validates {
            // revm checks the fees first, geth the nonce.
            check_nonce(caller, tx.nonce, nonce)?;
        }
        let result = self.machine.inspect(tx);
        let mut changes = self.machine.take_changes();
        let result = result.map_err(|error| self.tx_error(error))?;
        self.machine.context().block.blob_excess_gas_and_price = before;
        if nonce == u64::MAX
            && !transaction.is_create()
            && let Some(account) = changes.get_mut(&caller)
        {
            // Without validation the nonce overflows, as in geth. revm leaves it as it is.
            account.info.nonce = 0;
        }
        self.commit(transaction, result, changes)
    }

    fn commit(
        &mut self,
        transaction: &Transaction,
        result: ExecutionResult,
        changes: revm::state::EvmState,
    ) -> Result<SimulatedCall, TxError> {
        self.machine.overlay().commit(changes, None)?;
        let receipt_outcome = if self.rules.fork >= Fork::Byzantium {
            ReceiptOutcome::Status(result.is_success())
        } else {
            let diff = self.machine.overlay().diff();
            ReceiptOutcome::StateRoot((self.env.root_after)(&diff)?)
        };
        let used = result.tx_gas_used();
        let gas = result.gas();
        let max_gas_used = gas.total_gas_spent().max(gas.floor_gas());
        let logs = self.machine.inspector().take();
        self.gas_used += used;
        self.blob_gas_used += transaction.blob_gas();
        let outcome = outcome(result, None);
        self.receipts.push(Receipt::new(
            transaction.tx_type(),
            receipt_outcome,
            self.gas_used,
            outcome.logs.clone(),
        ));
        Ok(SimulatedCall {
            outcome,
            max_gas_used,
            logs,
        })
    }

    fn tx_error(&mut self, error: crate::context::EvmError) -> TxError {
        let context = self.machine.context();
        tx_error(
            error,
            &context.tx,
            &context.block,
            self.rules.chain_id,
            None,
        )
    }

    /// Collects the requests, credits withdrawals and `rewards` (in wei, given by the engine), and
    /// ends the block.
    pub fn finish(
        mut self,
        rewards: &[(Address, U256)],
        withdrawals: &[Withdrawal],
    ) -> Result<BlockOutcome, ExecutionError> {
        let requests = self.requests()?;
        let overlay = self.machine.overlay();
        for withdrawal in withdrawals {
            let wei = U256::from(withdrawal.amount) * U256::from(actoreum_primitives::GWEI);
            overlay.add_balance(withdrawal.address, wei)?;
        }
        for (address, wei) in rewards {
            overlay.add_balance(*address, *wei)?;
        }
        Ok(BlockOutcome {
            receipts: self.receipts,
            diff: self.machine.into_overlay().into_diff(),
            gas_used: self.gas_used,
            blob_gas_used: self.blob_gas_used,
            requests,
            console: Vec::new(),
        })
    }

    fn requests(&mut self) -> Result<Option<Vec<Bytes>>, ExecutionError> {
        if self.rules.fork < Fork::Prague {
            return Ok(None);
        }
        let logs = self.receipts.iter().flat_map(|receipt| &receipt.logs);
        let deposit_contract = self.env.config.deposit_contract_address;
        let required = !self.rules.self_sealed;
        collect_requests(&mut self.machine, deposit_contract, logs, required).map(Some)
    }
}

/// Compares the nonce of a call with that of its sender.
fn check_nonce(sender: Address, tx: u64, state: u64) -> Result<(), TxError> {
    match tx.cmp(&state) {
        std::cmp::Ordering::Less => Err(TxError::NonceTooLow { sender, tx, state }),
        std::cmp::Ordering::Greater => Err(TxError::NonceTooHigh { sender, tx, state }),
        std::cmp::Ordering::Equal if tx == u64::MAX => Err(TxError::NonceMax { sender, nonce: tx }),
        std::cmp::Ordering::Equal => Ok(()),
    }
}

/// Converts the error of a system call before the calls.
fn system_failure(error: ExecutionError) -> TxError {
    match error {
        ExecutionError::State(failure) => TxError::State(failure),
        other => TxError::Other(other.to_string()),
    }
}
