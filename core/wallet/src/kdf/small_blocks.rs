//! scrypt (RFC 7914) for any combination of n and r.
//!
//! The RFC requires n below 2^(16 r), and the `scrypt` crate refuses other values; geth does not
//! check, and files with n = 2^18 and r = 1 exist. This plain implementation is for these files
//! only.

use hmac::Hmac;
use sha2::Sha256;
use zeroize::Zeroizing;

/// Number of 32-bit words in a block of Salsa20.
const WORDS: usize = 16;

type Block = [u32; WORDS];

/// Derives a key with the parameters (n, r, p), which must be within the limits.
pub(super) fn scrypt(password: &[u8], salt: &[u8], (n, r, p): (u32, u32, u32), key: &mut [u8]) {
    let lane_blocks = 2 * r as usize;
    let lane_bytes = lane_blocks * size_of::<Block>();
    let mut mixed = Zeroizing::new(vec![0; lane_bytes * p as usize]);
    pbkdf2::pbkdf2::<Hmac<Sha256>>(password, salt, 1, &mut mixed);
    let mut table = Zeroizing::new(vec![[0; WORDS]; lane_blocks * n as usize]);
    for lane in mixed.chunks_exact_mut(lane_bytes) {
        mix(lane, &mut table, lane_blocks);
    }
    pbkdf2::pbkdf2::<Hmac<Sha256>>(password, &mixed, 1, key);
}

/// scryptROMix: fills the table, then reads it in an order that depends on its content.
fn mix(lane: &mut [u8], table: &mut [Block], lane_blocks: usize) {
    let mut state = Zeroizing::new(vec![[0; WORDS]; lane_blocks]);
    let mut shuffled = Zeroizing::new(vec![[0; WORDS]; lane_blocks]);
    for (word, bytes) in state
        .as_flattened_mut()
        .iter_mut()
        .zip(lane.chunks_exact(4))
    {
        *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    for row in table.chunks_exact_mut(lane_blocks) {
        row.copy_from_slice(&state);
        mix_blocks(&mut state, &mut shuffled);
    }
    let rows = table.len() / lane_blocks;
    for _ in 0..rows {
        // The number of rows is a power of two, so that the low word determines the row.
        let row = state[lane_blocks - 1][0] as usize % rows * lane_blocks;
        let row = &table[row..row + lane_blocks];
        for (word, other) in state.as_flattened_mut().iter_mut().zip(row.as_flattened()) {
            *word ^= other;
        }
        mix_blocks(&mut state, &mut shuffled);
    }
    for (word, bytes) in state.as_flattened().iter().zip(lane.chunks_exact_mut(4)) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
}

/// scryptBlockMix: the even blocks come first in the result, then the odd ones.
fn mix_blocks(state: &mut [Block], shuffled: &mut [Block]) {
    let count = state.len();
    let mut last = state[count - 1];
    for (index, block) in state.iter().enumerate() {
        for (word, other) in last.iter_mut().zip(block) {
            *word ^= other;
        }
        salsa20_8(&mut last);
        shuffled[index / 2 + index % 2 * (count / 2)] = last;
    }
    state.copy_from_slice(shuffled);
}

/// Salsa20/8: eight rounds of Salsa20.
fn salsa20_8(block: &mut Block) {
    const COLUMNS: [[usize; 4]; 4] = [[0, 4, 8, 12], [5, 9, 13, 1], [10, 14, 2, 6], [15, 3, 7, 11]];
    const ROWS: [[usize; 4]; 4] = [[0, 1, 2, 3], [5, 6, 7, 4], [10, 11, 8, 9], [15, 12, 13, 14]];
    let mut x = *block;
    for _ in 0..4 {
        for [a, b, c, d] in COLUMNS.into_iter().chain(ROWS) {
            x[b] ^= x[a].wrapping_add(x[d]).rotate_left(7);
            x[c] ^= x[b].wrapping_add(x[a]).rotate_left(9);
            x[d] ^= x[c].wrapping_add(x[b]).rotate_left(13);
            x[a] ^= x[d].wrapping_add(x[c]).rotate_left(18);
        }
    }
    for (word, mixed) in block.iter_mut().zip(x) {
        *word = word.wrapping_add(mixed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_the_rfc() {
        let mut key = [0; 64];
        scrypt(b"password", b"NaCl", (1024, 8, 16), &mut key);
        assert_eq!(
            hex::encode(key),
            "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162\
             2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"
        );
    }

    #[test]
    fn small_blocks_agree_with_the_scrypt_crate() {
        for (log_n, r, p) in [(1, 1, 1), (4, 1, 3), (6, 2, 2), (10, 8, 1)] {
            let (mut ours, mut theirs) = ([0; 32], [0; 32]);
            scrypt(b"x", b"salt", (1 << log_n, r, p), &mut ours);
            let params = ::scrypt::Params::new(log_n, r, p).unwrap();
            ::scrypt::scrypt(b"x", b"salt", &params, &mut theirs).unwrap();
            assert_eq!(ours, theirs, "{log_n} {r} {p}");
        }
    }
}
