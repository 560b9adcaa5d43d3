//! What a key file may ask for, and a device. Key files are dropped into a folder by hand, or come
//! from somebody else, so they count as foreign; so does what is plugged in.

use std::time::Duration;

/// Bytes of a key file. geth's have 491; what is larger is no key file.
pub const MAX_KEY_FILE_BYTES: u64 = 64 * 1024;

/// Key files that a directory may hold. Each costs a few hundred bytes of memory, and ten
/// microseconds at every look at the folder, of which there are two for each password.
pub const MAX_KEY_FILES: usize = 100_000;

/// Memory that scrypt may take for one key, in bytes: four times what geth's standard cost takes.
pub const MAX_SCRYPT_BYTES: u64 = 1 << 30;

/// n × r × p of scrypt at most, 16 times geth's standard cost: about ten seconds.
pub const MAX_SCRYPT_WORK: u64 = 1 << 25;

/// Rounds of PBKDF2 at most, 38 times what geth used to write: about ten seconds.
pub const MAX_PBKDF2_ROUNDS: u32 = 10_000_000;

/// Bytes of a derived key. The cipher takes the first 16, the checksum the next 16.
pub const DERIVED_KEY_BYTES: usize = 32;

/// Keys that are derived from one mnemonic, at most: each costs half a millisecond at start, and
/// an entry in the genesis.
pub const MAX_MNEMONIC_KEYS: u32 = 1_000;

/// Components of a derivation path, at most: BIP-44 has five, hardware wallets take ten.
pub const MAX_PATH_COMPONENTS: usize = 10;

/// Bytes of a Trezor's message, at most. What it says about itself is its longest, with about 500
/// bytes; its protocol would allow four gigabytes, which a device could have us reserve.
pub const MAX_TREZOR_MESSAGE_BYTES: usize = 16 * 1024;

/// Characters of a text of a device that are shown: its name, its error.
pub const MAX_DEVICE_TEXT: usize = 200;

/// Pages that a Trezor shows its owner for one request, at most. A message of a few kilobytes has a
/// hundred; a device that goes on for ever would hold a thread.
pub const MAX_BUTTON_REQUESTS: usize = 1_000;

/// Bytes of the name of a type of typed data, at most, brackets included.
pub const MAX_TYPE_NAME_BYTES: usize = 1_024;

/// Structs within structs, and dimensions of an array, at most: each takes room on the stack.
pub const MAX_TYPE_DEPTH: usize = 32;

/// Members of a type of typed data with those of its structs, at most, each as often as it occurs:
/// types that name each other twice would double with each.
pub const MAX_TYPE_MEMBERS: usize = 10_000;

/// Values of the message of typed data times members of all its structs, at most: the types are
/// written out and hashed for each struct in the message. A message of 10,000 values with types of
/// 100 members is within; this takes a tenth of a second.
pub const MAX_TYPE_WORK: usize = 1_000_000;

/// Times that a Trezor may ask for a part of what it signs. Typed data of a few kilobytes has
/// hundreds of parts; a device that goes on for ever would hold a thread.
pub const MAX_PART_REQUESTS: usize = 100_000;

/// How long a device may take for what it does alone. It takes well under a second.
pub const ANSWER_PATIENCE: Duration = Duration::from_secs(10);

/// How long its owner may take to read, and to press a button. The request holds a thread and the
/// device, which can do nothing else meanwhile.
pub const OWNER_PATIENCE: Duration = Duration::from_secs(600);
