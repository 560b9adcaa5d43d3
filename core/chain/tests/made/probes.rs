//! Small contracts, each of which shows whether one opcode or one precompile is available.

use actoreum_primitives::{Address, B256, Bytes, Fork, Header, U256, keccak256};

/// Gas of a call to a probe: more than any of them needs.
pub const PROBE_GAS: u64 = 300_000;

/// The subject of a probe.
pub enum ProbeKind {
    /// An opcode: before its fork the call fails and uses all gas.
    Opcode,
    /// A precompile: before its fork the call reaches an empty account and returns nothing.
    Precompile,
}

/// The facts of a block that determine what a probe in it must find.
pub struct Found<'h> {
    pub header: &'h Header,
    pub author: Address,
    pub chain_id: u64,
    pub fork: Fork,
    pub probe: Address,
    pub code: &'h Bytes,
}

/// A contract that writes its finding to slot 0.
pub struct Probe {
    pub name: &'static str,
    pub kind: ProbeKind,
    pub since: Fork,
    pub code: Bytes,
    pub input: Bytes,
    pub expected: fn(&Found<'_>) -> Option<U256>,
}

/// Code that stores the top of the stack in slot 0.
const STORE_IT: &str = "600055 00";

fn bytes(hex: &str) -> Bytes {
    let hex: String = hex.split_whitespace().collect();
    hex.parse().unwrap()
}

fn opcode(
    name: &'static str,
    since: Fork,
    code: &str,
    expected: fn(&Found<'_>) -> Option<U256>,
) -> Probe {
    Probe {
        name,
        kind: ProbeKind::Opcode,
        since,
        code: bytes(&[code, STORE_IT].concat()),
        input: Bytes::new(),
        expected,
    }
}

/// Returns a probe that calls `address` with its own input and finds the first returned word.
fn precompile(
    name: &'static str,
    since: Fork,
    address: u16,
    input: &str,
    expected: fn(&Found<'_>) -> Option<U256>,
) -> Probe {
    let copy_input = "36 6000 6000 37";
    let call = format!("6020 610400 36 6000 6000 61{address:04x} 62020000 f1 50 610400 51");
    Probe {
        name,
        kind: ProbeKind::Precompile,
        since,
        code: bytes(&[copy_input, &call, STORE_IT].concat()),
        input: bytes(input),
        expected,
    }
}

fn number(number: u64) -> Option<U256> {
    Some(U256::from(number))
}

fn word(address: Address) -> Option<U256> {
    Some(U256::from_be_bytes(address.into_word().0))
}

/// Returns the gas of BALANCE of COINBASE and its surrounding code: warm from Shanghai on
/// (EIP-3651).
fn coinbase_gas(fork: Fork) -> u64 {
    let balance = match fork {
        Fork::Frontier | Fork::Homestead => 20,
        fork if fork < Fork::Istanbul => 400,
        fork if fork < Fork::Berlin => 700,
        fork if fork < Fork::Shanghai => 2_600,
        _ => 100,
    };
    balance + 6
}

/// Returns an input in which the point at infinity is the commitment to the zero polynomial and the
/// proof of each of its values.
fn point_evaluation_input() -> String {
    use sha2::{Digest, Sha256};
    let infinity = format!("c0{}", "00".repeat(47));
    let mut hash = B256::from_slice(&Sha256::digest(bytes(&infinity)));
    hash[0] = 1;
    let (z, y) = (B256::with_last_byte(5), B256::ZERO);
    format!("{hash:x}{z:x}{y:x}{infinity}{infinity}").replace("0x", "")
}

const G1: &str = "
    00000000000000000000000000000000
    17f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb
    00000000000000000000000000000000
    08b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1";

/// A matching hash, r, s, x and y (EIP-7951).
const P256: &str = "
    4cee90eb86eaa050036147a12d49004b6b9c72bd725d39d4785011fe190f0b4d
    a73bd4903f0ce3b639bbbf6e8e80d16931ff4bcf5993d58468e8fb19086e8cac
    36dbcd03009df8c59286b162af3bd7fcc0450c9aa81be5d10d312af6c66b1d60
    4aebd3099c618202fcfe16ae7770b0c49ab5eadf74b754204a3bb6060e44eff3
    7618b065f9832de4ca6ca971a7a1adc826d0f7c00181a5fb2ddf79ae00b4e10e";

/// Returns every probe; [`address_of`] returns their addresses.
pub fn all() -> Vec<Probe> {
    let zeros = |count: usize| "00".repeat(count);
    let g1_and_infinity = format!("{G1}{}", zeros(128));
    vec![
        opcode("0x44", Fork::Frontier, "44", |found| {
            Some(found.header.difficulty)
        }),
        opcode("COINBASE", Fork::Frontier, "41", |found| word(found.author)),
        opcode(
            "COINBASE, warm",
            Fork::Frontier,
            "5a 41 31 50 5a 90 03",
            |found| number(coinbase_gas(found.fork)),
        ),
        opcode(
            "DELEGATECALL",
            Fork::Homestead,
            "6000 6000 6000 6000 6004 612000 f4",
            |_| number(1),
        ),
        opcode(
            "STATICCALL",
            Fork::Byzantium,
            "6000 6000 6000 6000 6004 612000 fa",
            |_| number(1),
        ),
        opcode("RETURNDATASIZE", Fork::Byzantium, "3d 6007 01", |_| {
            number(7)
        }),
        opcode("SHL", Fork::Constantinople, "6001 6004 1b", |_| number(16)),
        opcode("SHR", Fork::Constantinople, "6010 6004 1c", |_| number(1)),
        opcode("SAR", Fork::Constantinople, "6010 6004 1d", |_| number(1)),
        opcode("EXTCODEHASH", Fork::Constantinople, "30 3f", |found| {
            Some(U256::from_be_bytes(keccak256(found.code).0))
        }),
        // The salt is the block number.
        opcode(
            "CREATE2",
            Fork::Constantinople,
            "43 6000 6000 6000 f5",
            |found| {
                let salt = B256::from(U256::from(found.header.number));
                word(found.probe.create2(salt, keccak256([])))
            },
        ),
        opcode("CHAINID", Fork::Istanbul, "46", |found| {
            number(found.chain_id)
        }),
        opcode("SELFBALANCE", Fork::Istanbul, "47 6003 01", |_| number(3)),
        opcode("BASEFEE", Fork::London, "48", |found| {
            found.header.base_fee_per_gas.map(U256::from)
        }),
        opcode("PUSH0", Fork::Shanghai, "5f 6005 01", |_| number(5)),
        opcode(
            "TSTORE and TLOAD",
            Fork::Cancun,
            "602a 6001 5d 6001 5c",
            |_| number(42),
        ),
        // Transient storage does not survive the transaction.
        opcode(
            "TLOAD of what was written before",
            Fork::Cancun,
            "6001 5c 6009 6001 5d 6006 01",
            |_| number(6),
        ),
        opcode(
            "MCOPY",
            Fork::Cancun,
            "611234 6000 52 6020 6000 6020 5e 6020 51",
            |_| number(0x1234),
        ),
        opcode("BLOBHASH", Fork::Cancun, "6000 49 6008 01", |_| number(8)),
        opcode("BLOBBASEFEE", Fork::Cancun, "4a", |_| number(1)),
        opcode("CLZ", Fork::Osaka, "6001 1e", |_| number(255)),
        precompile(
            "modexp",
            Fork::Byzantium,
            5,
            &[
                &zeros(31),
                "01",
                &zeros(31),
                "01",
                &zeros(31),
                "01",
                "030205",
            ]
            .concat(),
            |_| Some(U256::from(4) << 248),
        ),
        precompile(
            "addition on alt_bn128",
            Fork::Byzantium,
            6,
            &[&zeros(31), "01", &zeros(31), "02"].concat(),
            |_| number(1),
        ),
        precompile(
            "BLAKE2 F",
            Fork::Istanbul,
            9,
            &["00000001", &zeros(208), "01"].concat(),
            |_| None,
        ),
        precompile(
            "point evaluation",
            Fork::Cancun,
            10,
            &point_evaluation_input(),
            |_| number(4_096),
        ),
        precompile(
            "BLS12-381 G1ADD",
            Fork::Prague,
            11,
            &g1_and_infinity,
            |_| Some(U256::from_be_slice(&bytes(G1)[..32])),
        ),
        precompile("P256VERIFY", Fork::Osaka, 0x100, P256, |_| number(1)),
    ]
}

/// Returns the address of the probe at `index` of [`all`].
pub fn address_of(index: usize) -> Address {
    Address::left_padding_from(&[0xab, index as u8])
}
