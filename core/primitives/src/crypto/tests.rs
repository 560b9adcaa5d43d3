//! Keys, signatures and Keccak.
