//! Execution of a block, one transaction after another.

use actoreum_primitives::{
    AccountChange, Address, BlockHashes, Bytes, ChainConfig, Fork, Header, Receipt, ReceiptOutcome,
    StateDiff, StateError, StateReader, Transaction, U256, Withdrawal,
};
use revm::context::TxEnv;
use revm::context_interface::result::ExecutionResult;
use revm::state::EvmState;

use crate::context::EvmError;
use crate::dao::{DAO_ACCOUNTS, DAO_REFUND_CONTRACT};
use crate::error::{ExecutionError, TxError, tx_error};
use crate::interrupt::Interrupt;
use crate::machine::Machine;
use crate::outcome::{BlockOutcome, IntermediateRoots};
use crate::overlay::Overlay;
use crate::spec::{Rules, block_env};
use crate::system::{BEACON_ROOTS_ADDRESS, HISTORY_STORAGE_ADDRESS, collect_requests, record_hash};
use crate::trace::{Trace, TraceError, Tracer};
use crate::tx;

/// Executes a block step by step: [`BlockBuilder::begin`] runs the system calls before the
/// transactions, [`BlockBuilder::try_transaction`] adds a transaction, [`BlockBuilder::finish`]
/// does everything that follows the transactions.
///
/// It holds one EVM for the whole block, and it is not [`Send`].
pub struct BlockBuilder<'a> {
    config: &'a ChainConfig,
    rules: Rules,
    machine: Machine<'a>,
    roots: Option<&'a mut dyn IntermediateRoots>,
    gas_limit: u64,
    gas_used: u64,
    blob_gas_used: u64,
    receipts: Vec<Receipt>,
}

impl std::fmt::Debug for BlockBuilder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlockBuilder")
            .field("rules", &self.rules)
            .field("gas_used", &self.gas_used)
            .field("receipts", &self.receipts.len())
            .finish_non_exhaustive()
    }
}

impl<'a> BlockBuilder<'a> {
    /// Starts a block on the state of its parent.
    ///
    /// It uses these fields of `header`: parent hash, number, timestamp, gas limit, difficulty, mix
    /// hash, base fee, excess blob gas and parent beacon block root. `beneficiary` receives the
    /// fees and is returned by COINBASE: on clique it is the block's signer. `roots` is required
    /// before Byzantium.
    pub fn begin(
        config: &'a ChainConfig,
        header: &Header,
        beneficiary: Address,
        state: &'a dyn StateReader,
        hashes: &'a dyn BlockHashes,
        roots: Option<&'a mut dyn IntermediateRoots>,
    ) -> Result<Self, ExecutionError> {
        let rules = Rules::at(config, header);
        let overlay = Overlay::new(state, hashes, rules.state_clearing(), rules.delegations());
        let block = block_env(&rules, header, beneficiary);
        let mut builder = Self {
            config,
            machine: Machine::new(&rules, block, overlay, ()),
            rules,
            roots,
            gas_limit: header.gas_limit,
            gas_used: 0,
            blob_gas_used: 0,
            receipts: Vec::new(),
        };
        builder.before_transactions(header)?;
        Ok(builder)
    }

    /// Sets an interrupt that can stop the following transactions.
    pub fn with_interrupt(mut self, interrupt: Interrupt<'a>) -> Self {
        self.machine.set_interrupt(interrupt);
        self
    }

    /// Returns the changes of the transactions so far. It is used for a block that will not be
    /// finished.
    pub fn into_diff(self) -> StateDiff {
        self.machine.into_overlay().into_diff()
    }

    fn before_transactions(&mut self, header: &Header) -> Result<(), ExecutionError> {
        if self.config.dao_fork_support && self.config.dao_fork_block == Some(header.number) {
            let diff = self.move_dao_ether()?;
            // The receipts of the same block hold roots after this change.
            if let Some(roots) = self.roots.as_mut() {
                roots.root(&diff)?;
            }
        }
        if header.number == 0 {
            return Ok(());
        }
        if self.rules.fork >= Fork::Cancun {
            let root = header
                .parent_beacon_block_root
                .ok_or(ExecutionError::MissingHeaderField("parentBeaconBlockRoot"))?;
            record_hash(&mut self.machine, BEACON_ROOTS_ADDRESS, root)?;
        }
        if self.rules.fork >= Fork::Prague {
            record_hash(
                &mut self.machine,
                HISTORY_STORAGE_ADDRESS,
                header.parent_hash,
            )?;
        }
        Ok(())
    }

    /// Makes the irregular state change of the DAO fork.
    fn move_dao_ether(&mut self) -> Result<StateDiff, StateError> {
        let overlay = self.overlay();
        let mut diff = StateDiff::default();
        let mut record = |address, before, after| {
            let change = AccountChange {
                before,
                after,
                ..AccountChange::default()
            };
            diff.accounts.insert(address, change);
        };
        let refunds_before = overlay.account(DAO_REFUND_CONTRACT)?;
        for address in DAO_ACCOUNTS {
            let before = overlay.account(address)?;
            let balance = overlay.drain(address)?;
            overlay.add_balance(DAO_REFUND_CONTRACT, balance)?;
            if before.is_some() {
                record(address, before, overlay.account(address)?);
            }
        }
        let refunds_after = overlay.account(DAO_REFUND_CONTRACT)?;
        record(DAO_REFUND_CONTRACT, refunds_before, refunds_after);
        Ok(diff)
    }

    fn overlay(&mut self) -> &mut Overlay<'a> {
        self.machine.overlay()
    }

    /// Executes one transaction as the next one of the block. After an error the block is
    /// unchanged.
    ///
    /// The signature is not checked against the fork's rules (see
    /// `actoreum_primitives::SenderRules`).
    pub fn try_transaction(
        &mut self,
        transaction: &Transaction,
        sender: Address,
    ) -> Result<&Receipt, TxError> {
        let tx_env = self.tx_env(transaction, sender)?;
        let result = self.machine.transact(tx_env);
        let changes = self.machine.take_changes();
        let result = result.map_err(|error| self.tx_error(error))?;
        self.commit_transaction(transaction, result, changes)?;
        Ok(&self.receipts[self.receipts.len() - 1])
    }

    /// Executes a transaction like [`Self::try_transaction`], under a tracer.
    pub(crate) fn trace_transaction(
        mut self,
        transaction: &Transaction,
        sender: Address,
        tracer: Tracer,
    ) -> Result<(Self, Trace), TraceError> {
        let tx_env = self.tx_env(transaction, sender)?;
        let (mut machine, ()) = self.machine.replace_inspector(tracer);
        let result = machine.inspect(tx_env.clone());
        let changes = machine.take_changes();
        let tracer;
        (self.machine, tracer) = machine.replace_inspector(());
        let result = result.map_err(|error| self.tx_error(error))?;
        let trace = tracer.finish(&tx_env, &result, &changes, self.machine.overlay())?;
        self.commit_transaction(transaction, result, changes)?;
        Ok((self, trace))
    }

    /// Converts the transaction for revm, or returns an error if the block has no room for it.
    fn tx_env(&self, transaction: &Transaction, sender: Address) -> Result<TxEnv, TxError> {
        if self.rules.fork < Fork::Byzantium && self.roots.is_none() {
            return Err(TxError::MissingRoots);
        }
        if transaction.gas_limit() > self.gas_limit - self.gas_used {
            return Err(TxError::GasLimitReached);
        }
        let blob_gas = transaction.blob_gas();
        let blob_gas_limit = self.rules.blob_gas_limit();
        // A transaction with too many blobs for any block is refused later, with the other rules of
        // its type.
        if blob_gas <= blob_gas_limit && self.blob_gas_used + blob_gas > blob_gas_limit {
            return Err(TxError::BlobGasLimitReached {
                used: self.blob_gas_used,
                tx: blob_gas,
                limit: blob_gas_limit,
            });
        }
        tx::tx_env(transaction, sender)
    }

    /// Commits the changes of a transaction and adds its receipt.
    fn commit_transaction(
        &mut self,
        transaction: &Transaction,
        result: ExecutionResult,
        changes: EvmState,
    ) -> Result<(), TxError> {
        let outcome = if self.rules.fork >= Fork::Byzantium {
            self.overlay().commit(changes, None)?;
            ReceiptOutcome::Status(result.is_success())
        } else {
            let mut diff = StateDiff::default();
            self.overlay().commit(changes, Some(&mut diff))?;
            let roots = self.roots.as_mut().ok_or(TxError::MissingRoots)?;
            ReceiptOutcome::StateRoot(roots.root(&diff)?)
        };
        self.gas_used += result.tx_gas_used();
        self.blob_gas_used += transaction.blob_gas();
        let logs = result.into_logs().into_iter().map(tx::log).collect();
        self.receipts.push(Receipt::new(
            transaction.tx_type(),
            outcome,
            self.gas_used,
            logs,
        ));
        Ok(())
    }

    fn tx_error(&mut self, error: EvmError) -> TxError {
        let caller = self.machine.context().tx.caller;
        let code_hash = self
            .overlay()
            .account(caller)
            .ok()
            .flatten()
            .map(|it| it.code_hash);
        let context = self.machine.context();
        tx_error(
            error,
            &context.tx,
            &context.block,
            self.rules.chain_id,
            code_hash,
        )
    }

    /// Returns the gas used so far.
    pub fn gas_used(&self) -> u64 {
        self.gas_used
    }

    /// Returns the gas that is left for transactions.
    pub fn gas_left(&self) -> u64 {
        self.gas_limit - self.gas_used
    }

    /// Returns the blob gas used so far (EIP-4844).
    pub fn blob_gas_used(&self) -> u64 {
        self.blob_gas_used
    }

    /// Returns the receipts so far.
    pub fn receipts(&self) -> &[Receipt] {
        &self.receipts
    }

    /// Returns the next nonce of an account, after the transactions so far.
    pub fn nonce(&mut self, address: Address) -> Result<u64, ExecutionError> {
        Ok(self
            .overlay()
            .account(address)?
            .map_or(0, |account| account.nonce))
    }

    /// Returns the balance of an account in wei, after the transactions so far.
    pub fn balance(&mut self, address: Address) -> Result<U256, ExecutionError> {
        Ok(self
            .overlay()
            .account(address)?
            .map_or(U256::ZERO, |account| account.balance))
    }

    /// Collects the requests, credits withdrawals and `rewards` (in wei, given by the engine), and
    /// ends the block.
    pub fn finish(
        mut self,
        rewards: &[(Address, U256)],
        withdrawals: &[Withdrawal],
    ) -> Result<BlockOutcome, ExecutionError> {
        let requests = self.requests()?;
        let console = self.machine.take_console();
        let overlay = self.overlay();
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
            console,
        })
    }

    fn requests(&mut self) -> Result<Option<Vec<Bytes>>, ExecutionError> {
        if self.rules.fork < Fork::Prague {
            return Ok(None);
        }
        let logs = self.receipts.iter().flat_map(|receipt| &receipt.logs);
        let deposit_contract = self.config.deposit_contract_address;
        let required = !self.rules.self_sealed;
        collect_requests(&mut self.machine, deposit_contract, logs, required).map(Some)
    }
}
