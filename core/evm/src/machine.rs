//! revm configured for one block: its context over the overlay, instructions of earlier forks that
//! revm no longer has, and the rule of contract creation that revm lacks (EIP-7610).

use revm::bytecode::opcode::{CREATE, JUMPDEST, SELFDESTRUCT, SSTORE};
use revm::context::{BlockEnv, CfgEnv, ContextSetters, Evm, FrameStack, TxEnv};
use revm::context_interface::cfg::{GasId, GasParams};
use revm::context_interface::context::{SStoreResult, StateLoad};
use revm::context_interface::result::ExecutionResult;
use revm::context_interface::{ContextTr, JournalTr};
use revm::handler::evm::{ContextDbError, FrameInitResult};
use revm::handler::instructions::EthInstructions;
use revm::handler::system_call::SystemCallTx;
use revm::handler::{
    EthFrame, EvmTr, FrameInitOrResult, FrameResult, Handler, ItemOrResult, MainnetHandler,
};
use revm::inspector::{InspectorEvmTr, InspectorHandler};
use revm::interpreter::instructions::contract::create;
use revm::interpreter::instructions::host::{selfdestruct, sstore_with_gas_accounting};
use revm::interpreter::interpreter::EthInterpreter;
use revm::interpreter::interpreter_action::FrameInit;
use revm::interpreter::{
    FrameInput, Host, Instruction, InstructionContext, InstructionExecResult, InstructionResult,
    InterpreterTypes,
};
use revm::primitives::hardfork::SpecId;
use revm::primitives::{Address, Bytes};
use revm::state::EvmState;
use revm::{Inspector, MainBuilder};

use crate::console::ConsoleCalls;
use crate::context::{EvmContext, EvmError};
use crate::instructions::jumpdest;
use crate::interrupt::{Interrupt, InterruptCheck};
use crate::limits::SYSTEM_CALL_GAS;
use crate::overlay::{Overlay, OverlayError};
use crate::overrides::StateOverrides;
use crate::precompiles::{OverrideError, Precompiles};
use crate::spec::Rules;

type Frame = EthFrame<EthInterpreter>;
type Instructions<'a> = EthInstructions<EthInterpreter, EvmContext<'a>>;

/// The EVM for one block, or for calls at that block.
pub(crate) struct Machine<'a, INSPECTOR = ()> {
    inner: Evm<EvmContext<'a>, INSPECTOR, Instructions<'a>, Precompiles, Frame>,
    /// Calls of Hardhat's console; `None` unless this is a development chain.
    console: Option<ConsoleCalls>,
}

impl<'a, INSPECTOR> Machine<'a, INSPECTOR> {
    pub(crate) fn new(
        rules: &Rules,
        block: BlockEnv,
        overlay: Overlay<'a>,
        inspector: INSPECTOR,
    ) -> Self {
        let mut cfg = CfgEnv::new_with_spec(rules.spec).with_chain_id(rules.chain_id);
        cfg.tx_chain_id_check = true;
        cfg.disable_eip3607 = rules.is_development;
        if rules.is_development {
            // Tools give a transaction the gas of a whole block, and anvil takes it (EIP-7825).
            cfg.tx_gas_limit_cap = Some(u64::MAX);
        }
        cfg.max_blobs_per_tx = Some(rules.max_blobs_per_tx());
        cfg.blob_base_fee_update_fraction = Some(rules.blobs.base_fee_update_fraction);
        if let Some(limit) = rules.code_size_limit {
            cfg.limit_contract_code_size = Some(limit);
            // Besu's limit applies only to the code; the limit of the init code remains that of
            // EIP-3860.
            cfg.limit_contract_initcode_size = Some(revm::primitives::eip3860::MAX_INITCODE_SIZE);
        }
        if rules.net_metering_1283 {
            cfg.gas_params = net_metering_gas(rules.spec);
        }
        if rules.lacks_eip150 {
            let free = [(GasId::new_account_cost_for_selfdestruct(), 0)];
            cfg.gas_params.override_gas(free);
        }
        let mut inner = EvmContext::new(overlay, rules.spec)
            .with_cfg(cfg)
            .with_block(block)
            .build_mainnet_with_inspector(inspector)
            .with_precompiles(Precompiles::new(rules));
        if rules.net_metering_1283 {
            // The gas is charged inside the instruction, as in revm's own SSTORE.
            let sstore = Instruction::new(sstore_net_metered);
            inner.instruction.insert_instruction(SSTORE, sstore, 0);
        }
        if rules.lacks_eip150 {
            let create = Instruction::new(create_with_all_gas);
            inner.instruction.insert_instruction(CREATE, create, 0);
            let selfdestruct = Instruction::new(selfdestruct);
            inner
                .instruction
                .insert_instruction(SELFDESTRUCT, selfdestruct, 0);
        }
        let console = rules.is_development.then(ConsoleCalls::default);
        Self { inner, console }
    }

    /// Sets an interrupt that can stop everything that runs afterwards.
    pub(crate) fn set_interrupt(&mut self, interrupt: Interrupt<'a>) {
        self.overlay().interrupt_check = InterruptCheck::new(interrupt);
        let instruction = Instruction::new(jumpdest);
        let gas = revm::interpreter::gas::JUMPDEST as u16;
        self.inner
            .instruction
            .insert_instruction(JUMPDEST, instruction, gas);
    }

    pub(crate) fn context(&mut self) -> &mut EvmContext<'a> {
        &mut self.inner.ctx
    }

    pub(crate) fn overlay(&mut self) -> &mut Overlay<'a> {
        self.inner.ctx.journaled_state.db_mut()
    }

    pub(crate) fn into_overlay(self) -> Overlay<'a> {
        self.inner.ctx.journaled_state.database
    }

    pub(crate) fn inspector(&mut self) -> &mut INSPECTOR {
        &mut self.inner.inspector
    }

    pub(crate) fn into_inspector(self) -> INSPECTOR {
        self.inner.inspector
    }

    pub(crate) fn into_overlay_and_inspector(self) -> (Overlay<'a>, INSPECTOR) {
        (
            self.inner.ctx.journaled_state.database,
            self.inner.inspector,
        )
    }

    /// Returns the same EVM with another inspector, and the previous inspector.
    pub(crate) fn replace_inspector<OTHER>(
        self,
        inspector: OTHER,
    ) -> (Machine<'a, OTHER>, INSPECTOR) {
        let Evm {
            ctx,
            inspector: before,
            instruction,
            precompiles,
            frame_stack,
        } = self.inner;
        let console = self.console;
        let inner = Evm {
            ctx,
            inspector,
            instruction,
            precompiles,
            frame_stack,
        };
        (Machine { inner, console }, before)
    }

    pub(crate) fn precompiles(&self) -> &Precompiles {
        &self.inner.precompiles
    }

    /// Removes and moves precompiles according to the overrides of a call.
    pub(crate) fn override_precompiles(
        &mut self,
        overrides: &StateOverrides,
    ) -> Result<(), OverrideError> {
        self.inner.precompiles.apply(overrides)
    }

    /// Returns the inputs of the calls of Hardhat's console since the last time.
    pub(crate) fn take_console(&mut self) -> Vec<Bytes> {
        let console = self.console.as_mut();
        console.map_or_else(Vec::new, ConsoleCalls::take)
    }

    /// Runs a transaction. Its changes stay in the journal until [`Self::take_changes`], which the
    /// caller must call afterwards, also after an error.
    pub(crate) fn transact(&mut self, tx: TxEnv) -> Result<ExecutionResult, EvmError> {
        self.inner.ctx.set_tx(tx);
        MainnetHandler::<Self, EvmError, Frame>::default().run(self)
    }

    /// Runs a transaction like [`Self::transact`], under the inspector.
    pub(crate) fn inspect(&mut self, tx: TxEnv) -> Result<ExecutionResult, EvmError>
    where
        INSPECTOR: Inspector<EvmContext<'a>>,
    {
        self.inner.ctx.set_tx(tx);
        MainnetHandler::<Self, EvmError, Frame>::default().inspect_run(self)
    }

    /// Calls a contract as the system: without fees, nonce and the block's limits.
    pub(crate) fn system_call(
        &mut self,
        contract: Address,
        input: Bytes,
    ) -> Result<ExecutionResult, EvmError> {
        let mut tx = TxEnv::new_system_tx(contract, input);
        // revm's own limit includes a reserve for a future fork.
        tx.gas_limit = SYSTEM_CALL_GAS;
        self.inner.ctx.set_tx(tx);
        MainnetHandler::<Self, EvmError, Frame>::default().run_system_call(self)
    }

    /// Returns the changes of the last run. The journal is empty afterwards.
    pub(crate) fn take_changes(&mut self) -> EvmState {
        self.inner.ctx.journaled_state.finalize()
    }

    /// Returns the address of a contract that is about to be created, if only existing storage
    /// forbids the creation (EIP-7610): revm would allow it.
    ///
    /// The EIP applies to the whole past, since no chain has such an account. The official vectors
    /// have some; those of Istanbul to London were made by a client that allowed the creation.
    fn storage_collision(&mut self, input: &FrameInput) -> Result<Option<Address>, OverlayError> {
        let FrameInput::Create(inputs) = input else {
            return Ok(None);
        };
        let context = &mut self.inner.ctx;
        if (SpecId::ISTANBUL..SpecId::MERGE).contains(&context.cfg.spec) {
            return Ok(None);
        }
        let nonce = context
            .journal_mut()
            .load_account(inputs.caller())?
            .info
            .nonce;
        let created = inputs.created_address(nonce);
        let collides = context.journal_mut().db_mut().has_only_storage(created)?;
        Ok(collides.then_some(created))
    }
}

impl<'a, INSPECTOR> EvmTr for Machine<'a, INSPECTOR> {
    type Context = EvmContext<'a>;
    type Instructions = Instructions<'a>;
    type Precompiles = Precompiles;
    type Frame = Frame;

    fn all(
        &self,
    ) -> (
        &Self::Context,
        &Self::Instructions,
        &Self::Precompiles,
        &FrameStack<Self::Frame>,
    ) {
        self.inner.all()
    }

    fn all_mut(
        &mut self,
    ) -> (
        &mut Self::Context,
        &mut Self::Instructions,
        &mut Self::Precompiles,
        &mut FrameStack<Self::Frame>,
    ) {
        self.inner.all_mut()
    }

    fn frame_init(
        &mut self,
        input: FrameInit,
    ) -> Result<FrameInitResult<'_, Frame>, ContextDbError<Self::Context>> {
        if self.overlay().interrupt_check.is_due() {
            let interrupted = OverlayError::Interrupted;
            return Err(ContextDbError::<Self::Context>::Db(interrupted));
        }
        if let Some(console) = &mut self.console {
            console.note(&input.frame_input, &mut self.inner.ctx);
        }
        let Some(created) = self.storage_collision(&input.frame_input)? else {
            return self.inner.frame_init(input);
        };
        // During the check the account gets a nonce, which revm does detect.
        let journal = &mut self.inner.ctx.journaled_state;
        journal.load_account(created)?;
        set_nonce(&mut journal.inner.state, created, 1);
        let result = match self.inner.frame_init(input)? {
            ItemOrResult::Result(result) => result,
            ItemOrResult::Item(_) => {
                let text = "a contract creation ignored a nonce".to_owned();
                return Err(ContextDbError::<Self::Context>::Custom(text));
            }
        };
        set_nonce(&mut self.inner.ctx.journaled_state.inner.state, created, 0);
        Ok(ItemOrResult::Result(result))
    }

    fn frame_run(&mut self) -> Result<FrameInitOrResult<Frame>, ContextDbError<Self::Context>> {
        self.inner.frame_run()
    }

    fn frame_return_result(
        &mut self,
        result: FrameResult,
    ) -> Result<Option<FrameResult>, ContextDbError<Self::Context>> {
        self.inner.frame_return_result(result)
    }
}

fn set_nonce(state: &mut EvmState, address: Address, nonce: u64) {
    if let Some(account) = state.get_mut(&address) {
        account.info.nonce = nonce;
    }
}

impl<'a, INSPECTOR: Inspector<EvmContext<'a>>> InspectorEvmTr for Machine<'a, INSPECTOR> {
    type Inspector = INSPECTOR;

    fn all_inspector(
        &self,
    ) -> (
        &Self::Context,
        &Self::Instructions,
        &Self::Precompiles,
        &FrameStack<Self::Frame>,
        &Self::Inspector,
    ) {
        self.inner.all_inspector()
    }

    fn all_mut_inspector(
        &mut self,
    ) -> (
        &mut Self::Context,
        &mut Self::Instructions,
        &mut Self::Precompiles,
        &mut FrameStack<Self::Frame>,
        &mut Self::Inspector,
    ) {
        self.inner.all_mut_inspector()
    }
}

/// CREATE before EIP-150: the new contract gets all remaining gas instead of all but a 64th.
fn create_with_all_gas<H: Host + ?Sized>(
    context: InstructionContext<'_, H, EthInterpreter>,
) -> InstructionExecResult {
    let spec = context.interpreter.runtime_flag.spec_id;
    // The rule of the 64th is the only one up to Petersburg for which revm's CREATE checks the
    // fork.
    context.interpreter.runtime_flag.spec_id = SpecId::HOMESTEAD;
    let InstructionContext { interpreter, host } = context;
    let result = create::<false, _, _>(InstructionContext {
        interpreter: &mut *interpreter,
        host,
    });
    interpreter.runtime_flag.spec_id = spec;
    result
}

/// Returns the gas costs of EIP-1283 in terms of EIP-2200: a read costs 200, and the additional
/// cost of a first write is refunded when the slot returns to its original value.
fn net_metering_gas(spec: SpecId) -> GasParams {
    const READ: u64 = 200;
    const SET: u64 = 20_000;
    const RESET: u64 = 5_000;
    let mut gas = GasParams::new_spec(spec);
    gas.override_gas([
        (GasId::sstore_static(), READ),
        (GasId::sstore_set_without_load_cost(), SET - READ),
        (GasId::sstore_reset_without_cold_load_cost(), RESET - READ),
        (GasId::sstore_set_refund(), SET - READ),
        (GasId::sstore_reset_refund(), RESET - READ),
    ]);
    gas
}

/// SSTORE of Constantinople (EIP-1283), which Petersburg revoked: EIP-2200 without the rule that
/// 2,300 gas must be left.
fn sstore_net_metered<IT: InterpreterTypes, H: Host + ?Sized>(
    context: InstructionContext<'_, H, IT>,
) -> InstructionExecResult {
    sstore_with_gas_accounting(context, charge_net_metered)
}

fn charge_net_metered<IT: InterpreterTypes, H: Host + ?Sized>(
    context: &mut InstructionContext<'_, H, IT>,
    _target: Address,
    load: &StateLoad<SStoreResult>,
) -> InstructionExecResult {
    let gas = context
        .host
        .gas_params()
        .sstore_dynamic_gas(true, &load.data, false);
    if !context.interpreter.gas.record_regular_cost(gas) {
        return Err(InstructionResult::OutOfGas);
    }
    let refund = context.host.gas_params().sstore_refund(true, &load.data);
    context.interpreter.gas.record_refund(refund);
    Ok(())
}
