//! revm put together for one block: its context over our overlay, and the one instruction that
//! revm no longer has.

use revm::bytecode::opcode::SSTORE;
use revm::context::{BlockEnv, CfgEnv, TxEnv};
use revm::context_interface::cfg::{GasId, GasParams};
use revm::context_interface::context::{SStoreResult, StateLoad};
use revm::handler::MainnetEvm;
use revm::interpreter::instructions::host::sstore_with_gas_accounting;
use revm::interpreter::{
    Host, Instruction, InstructionContext, InstructionExecResult, InstructionResult,
    InterpreterTypes,
};
use revm::primitives::Address;
use revm::{Context, MainBuilder};

use crate::overlay::Overlay;
use crate::spec::Rules;

pub(crate) type EvmContext<'a> = Context<BlockEnv, TxEnv, CfgEnv, Overlay<'a>>;
pub(crate) type Machine<'a, INSPECTOR = ()> = MainnetEvm<EvmContext<'a>, INSPECTOR>;

/// The machine for one block (or for calls at it).
pub(crate) fn machine<'a, INSPECTOR>(
    rules: &Rules,
    block: BlockEnv,
    overlay: Overlay<'a>,
    inspector: INSPECTOR,
) -> Machine<'a, INSPECTOR> {
    let mut cfg = CfgEnv::new_with_spec(rules.spec).with_chain_id(rules.chain_id);
    cfg.tx_chain_id_check = true;
    cfg.max_blobs_per_tx = Some(rules.max_blobs_per_tx());
    cfg.blob_base_fee_update_fraction = Some(rules.blobs.base_fee_update_fraction);
    if rules.net_metering_1283 {
        cfg.gas_params = net_metering_gas(rules.spec);
    }
    let mut machine = EvmContext::new(overlay, rules.spec)
        .with_cfg(cfg)
        .with_block(block)
        .build_mainnet_with_inspector(inspector);
    if rules.net_metering_1283 {
        // Its gas is charged inside, as that of revm's own SSTORE.
        machine
            .instruction
            .insert_instruction(SSTORE, Instruction::new(sstore_net_metered), 0);
    }
    machine
}

/// The prices of EIP-1283, in the terms of EIP-2200: a read costs 200, and what a first write
/// costs more than a read comes back when the slot returns to its original value.
fn net_metering_gas(spec: revm::primitives::hardfork::SpecId) -> GasParams {
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

/// SSTORE as Constantinople had it (EIP-1283) until Petersburg took it back: EIP-2200 without
/// the rule that 2,300 gas must be left.
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
