//! Authorizations to set an account's code (EIP-7702).

use alloy_primitives::{Address, B256, U256};

use crate::rlp::{self, Decode, DecodeError, Encode, List};
use crate::{CryptoError, Signature, keccak256};

/// The byte before the RLP list that an authorization's signature covers (EIP-7702).
const MAGIC: u8 = 0x05;

/// An account's signed permission to run the code of `address` as its own (EIP-7702). An invalid
/// authorization is skipped when the transaction runs; it does not make the transaction invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authorization {
    /// Chain id; zero means any chain.
    pub chain_id: U256,
    /// Address of the code to run; zero revokes the delegation.
    pub address: Address,
    /// Nonce of the authority.
    pub nonce: u64,
    /// Parity of the signature; a valid authorization has 0 or 1.
    pub y_parity: u8,
    /// The signature's r.
    pub r: U256,
    /// The signature's s.
    pub s: U256,
}

impl Authorization {
    /// Signs an authorization to run the code of `address` as the signer's own.
    pub fn sign(key: &crate::SecretKey, chain_id: U256, address: Address, nonce: u64) -> Self {
        let unsigned = Self {
            chain_id,
            address,
            nonce,
            y_parity: 0,
            r: U256::ZERO,
            s: U256::ZERO,
        };
        let Signature { y_parity, r, s } = key.sign(unsigned.signing_hash());
        Self {
            y_parity: u8::from(y_parity),
            r,
            s,
            ..unsigned
        }
    }

    /// Returns the hash that the authority signed.
    pub fn signing_hash(&self) -> B256 {
        let payload_length = self.chain_id.length() + self.address.length() + self.nonce.length();
        let mut out = Vec::with_capacity(1 + rlp::list_length(payload_length));
        out.push(MAGIC);
        rlp::encode_list_header(payload_length, &mut out);
        self.chain_id.encode(&mut out);
        self.address.encode(&mut out);
        self.nonce.encode(&mut out);
        keccak256(out)
    }

    /// Returns the account that signed. A high s is an error (EIP-2).
    pub fn recover_authority(&self) -> Result<Address, CryptoError> {
        let y_parity = match self.y_parity {
            0 => false,
            1 => true,
            _ => return Err(CryptoError::InvalidSignature),
        };
        let signature = Signature {
            y_parity,
            r: self.r,
            s: self.s,
        };
        if signature.has_high_s() {
            return Err(CryptoError::HighS);
        }
        signature.recover_address(self.signing_hash())
    }

    fn payload_length(&self) -> usize {
        self.chain_id.length()
            + self.address.length()
            + self.nonce.length()
            + u64::from(self.y_parity).length()
            + self.r.length()
            + self.s.length()
    }
}

impl Encode for Authorization {
    fn encode(&self, out: &mut Vec<u8>) {
        rlp::encode_list_header(self.payload_length(), out);
        self.chain_id.encode(out);
        self.address.encode(out);
        self.nonce.encode(out);
        u64::from(self.y_parity).encode(out);
        self.r.encode(out);
        self.s.encode(out);
    }

    fn length(&self) -> usize {
        rlp::list_length(self.payload_length())
    }
}

impl Decode for Authorization {
    fn decode(buf: &mut &[u8]) -> Result<Self, DecodeError> {
        let mut list = List::open(buf)?;
        let chain_id = list.next()?;
        let address = list.next()?;
        let nonce = list.next()?;
        let y_parity: u64 = list.next()?;
        let authorization = Self {
            chain_id,
            address,
            nonce,
            y_parity: u8::try_from(y_parity).map_err(|_| DecodeError::Overflow)?,
            r: list.next()?,
            s: list.next()?,
        };
        list.finish()?;
        Ok(authorization)
    }
}
