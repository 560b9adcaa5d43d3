//! Hashing of typed data as a Trezor does it from firmware 2.4.3 on: it asks for structs and
//! values, and does not rely on a hash of the host.

use std::collections::{BTreeMap, BTreeSet};

use actoreum_primitives::{B256, keccak256};

use super::protobuf::{Field, Fields, amount, blob, bytes, decode, number};

/// The received part of typed data.
#[derive(Default)]
pub(super) struct ReceivedTypedData {
    primary_type: String,
    structs: BTreeMap<String, Vec<Member>>,
    values: BTreeMap<Vec<u32>, Vec<u8>>,
    /// The part that the next answer contains.
    open: Option<MissingPart>,
}

/// A missing part.
#[derive(Clone, PartialEq)]
pub(super) enum MissingPart {
    Struct(String),
    Value(Vec<u32>),
}

impl MissingPart {
    /// Returns the type and the content of the message that asks for the part.
    pub(super) fn encode(&self) -> (u16, Vec<u8>) {
        match self {
            Self::Struct(name) => (465, bytes(1, name.as_bytes())),
            Self::Value(path) => {
                let places = path.iter().map(|at| number(1, u64::from(*at)));
                (467, places.collect::<Vec<_>>().concat())
            }
        }
    }
}

#[derive(Clone)]
struct Member {
    of_type: FieldType,
    name: String,
}

#[derive(Clone)]
struct FieldType {
    data_type: u64,
    size: Option<usize>,
    entry: Option<Box<FieldType>>,
    struct_name: String,
}

impl FieldType {
    fn read(content: &[u8]) -> Self {
        let fields = decode(content);
        let has = |wanted| fields.iter().any(|(field, _)| *field == wanted);
        Self {
            data_type: amount(&fields, 1),
            size: has(2).then(|| amount(&fields, 2) as usize),
            entry: has(3).then(|| Box::new(Self::read(&blob(&fields, 3)))),
            struct_name: String::from_utf8(blob(&fields, 4)).unwrap(),
        }
    }

    fn name(&self) -> String {
        let size = self.size.map_or_else(String::new, |size| size.to_string());
        match (self.data_type, self.size) {
            (1, Some(size)) => format!("uint{}", size * 8),
            (2, Some(size)) => format!("int{}", size * 8),
            (3, _) => format!("bytes{size}"),
            (4, None) => "string".to_owned(),
            (5, None) => "bool".to_owned(),
            (6, None) => "address".to_owned(),
            (7, _) => format!("{}[{size}]", self.entry.as_ref().unwrap().name()),
            (8, Some(_)) => self.struct_name.clone(),
            other => panic!("no type: {other:?}"),
        }
    }

    /// Returns the name of the innermost struct.
    fn root(&self) -> Option<&str> {
        match (&self.entry, self.data_type) {
            (Some(entry), _) => entry.root(),
            (None, 8) => Some(&self.struct_name),
            _ => None,
        }
    }
}

impl ReceivedTypedData {
    pub(super) fn new(primary_type: String) -> Self {
        Self {
            primary_type,
            ..Self::default()
        }
    }

    /// Adds an answer.
    pub(super) fn take(&mut self, kind: u16, fields: &Fields) {
        match (kind, self.open.take()) {
            (466, Some(MissingPart::Struct(name))) => {
                let members = fields.iter().map(|field| {
                    let (1, Field::Bytes(member)) = field else {
                        panic!("no member")
                    };
                    let fields = decode(member);
                    Member {
                        of_type: FieldType::read(&blob(&fields, 1)),
                        name: String::from_utf8(blob(&fields, 2)).unwrap(),
                    }
                });
                self.structs.insert(name, members.collect());
            }
            (468, Some(MissingPart::Value(path))) => {
                self.values.insert(path, blob(fields, 1));
            }
            _ => panic!("unexpected message {kind}"),
        }
    }

    /// Returns the hash to sign, or the next missing part.
    pub(super) fn hash(&mut self) -> Result<B256, MissingPart> {
        let hash = self.hash_all();
        self.open = hash.clone().err();
        hash
    }

    fn hash_all(&self) -> Result<B256, MissingPart> {
        let domain = "EIP712Domain";
        self.collect(domain, &mut BTreeSet::new())?;
        self.collect(&self.primary_type, &mut BTreeSet::new())?;
        let mut signed = b"\x19\x01".to_vec();
        signed.extend(self.hash_struct(domain, &[0])?);
        if self.primary_type != domain {
            signed.extend(self.hash_struct(&self.primary_type, &[1])?);
        }
        Ok(keccak256(signed))
    }

    fn members(&self, name: &str) -> Result<&[Member], MissingPart> {
        let members = self.structs.get(name).map(Vec::as_slice);
        members.ok_or_else(|| MissingPart::Struct(name.to_owned()))
    }

    fn value(&self, path: &[u32]) -> Result<&[u8], MissingPart> {
        let value = self.values.get(path).map(Vec::as_slice);
        value.ok_or_else(|| MissingPart::Value(path.to_vec()))
    }

    /// Collects the names of a struct and of all structs within it.
    fn collect(&self, name: &str, names: &mut BTreeSet<String>) -> Result<(), MissingPart> {
        if !names.insert(name.to_owned()) {
            return Ok(());
        }
        for member in self.members(name)? {
            if let Some(inner) = member.of_type.root() {
                self.collect(inner, names)?;
            }
        }
        Ok(())
    }

    fn encode_type(&self, name: &str) -> Result<String, MissingPart> {
        let mut names = BTreeSet::new();
        self.collect(name, &mut names)?;
        names.remove(name);
        let mut encoded = String::new();
        for name in std::iter::once(name).chain(names.iter().map(String::as_str)) {
            let members = self.members(name)?.iter();
            let members =
                members.map(|member| format!("{} {}", member.of_type.name(), member.name));
            encoded += &format!("{name}({})", members.collect::<Vec<_>>().join(","));
        }
        Ok(encoded)
    }

    fn hash_struct(&self, name: &str, path: &[u32]) -> Result<B256, MissingPart> {
        let mut data = keccak256(self.encode_type(name)?).to_vec();
        for (at, member) in (0..).zip(self.members(name)?) {
            data.extend(self.word(&member.of_type, &[path, &[at]].concat())?);
        }
        Ok(keccak256(data))
    }

    /// Returns the encoding of a value in 32 bytes (EIP-712).
    fn word(&self, of_type: &FieldType, path: &[u32]) -> Result<B256, MissingPart> {
        let padded = |value: &[u8], filler: u8| {
            let mut word = [filler; 32];
            word[32 - value.len()..].copy_from_slice(value);
            B256::from(word)
        };
        match of_type.data_type {
            7 => {
                let count = match of_type.size {
                    Some(size) => size as u32,
                    None => {
                        let count: [u8; 2] = self.value(path)?.try_into().unwrap();
                        u32::from(u16::from_be_bytes(count))
                    }
                };
                let entry = of_type.entry.as_ref().unwrap();
                assert_ne!(entry.data_type, 7, "no firmware hashes arrays of arrays");
                let mut elements = Vec::new();
                for at in 0..count {
                    elements.extend(self.word(entry, &[path, &[at]].concat())?);
                }
                Ok(keccak256(elements))
            }
            8 => self.hash_struct(&of_type.struct_name, path),
            kind => {
                let value = self.value(path)?;
                if let Some(size) = of_type.size {
                    assert_eq!(value.len(), size, "{}", of_type.name());
                }
                Ok(match kind {
                    3 if of_type.size.is_some() => {
                        let mut word = B256::ZERO;
                        word[..value.len()].copy_from_slice(value);
                        word
                    }
                    3 | 4 => keccak256(value),
                    2 if value[0] >= 0x80 => padded(value, 0xff),
                    5 => {
                        assert!(matches!(value, [0] | [1]), "a truth value");
                        padded(value, 0)
                    }
                    6 => {
                        assert_eq!(value.len(), 20, "an address");
                        padded(value, 0)
                    }
                    _ => padded(value, 0),
                })
            }
        }
    }
}
