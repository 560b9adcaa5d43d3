//! A simulated Trezor, after its firmware's `common/protob`.

use actoreum_primitives::{
    AccessListItem, Address, B256, Bytes, DynamicFeeTx, LegacyTx, SecretKey, TxPayload, U256,
    keccak256,
};
use actoreum_wallet::{hardware::Packet, signing};

use super::{
    Fault, Firmware, Owner, OwnerResponse, key_at,
    protobuf::{Field, Fields, amount, blob, bytes, decode, number},
    typed_data::ReceivedTypedData,
};

/// Firmware of the simulated Trezor.
pub struct TrezorFirmware {
    phrase: String,
    owner: Owner,
    /// The PIN as places on the grid; `None`: there is none.
    pub pin: Option<String>,
    /// Version of the firmware. The first model's begins with 1.
    pub version: [u64; 3],
    /// Whether a passphrase is required.
    pub requires_passphrase: bool,
    is_unlocked: bool,
    /// Passphrase of the session.
    passphrase: Option<String>,
    incoming: Vec<u8>,
    /// Request that continues once the secrets are entered, or the owner accepts.
    asked: Option<(u16, Fields)>,
    /// Received part of a transaction's input.
    input: Vec<u8>,
    /// Received part of typed data.
    typed_data: Option<ReceivedTypedData>,
    is_shown: bool,
}

impl TrezorFirmware {
    /// Creates a device with the keys of a mnemonic, without PIN or passphrase.
    pub fn new(phrase: &str, owner: &Owner) -> Self {
        Self {
            phrase: phrase.to_owned(),
            owner: owner.clone(),
            pin: None,
            version: [1, 12, 1],
            requires_passphrase: false,
            is_unlocked: false,
            passphrase: None,
            incoming: Vec::new(),
            asked: None,
            input: Vec::new(),
            typed_data: None,
            is_shown: false,
        }
    }

    fn message(&mut self, kind: u16, content: &[u8]) -> Vec<Packet> {
        let fields = decode(content);
        if self.owner.take_auto_lock() {
            self.is_unlocked = false;
        }
        match kind {
            0 => {
                self.passphrase = None;
                self.asked = None;
                let [major, minor, patch] = self.version;
                let features = [
                    number(2, major),
                    number(3, minor),
                    number(4, patch),
                    bytes(10, b"mine"),
                ];
                reply(17, &features.concat())
            }
            1 => reply(2, &[]),
            20 => {
                self.asked = None;
                failure(4, "Cancelled")
            }
            19 => {
                let pin = blob(&fields, 1);
                if self.pin.as_ref().is_some_and(|want| want.as_bytes() != pin) {
                    self.asked = None;
                    return failure(7, "PIN invalid");
                }
                self.is_unlocked = true;
                self.continue_request()
            }
            42 => {
                self.passphrase = Some(String::from_utf8(blob(&fields, 1)).unwrap());
                self.continue_request()
            }
            27 => match self.owner.response() {
                OwnerResponse::Accept => self.on_accepted(),
                OwnerResponse::Reject => {
                    self.asked = None;
                    failure(4, "Cancelled")
                }
                OwnerResponse::Wait => {
                    self.is_shown = true;
                    Vec::new()
                }
            },
            60 => {
                self.input.extend(blob(&fields, 1));
                self.sign_or_ask_for_more()
            }
            466 | 468 => {
                let data = self.typed_data.as_mut().unwrap();
                data.take(kind, &fields);
                self.sign_or_ask_for_parts()
            }
            _ => {
                self.asked = Some((kind, fields));
                self.typed_data = None;
                self.continue_request()
            }
        }
    }

    /// Asks for the next secret, or continues the request.
    fn continue_request(&mut self) -> Vec<Packet> {
        if self.pin.is_some() && !self.is_unlocked {
            return reply(18, &number(1, 1));
        }
        if self.requires_passphrase && self.passphrase.is_none() {
            return reply(41, &[]);
        }
        match &self.asked {
            Some((56, fields)) => {
                let address = self.key(fields).address();
                reply(57, &bytes(2, address.to_string().as_bytes()))
            }
            Some((470, _)) if self.version[0] > 1 => failure(1, "Unexpected message"),
            Some((464, _)) if self.version[0] == 1 => failure(1, "Unknown message"),
            Some((58 | 64 | 452 | 464 | 470, _)) => reply(26, &number(1, 8)),
            Some((kind, _)) => failure(1, &format!("Unknown message {kind}")),
            None => failure(1, "Unexpected message"),
        }
    }

    fn on_accepted(&mut self) -> Vec<Packet> {
        let Some((kind, fields)) = self.asked.clone() else {
            return failure(1, "Unexpected message");
        };
        let key = self.key(&fields);
        match kind {
            58 | 452 => {
                self.input = blob(&fields, if kind == 58 { 7 } else { 8 });
                self.sign_or_ask_for_more()
            }
            64 => {
                let hash = signing::personal_message_hash(&blob(&fields, 2));
                reply(66, &bytes(2, &signature_bytes(&key, hash)))
            }
            464 => {
                let primary_type = String::from_utf8(blob(&fields, 2)).unwrap();
                match &mut self.typed_data {
                    None => {
                        self.typed_data = Some(ReceivedTypedData::new(primary_type));
                        self.sign_or_ask_for_parts()
                    }
                    Some(data) => {
                        let hash = data.hash().ok().expect("because all parts were received");
                        reply(469, &bytes(1, &signature_bytes(&key, hash)))
                    }
                }
            }
            _ => {
                let hashes = [blob(&fields, 2), blob(&fields, 3)].concat();
                let hash = keccak256([b"\x19\x01", &hashes[..]].concat());
                reply(469, &bytes(1, &signature_bytes(&key, hash)))
            }
        }
    }

    /// Asks for the next missing part, or for the owner's consent.
    fn sign_or_ask_for_parts(&mut self) -> Vec<Packet> {
        match self.typed_data.as_mut().unwrap().hash() {
            Ok(_) => reply(26, &number(1, 8)),
            Err(missing) => {
                let (kind, content) = missing.encode();
                reply(kind, &content)
            }
        }
    }

    fn sign_or_ask_for_more(&mut self) -> Vec<Packet> {
        let (kind, fields) = self
            .asked
            .clone()
            .expect("because a transaction was asked for");
        let length = amount(&fields, if kind == 58 { 8 } else { 9 }) as usize;
        if self.input.len() < length {
            let more = (length - self.input.len()).min(1024);
            return reply(59, &number(1, more as u64));
        }
        self.asked = None;
        let input = Bytes::from(std::mem::take(&mut self.input));
        let payload = transaction(kind, &fields, input);
        let signature = self.key(&fields).sign(payload.signing_hash());
        let v = match &payload {
            TxPayload::Legacy(LegacyTx {
                chain_id: Some(id), ..
            }) => id * 2 + 35 + u64::from(signature.y_parity),
            TxPayload::Legacy(_) => 27 + u64::from(signature.y_parity),
            _ => u64::from(signature.y_parity),
        };
        let [r, s] = [signature.r, signature.s].map(|part| part.to_be_bytes::<32>());
        reply(59, &[number(2, v), bytes(3, &r), bytes(4, &s)].concat())
    }

    fn key(&self, fields: &Fields) -> SecretKey {
        let path: Vec<u32> = fields
            .iter()
            .filter_map(|field| match field {
                (1, Field::Number(component)) => Some(*component as u32),
                _ => None,
            })
            .collect();
        let passphrase = self.passphrase.as_deref().unwrap_or_default();
        key_at(&self.phrase, passphrase, &path)
    }
}

fn signature_bytes(key: &SecretKey, hash: B256) -> [u8; 65] {
    let mut bytes = key.sign(hash).to_bytes();
    bytes[64] += 27;
    bytes
}

fn transaction(kind: u16, fields: &Fields, input: Bytes) -> TxPayload {
    let integer = |field| U256::from_be_slice(&blob(fields, field));
    let small = |field| u64::try_from(integer(field)).unwrap();
    let to = |field| {
        let digits = blob(fields, field);
        let text = std::str::from_utf8(&digits).unwrap();
        (!text.is_empty()).then(|| text.parse::<Address>().unwrap())
    };
    if kind == 58 {
        let chain_id = amount(fields, 9);
        return TxPayload::Legacy(LegacyTx {
            chain_id: (chain_id != 0).then_some(chain_id),
            nonce: small(2),
            gas_price: integer(3),
            gas_limit: small(4),
            to: to(11),
            value: integer(6),
            input,
        });
    }
    let access_list = fields.iter().filter_map(|field| match field {
        (11, Field::Bytes(item)) => Some(access(item)),
        _ => None,
    });
    TxPayload::DynamicFee(DynamicFeeTx {
        chain_id: amount(fields, 10),
        nonce: small(2),
        max_fee_per_gas: integer(3),
        max_priority_fee_per_gas: integer(4),
        gas_limit: small(5),
        to: to(6),
        value: integer(7),
        input,
        access_list: access_list.collect(),
    })
}

fn access(item: &[u8]) -> AccessListItem {
    let fields = decode(item);
    let storage_keys = fields.iter().filter_map(|field| match field {
        (2, Field::Bytes(key)) => Some(B256::from_slice(key)),
        _ => None,
    });
    let address = String::from_utf8(blob(&fields, 1)).unwrap();
    AccessListItem {
        address: address.parse().unwrap(),
        storage_keys: storage_keys.collect(),
    }
}

impl Firmware for TrezorFirmware {
    fn receive(&mut self, packet: &Packet) -> Vec<Packet> {
        match self.owner.fault() {
            Fault::None => {}
            Fault::Noise => return vec![[0x5a; 64]],
            Fault::Endless => {
                let mut packet = [0; 64];
                packet[..9].copy_from_slice(b"?##\0\x02\xff\xff\xff\xff");
                return vec![packet];
            }
        }
        assert_eq!(packet[0], b'?', "begins each packet");
        self.incoming.extend(&packet[1..]);
        assert_eq!(self.incoming[..2], *b"##", "begins a message");
        let kind = u16::from_be_bytes([self.incoming[2], self.incoming[3]]);
        let length = u32::from_be_bytes(self.incoming[4..8].try_into().unwrap()) as usize;
        if self.incoming.len() < length + 8 {
            return Vec::new();
        }
        let content = self.incoming[8..length + 8].to_vec();
        self.incoming.clear();
        self.message(kind, &content)
    }

    fn is_asking(&self) -> bool {
        self.is_shown
    }

    fn press(&mut self, is_yes: bool) -> Vec<Packet> {
        assert!(std::mem::take(&mut self.is_shown), "something is shown");
        if is_yes {
            self.on_accepted()
        } else {
            self.asked = None;
            failure(4, "Cancelled")
        }
    }
}

fn failure(code: u64, text: &str) -> Vec<Packet> {
    reply(3, &[number(1, code), bytes(2, text.as_bytes())].concat())
}

fn reply(kind: u16, content: &[u8]) -> Vec<Packet> {
    let length = (content.len() as u32).to_be_bytes();
    let stream = [b"##", &kind.to_be_bytes()[..], &length, content].concat();
    stream
        .chunks(63)
        .map(|chunk| {
            let mut packet = [0; 64];
            packet[0] = b'?';
            packet[1..=chunk.len()].copy_from_slice(chunk);
            packet
        })
        .collect()
}
