
//! Keys, signatures and Keccak.
