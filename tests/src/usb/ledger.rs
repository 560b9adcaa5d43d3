//! A simulated Ledger with its Ethereum application, after LedgerHQ's `doc/ethapp.adoc`.

use actoreum_primitives::{SecretKey, keccak256};
use actoreum_wallet::{hardware::Packet, signing};

use super::{Fault, Firmware, Owner, OwnerResponse, key_at, rlp::item_length};

const OK: u16 = 0x9000;
const REFUSED: u16 = 0x6985;
const WRONG_DATA: u16 = 0x6a80;

/// Firmware of the simulated Ledger.
pub struct LedgerFirmware {
    phrase: String,
    owner: Owner,
    /// Version of the application: major, minor, patch.
    pub version: [u8; 3],
    /// Status word of every answer while the application is not open or the device is locked.
    pub error_status: Option<u16>,
    /// Received packets of an incomplete APDU.
    incoming: Vec<u8>,
    /// Data of a command in parts.
    data: Vec<u8>,
    /// Answer that is sent when the owner accepts.
    pending_answer: Option<Vec<u8>>,
}

impl LedgerFirmware {
    /// Creates a device with the keys of a mnemonic.
    pub fn new(phrase: &str, owner: &Owner) -> Self {
        Self {
            phrase: phrase.to_owned(),
            owner: owner.clone(),
            version: [1, 12, 0],
            error_status: None,
            incoming: Vec::new(),
            data: Vec::new(),
            pending_answer: None,
        }
    }

    fn command(&mut self, apdu: &[u8]) -> Option<Vec<u8>> {
        let [0xe0, instruction, p1, 0, length, data @ ..] = apdu else {
            return Some(status(0x6e00));
        };
        assert_eq!(usize::from(*length), data.len(), "the length is right");
        if let Some(error_status) = self.error_status {
            return Some(status(error_status));
        }
        if *instruction == 0x06 {
            let [major, minor, patch] = self.version;
            return Some(answer(&[0x01, major, minor, patch]));
        }
        if *p1 == 0x00 {
            self.data.clear();
        }
        self.data.extend(data);
        let Some((path, rest)) = path(&self.data) else {
            return Some(status(WRONG_DATA));
        };
        let key = key_at(&self.phrase, "", &path);
        match instruction {
            0x02 => {
                let address = hex::encode(key.address());
                let public_key = key.public_key().to_uncompressed();
                Some(answer(
                    &[&[65, 4], &public_key[..], &[40], address.as_bytes()].concat(),
                ))
            }
            0x04 => match signed_transaction(&key, rest) {
                Some(signature) => self.ask_owner(answer(&signature)),
                None => Some(status(OK)),
            },
            0x08 => {
                let (length, message) = rest.split_at(4);
                let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
                if message.len() < length {
                    return Some(status(OK));
                }
                let signature = key.sign(signing::personal_message_hash(message)).to_bytes();
                let v = 27 + signature[64];
                self.ask_owner(answer(&[&[v], &signature[..64]].concat()))
            }
            0x0c => {
                assert_eq!(rest.len(), 64, "two hashes");
                let hash = keccak256([b"\x19\x01", rest].concat());
                let signature = key.sign(hash).to_bytes();
                let v = 27 + signature[64];
                self.ask_owner(answer(&[&[v], &signature[..64]].concat()))
            }
            _ => Some(status(0x6d00)),
        }
    }

    fn ask_owner(&mut self, answer: Vec<u8>) -> Option<Vec<u8>> {
        match self.owner.response() {
            OwnerResponse::Accept => Some(answer),
            OwnerResponse::Reject => Some(status(REFUSED)),
            OwnerResponse::Wait => {
                self.pending_answer = Some(answer);
                None
            }
        }
    }
}

fn status(word: u16) -> Vec<u8> {
    word.to_be_bytes().to_vec()
}

fn answer(data: &[u8]) -> Vec<u8> {
    [data, &OK.to_be_bytes()].concat()
}

/// Reads the derivation path at the beginning of the data; returns the path and the rest.
fn path(data: &[u8]) -> Option<(Vec<u32>, &[u8])> {
    let (count, rest) = data.split_first()?;
    let (path, rest) = rest.split_at_checked(usize::from(*count) * 4)?;
    let (components, _) = path.as_chunks::<4>();
    let path = components.iter().map(|bytes| u32::from_be_bytes(*bytes));
    Some((path.collect(), rest))
}

/// Returns v, r and s, once the transaction is complete.
fn signed_transaction(key: &SecretKey, unsigned: &[u8]) -> Option<Vec<u8>> {
    let is_typed = *unsigned.first()? < 0xc0;
    let list = &unsigned[usize::from(is_typed)..];
    if item_length(list)? > list.len() {
        return None;
    }
    let signature = key.sign(keccak256(unsigned)).to_bytes();
    // For a legacy transaction, the lowest byte of EIP-155's v; the chains here have small ids.
    let v = if is_typed {
        signature[64]
    } else {
        37 + signature[64]
    };
    Some([&[v], &signature[..64]].concat())
}

impl Firmware for LedgerFirmware {
    fn receive(&mut self, packet: &Packet) -> Vec<Packet> {
        match self.owner.fault() {
            Fault::None => {}
            Fault::Noise => return vec![[0x5a; 64]],
            Fault::Endless => {
                let mut packet = [0; 64];
                packet[..7].copy_from_slice(&[1, 1, 5, 0, 0, 0xff, 0xff]);
                return vec![packet];
            }
        }
        assert_eq!(packet[..3], [1, 1, 5], "channel and tag");
        let number = u16::from_be_bytes([packet[3], packet[4]]);
        if number == 0 {
            self.incoming.clear();
        }
        self.incoming.extend(&packet[5..]);
        let length = usize::from(u16::from_be_bytes([self.incoming[0], self.incoming[1]]));
        if self.incoming.len() < length + 2 {
            return Vec::new();
        }
        let apdu = self.incoming[2..length + 2].to_vec();
        self.command(&apdu)
            .map_or_else(Vec::new, |answer| packets(&answer))
    }

    fn is_asking(&self) -> bool {
        self.pending_answer.is_some()
    }

    fn press(&mut self, is_yes: bool) -> Vec<Packet> {
        let answer = self
            .pending_answer
            .take()
            .expect("because something is shown");
        if is_yes {
            packets(&answer)
        } else {
            packets(&status(REFUSED))
        }
    }
}

fn packets(answer: &[u8]) -> Vec<Packet> {
    let content = [&(answer.len() as u16).to_be_bytes()[..], answer].concat();
    let chunks = content.chunks(59).enumerate();
    chunks
        .map(|(number, chunk)| {
            let mut packet = [0; 64];
            packet[..5].copy_from_slice(&[1, 1, 5, (number >> 8) as u8, number as u8]);
            packet[5..5 + chunk.len()].copy_from_slice(chunk);
            packet
        })
        .collect()
}
