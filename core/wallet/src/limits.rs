//! Limits of key files, devices and typed data. Key files may come from anywhere, and any device
//! may be plugged in: both are untrusted input.

use std::time::Duration;

/// Maximum size of a key file in bytes. geth's have 491; a larger file is not a key file.
pub const MAX_KEY_FILE_BYTES: u64 = 64 * 1024;

/// Maximum number of key files in a directory. Each takes a few hundred bytes of memory, and ten
/// microseconds at every scan, of which there are two for each password.
pub const MAX_KEY_FILES: usize = 100_000;

/// Maximum memory of scrypt for one key, in bytes: four times that of geth's standard cost.
pub const MAX_SCRYPT_BYTES: u64 = 1 << 30;

/// Maximum n × r × p of scrypt, 16 times geth's standard cost: about ten seconds.
pub const MAX_SCRYPT_WORK: u64 = 1 << 25;

/// Maximum rounds of PBKDF2, 38 times the number that geth used to write: about ten seconds.
pub const MAX_PBKDF2_ROUNDS: u32 = 10_000_000;

/// Length of a derived key in bytes. The cipher uses the first 16, the checksum the next 16.
pub const DERIVED_KEY_BYTES: usize = 32;

/// Maximum number of keys that are derived from one mnemonic: each takes half a millisecond at
/// start, and an entry in the genesis.
pub const MAX_MNEMONIC_KEYS: u32 = 1_000;

/// Maximum number of components in a derivation path: BIP-44 has five, hardware wallets accept ten.
pub const MAX_PATH_COMPONENTS: usize = 10;

/// Maximum length of a Trezor's message in bytes. The longest valid one is `Features` with about
/// 500 bytes; the protocol would allow four gigabytes, which a device could make the node allocate.
pub const MAX_TREZOR_MESSAGE_BYTES: usize = 16 * 1024;

/// Maximum number of characters shown of a device's text, such as its name or an error.
pub const MAX_DEVICE_TEXT: usize = 200;

/// Maximum number of pages that a Trezor shows to the user for one request. A message of a few
/// kilobytes has a hundred; a device that never stops would block a thread.
pub const MAX_BUTTON_REQUESTS: usize = 1_000;

/// Maximum length of a type name in typed data, in bytes, brackets included.
pub const MAX_TYPE_NAME_BYTES: usize = 1_024;

/// Maximum depth of nested structs, and maximum number of dimensions of an array: each level takes
/// stack space.
pub const MAX_TYPE_DEPTH: usize = 32;

/// Maximum number of members of a type with those of its structs, each counted as often as it
/// occurs: types that name each other twice would double the number with each level.
pub const MAX_TYPE_MEMBERS: usize = 10_000;

/// Maximum product of the number of values in a message and the number of members of all its
/// structs: the types are written out and hashed for each struct in the message. A message of
/// 10,000 values with types of 100 members is within the limit, and takes a tenth of a second.
pub const MAX_TYPE_WORK: usize = 1_000_000;

/// Maximum number of parts that a Trezor may request of the data to sign. Typed data of a few
/// kilobytes has hundreds of parts; a device that never stops would block a thread.
pub const MAX_PART_REQUESTS: usize = 100_000;

/// Timeout of an answer that needs no user. A device takes well under a second.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Timeout of the user reading and pressing a button. The request blocks a thread and the device,
/// which can't do anything else meanwhile.
pub const OWNER_TIMEOUT: Duration = Duration::from_secs(600);
