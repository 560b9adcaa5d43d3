//! Calls: code that runs on a state and does not change it.

use std::collections::BTreeSet;

use actoreum_primitives::{
    AccessListItem, Address, Authorization, B256, BlockHashes, Bytes, ChainConfig, GAS_PER_BLOB,
    Header, Log, StateReader, TxType, U256,
};
use revm::Inspector;
use revm::context::{BlockEnv, TxEnv};
use revm::context_interface::block::BlobExcessGasAndPrice;
use revm::context_interface::result::{ExecutionResult, HaltReason};
use revm::interpreter::Interpreter;
use revm::interpreter::interpreter_types::Jumps;
use revm::primitives::hardfork::SpecId;
use revm::state::EvmState;

use crate::access_list::AccessListInspector;
use crate::context::{EvmContext, EvmError};
use crate::error::{TxError, tx_error};
use crate::failure::{self, FailedStep, Failure};
use crate::interrupt::Interrupt;
use crate::machine::Machine;
use crate::overlay::Overlay;
use crate::overrides::{BlockOverrides, StateOverrides, apply_state_overrides};
use crate::spec::{Rules, block_env};
use crate::tx;

/// The parameters of an `eth_call`: a transaction without nonce and signature.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallRequest {
    /// Sender of the call; `None` stands for the zero address.
    pub from: Option<Address>,
    /// Recipient; `None` creates a contract.
    pub to: Option<Address>,
    /// Maximum amount of gas; `None` stands for [`CallEnv::gas_cap`].
    pub gas: Option<u64>,
    /// Price per gas of a legacy transaction, in wei.
    pub gas_price: Option<U256>,
    /// Maximum fee per gas in wei (EIP-1559).
    pub max_fee_per_gas: Option<U256>,
    /// Maximum tip per gas for the beneficiary in wei (EIP-1559).
    pub max_priority_fee_per_gas: Option<U256>,
    /// Transferred value in wei.
    pub value: U256,
    /// Data of the call, or init code.
    pub input: Bytes,
    /// Accounts and slots that the call declares to access (EIP-2930).
    pub access_list: Vec<AccessListItem>,
    /// Maximum fee per blob gas in wei (EIP-4844).
    pub max_fee_per_blob_gas: Option<U256>,
    /// Versioned hashes of the blobs (EIP-4844).
    pub blob_hashes: Vec<B256>,
    /// Authorizations to set code (EIP-7702).
    pub authorization_list: Vec<Authorization>,
}

/// The block, state and options of a call.
#[derive(Clone, Copy)]
pub struct CallEnv<'a> {
    /// Config of the chain.
    pub config: &'a ChainConfig,
    /// Header of the block whose number, time and other fields the code sees.
    pub header: &'a Header,
    /// Beneficiary of that block (on clique: its signer).
    pub beneficiary: Address,
    /// State on which the code runs.
    pub state: &'a dyn StateReader,
    /// Block hashes for BLOCKHASH.
    pub hashes: &'a dyn BlockHashes,
    /// Changes to accounts.
    pub state_overrides: &'a StateOverrides,
    /// Changes to the block.
    pub block_overrides: &'a BlockOverrides,
    /// Maximum amount of gas of a call, whatever it asks for.
    pub gas_cap: u64,
    /// Whether the caller must own the value that it sends (and the gas, if the call has a price),
    /// as in geth from 1.9.14 on. Without the check, the caller is credited with what it lacks.
    pub check_balance: bool,
    /// An interrupt that can stop the call.
    pub interrupt: Option<Interrupt<'a>>,
}

impl std::fmt::Debug for CallEnv<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallEnv")
            .field("number", &self.header.number)
            .field("gas_cap", &self.gas_cap)
            .finish_non_exhaustive()
    }
}

/// The result of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallOutcome {
    /// Return data, also of a revert; the code if the call created a contract.
    pub output: Bytes,
    /// Gas used, after refunds.
    pub gas_used: u64,
    /// Refunded gas.
    pub gas_refunded: u64,
    /// Logs; none if the call failed.
    pub logs: Vec<Log>,
    /// Address of the created contract, if the call created one.
    pub created: Option<Address>,
    /// Reason of the failure; `None` if the code succeeded.
    pub failure: Option<Failure>,
    /// Whether the failure is a lack of gas, so that more gas may help.
    pub is_out_of_gas: bool,
    /// Inputs of the calls of Hardhat's console, on a development chain.
    pub console: Vec<Bytes>,
}

/// Runs a call. An error means that the call could not start.
pub fn call(env: &CallEnv<'_>, request: &CallRequest) -> Result<CallOutcome, TxError> {
    let (mut machine, tx) = env.machine(request, ())?;
    let result = machine.transact(tx);
    let result = result.map_err(|error| env.tx_error(&mut machine, error))?;
    let console = machine.take_console();
    let step = match &result {
        ExecutionResult::Halt { reason, .. } if failure::needs_step(reason) => {
            env.failed_step(request)?
        }
        _ => None,
    };
    Ok(CallOutcome {
        console,
        ..outcome(result, step)
    })
}

/// Returns the amount of gas that the sender can pay at the price of the call, after its value and
/// its blobs; `None` if the call has no price, or if the amount exceeds a u64.
pub fn affordable_gas(env: &CallEnv<'_>, request: &CallRequest) -> Result<Option<u64>, TxError> {
    if !env.check_balance {
        return Ok(None);
    }
    let (mut machine, tx) = env.machine(request, ())?;
    if tx.gas_price == 0 {
        return Ok(None);
    }
    let account = machine.overlay().account(tx.caller)?;
    let balance = account.map_or(U256::ZERO, |account| account.balance);
    let Some(mut available) = balance.checked_sub(tx.value).filter(|rest| !rest.is_zero()) else {
        return Err(TxError::InsufficientFundsForTransfer);
    };
    if tx.tx_type == TxType::Blob as u8 {
        let blob_gas = U256::from(tx.blob_hashes.len()) * U256::from(GAS_PER_BLOB);
        let blob_fee = blob_gas.saturating_mul(U256::from(tx.max_fee_per_blob_gas));
        available = match available.checked_sub(blob_fee) {
            Some(rest) if !rest.is_zero() => rest,
            _ => {
                return Err(TxError::InsufficientFunds {
                    sender: tx.caller,
                    have: balance,
                    want: blob_fee.saturating_add(tx.value),
                });
            }
        };
    }
    Ok(u64::try_from(available / U256::from(tx.gas_price)).ok())
}

/// Returns the access list of the accounts and slots that a call accesses, and the outcome of the
/// call with that list, for `eth_createAccessList`. It does not check whether the list makes the
/// call cheaper or more expensive.
pub fn create_access_list(
    env: &CallEnv<'_>,
    request: &CallRequest,
) -> Result<(Vec<AccessListItem>, CallOutcome), TxError> {
    let mut request = request.clone();
    let warm = env.warm_addresses(&request)?;
    // The code may take another path with a longer list only if it depends on its gas; in practice
    // the second round finds nothing new.
    for _ in 0..ACCESS_LIST_ROUNDS {
        let inspector = AccessListInspector::new(warm.clone(), &request.access_list);
        let (result, _, inspector) = env.inspect(&request, inspector)?;
        let found = inspector.list();
        if found == request.access_list {
            return Ok((found, outcome(result, None)));
        }
        request.access_list = found;
    }
    let outcome = call(env, &request)?;
    Ok((request.access_list, outcome))
}

/// Number of rounds after which [`create_access_list`] returns the list that it has; each round
/// runs the whole call.
const ACCESS_LIST_ROUNDS: usize = 16;

pub(crate) fn outcome(result: ExecutionResult, step: Option<FailedStep>) -> CallOutcome {
    let gas_used = result.tx_gas_used();
    let gas_refunded = result.gas().final_refunded();
    let created = result.created_address();
    let (output, logs, failure, is_out_of_gas) = match result {
        ExecutionResult::Success { logs, output, .. } => (output.into_data(), logs, None, false),
        ExecutionResult::Revert { output, .. } => (
            output.clone(),
            Vec::new(),
            Some(Failure::Revert(output)),
            false,
        ),
        ExecutionResult::Halt { reason, .. } => {
            let is_out_of_gas = failure::is_out_of_gas(&reason);
            let failure = Failure::Halt(failure::halt_text(reason, step));
            (Bytes::new(), Vec::new(), Some(failure), is_out_of_gas)
        }
    };
    let logs = logs.into_iter().map(tx::log).collect();
    CallOutcome {
        output,
        gas_used,
        gas_refunded,
        logs,
        created,
        failure,
        is_out_of_gas,
        console: Vec::new(),
    }
}

impl<'a> CallEnv<'a> {
    /// Runs a call under an inspector, and returns the changes instead of discarding them.
    pub(crate) fn inspect<I>(
        &self,
        request: &CallRequest,
        inspector: I,
    ) -> Result<(ExecutionResult<HaltReason>, EvmState, I), TxError>
    where
        I: Inspector<EvmContext<'a>>,
    {
        let (mut machine, tx) = self.machine(request, inspector)?;
        let result = machine.inspect(tx);
        let result = result.map_err(|error| self.tx_error(&mut machine, error))?;
        let changes = machine.take_changes();
        Ok((result, changes, machine.into_inspector()))
    }

    pub(crate) fn tx_error<I>(&self, machine: &mut Machine<'a, I>, error: EvmError) -> TxError {
        let context = machine.context();
        tx_error(
            error,
            &context.tx,
            &context.block,
            self.config.chain_id_at(self.header.number),
            None,
        )
    }

    fn failed_step(&self, request: &CallRequest) -> Result<Option<FailedStep>, TxError> {
        let (_, _, probe) = self.inspect(request, LastStep::default())?;
        Ok(probe.last)
    }

    fn warm_addresses(&self, request: &CallRequest) -> Result<BTreeSet<Address>, TxError> {
        let (mut machine, _) = self.machine(request, ())?;
        let from = request.from.unwrap_or_default();
        let mut warm: BTreeSet<Address> = machine
            .precompiles()
            .warm_addresses()
            .iter()
            .copied()
            .collect();
        warm.insert(from);
        warm.insert(match request.to {
            Some(to) => to,
            None => from.create(
                machine
                    .overlay()
                    .account(from)?
                    .map_or(0, |account| account.nonce),
            ),
        });
        Ok(warm)
    }

    /// Creates the EVM for a request, and the transaction for the request.
    pub(crate) fn machine<I>(
        &self,
        request: &CallRequest,
        inspector: I,
    ) -> Result<(Machine<'a, I>, TxEnv), TxError> {
        let rules = Rules::at(self.config, self.header);
        let mut block = block_env(&rules, self.header, self.beneficiary);
        self.override_block(&mut block);
        let mut overlay = Overlay::new(
            self.state,
            self.hashes,
            rules.state_clearing(),
            rules.delegations(),
        );
        apply_state_overrides(self.state_overrides, &mut overlay)?;

        let gas_limit = request.gas.unwrap_or(u64::MAX).min(self.gas_cap);
        let tx = request_tx(request, &rules, block.basefee, gas_limit)?;
        let is_free = tx.gas_price == 0;
        if is_free {
            block.basefee = 0;
        }
        if tx.max_fee_per_blob_gas == 0
            && let Some(blob) = &mut block.blob_excess_gas_and_price
        {
            blob.blob_gasprice = 0;
        }
        let mut machine = Machine::new(&rules, block, overlay, inspector);
        machine.override_precompiles(self.state_overrides)?;
        if let Some(interrupt) = self.interrupt {
            machine.set_interrupt(interrupt);
        }
        let cfg = &mut machine.context().cfg;
        cfg.disable_nonce_check = true;
        cfg.disable_eip3607 = true;
        cfg.disable_block_gas_limit = true;
        cfg.disable_base_fee = is_free;
        cfg.disable_balance_check = !self.check_balance;
        cfg.tx_gas_limit_cap = Some(u64::MAX);
        cfg.max_blobs_per_tx = None;
        Ok((machine, tx))
    }

    fn override_block(&self, block: &mut BlockEnv) {
        let overrides = self.block_overrides;
        let set = |value: &mut U256, new: Option<U256>| *value = new.unwrap_or(*value);
        set(&mut block.number, overrides.number);
        set(&mut block.difficulty, overrides.difficulty);
        set(&mut block.timestamp, overrides.time.map(U256::from));
        block.gas_limit = overrides.gas_limit.unwrap_or(block.gas_limit);
        block.beneficiary = overrides.coinbase.unwrap_or(block.beneficiary);
        block.prevrandao = overrides.random.or(block.prevrandao);
        block.basefee = overrides.base_fee.unwrap_or(block.basefee);
        if let Some(blob_gasprice) = overrides.blob_base_fee {
            block.blob_excess_gas_and_price = Some(BlobExcessGasAndPrice {
                excess_blob_gas: 0,
                blob_gasprice,
            });
        }
    }
}

/// Converts a request for revm, with a nonce of zero. `base_fee` is that of the block, in wei per
/// gas.
pub(crate) fn request_tx(
    request: &CallRequest,
    rules: &Rules,
    base_fee: u64,
    gas_limit: u64,
) -> Result<TxEnv, TxError> {
    let caller = request.from.unwrap_or_default();
    let price = |wei: Option<U256>| {
        u128::try_from(wei.unwrap_or_default()).map_err(|_| TxError::InsufficientFunds {
            sender: caller,
            have: U256::ZERO,
            want: U256::MAX,
        })
    };
    let has_fee_cap =
        request.max_fee_per_gas.is_some() || request.max_priority_fee_per_gas.is_some();
    let tip = price(request.max_priority_fee_per_gas)?;
    let gas_price = if has_fee_cap {
        match request.max_fee_per_gas {
            Some(fee_cap) => price(Some(fee_cap))?,
            None => tip.saturating_add(u128::from(base_fee)),
        }
    } else {
        price(request.gas_price)?
    };
    let tx_type = if !request.authorization_list.is_empty() && rules.spec >= SpecId::PRAGUE {
        TxType::SetCode
    } else if !request.blob_hashes.is_empty() && rules.spec >= SpecId::CANCUN {
        TxType::Blob
    } else if has_fee_cap && rules.spec >= SpecId::LONDON {
        TxType::DynamicFee
    } else if !request.access_list.is_empty() && rules.spec >= SpecId::BERLIN {
        TxType::AccessList
    } else {
        TxType::Legacy
    };
    if request.to.is_none() {
        match tx_type {
            TxType::Blob => return Err(TxError::BlobCreate),
            TxType::SetCode => return Err(TxError::SetCodeCreate { sender: caller }),
            TxType::Legacy | TxType::AccessList | TxType::DynamicFee => {}
        }
    }
    Ok(TxEnv {
        tx_type: tx_type as u8,
        caller,
        gas_limit,
        gas_price,
        kind: tx::tx_kind(request.to),
        value: request.value,
        data: request.input.clone(),
        nonce: 0,
        chain_id: Some(rules.chain_id),
        access_list: tx::access_list(&request.access_list),
        gas_priority_fee: (tx_type >= TxType::DynamicFee).then_some(tip),
        blob_hashes: request.blob_hashes.clone(),
        max_fee_per_blob_gas: price(request.max_fee_per_blob_gas)?,
        authorization_list: tx::authorization_list(&request.authorization_list),
    })
}

/// An inspector that records the last instruction of the outermost frame.
#[derive(Debug, Default)]
struct LastStep {
    depth: usize,
    last: Option<FailedStep>,
}

impl<CTX> Inspector<CTX> for LastStep {
    fn step(&mut self, interpreter: &mut Interpreter, _context: &mut CTX) {
        if self.depth == 1 {
            let opcode = interpreter.bytecode.opcode();
            self.last = Some(FailedStep {
                opcode,
                stack: interpreter.stack.len(),
            });
        }
    }

    fn frame_start(
        &mut self,
        _context: &mut CTX,
        _input: &mut revm::interpreter::FrameInput,
    ) -> Option<revm::handler::FrameResult> {
        self.depth += 1;
        None
    }

    fn frame_end(
        &mut self,
        _context: &mut CTX,
        _input: &revm::interpreter::FrameInput,
        _result: &mut revm::handler::FrameResult,
    ) {
        self.depth -= 1;
    }
}
