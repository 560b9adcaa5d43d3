//! Generator of nearly valid JSON-RPC requests and WebSocket frames.

use rand::{Rng, seq::IndexedRandom};
use serde_json::{Map, Value, json};

/// Maximum number of hashes and addresses that are collected from answers for later requests.
const MAX_KNOWN: usize = 256;

/// Generator of requests from the node's description of its methods (`rpc.discover`).
pub struct RequestGenerator {
    methods: Vec<Value>,
    known: Vec<Value>,
}

impl RequestGenerator {
    pub fn new(methods: Vec<Value>, accounts: &Value, genesis: &Value) -> Self {
        let mut known = accounts.as_array().unwrap().clone();
        known.push(genesis.clone());
        Self { methods, known }
    }

    /// Collects a random string of an answer.
    pub fn learn(&mut self, answer: &Value, random: &mut impl Rng) {
        let mut value = &answer["result"];
        while let Some(inner) = match value {
            Value::Array(items) => items.choose(random),
            Value::Object(fields) => fields
                .values()
                .nth(random.random_range(0..fields.len().max(1))),
            _ => None,
        } {
            value = inner;
        }
        if value.as_str().is_some_and(|text| text.len() <= 130) {
            if self.known.len() == MAX_KNOWN {
                self.known.swap_remove(random.random_range(8..MAX_KNOWN));
            }
            self.known.push(value.clone());
        }
    }

    /// Returns a request.
    pub fn call(&self, random: &mut impl Rng) -> Value {
        let method = self.methods.choose(random).unwrap();
        let wanted = method["params"].as_array().unwrap();
        let mut params: Vec<Value> = wanted
            .iter()
            .map(|param| self.argument(&param["schema"], random))
            .collect();
        match random.random_range(0..16) {
            0 => params.push(self.any(3, random)),
            1 => drop(params.pop()),
            _ => {}
        }
        let params = match random.random_range(0..64) {
            0 => self.any(3, random),
            _ => Value::Array(params),
        };
        let id = match random.random_range(0..16) {
            0 => self.any(2, random),
            _ => json!(random.random::<u32>()),
        };
        json!({"jsonrpc": "2.0", "id": id, "method": method["name"], "params": params})
    }

    /// Returns a batch, short or too long, of requests and of other values.
    pub fn batch(&self, random: &mut impl Rng) -> Value {
        let length = match random.random_range(0..16) {
            0 => random.random_range(900..1_100),
            1 => 0,
            _ => random.random_range(1..40),
        };
        let item = |random: &mut _| match Rng::random_range(random, 0..12) {
            0 => self.any(3, random),
            1 => json!([self.call(random)]),
            // A notification, which has no answer.
            2 => json!({"method": self.methods.choose(random).unwrap()["name"]}),
            _ if length > 100 => json!({"id": 1, "method": "eth_blockNumber"}),
            _ => self.call(random),
        };
        (0..length).map(|_| item(random)).collect()
    }

    /// Returns an argument that mostly fits a schema.
    fn argument(&self, schema: &Value, random: &mut impl Rng) -> Value {
        if random.random_ratio(1, 10) {
            return self.any(4, random);
        }
        if random.random_ratio(1, 4) {
            return self.known.choose(random).unwrap().clone();
        }
        match (schema["title"].as_str(), schema["type"].as_str()) {
            (Some("address" | "32 bytes"), _) => self.known.choose(random).unwrap().clone(),
            (Some("quantity" | "number"), _) => number(random),
            (_, Some("boolean")) => json!(random.random::<bool>()),
            (_, Some("integer" | "number")) => json!(random.random::<u16>()),
            (_, Some("array")) => (0..random.random_range(0..5))
                .map(|_| self.any(2, random))
                .collect(),
            (_, Some("object")) => self.object(3, random),
            _ => match random.random_range(0..3) {
                0 => tag(random),
                1 => self.object(3, random),
                _ => self.any(3, random),
            },
        }
    }

    /// Returns an object with fields that some method knows.
    fn object(&self, depth: u32, random: &mut impl Rng) -> Value {
        const FIELDS: [&str; 40] = [
            "from",
            "to",
            "gas",
            "gasPrice",
            "value",
            "data",
            "input",
            "nonce",
            "chainId",
            "type",
            "maxFeePerGas",
            "maxPriorityFeePerGas",
            "accessList",
            "authorizationList",
            "blobVersionedHashes",
            "maxFeePerBlobGas",
            "fromBlock",
            "toBlock",
            "blockHash",
            "blockNumber",
            "address",
            "topics",
            "requireCanonical",
            "tracer",
            "tracerConfig",
            "timeout",
            "disableStorage",
            "enableMemory",
            "limit",
            "reexec",
            "stateOverrides",
            "blockOverrides",
            "balance",
            "code",
            "state",
            "stateDiff",
            "timestamp",
            "number",
            "time",
            "onlyTopCall",
        ];
        let mut fields = Map::new();
        for _ in 0..random.random_range(0..6) {
            let field = *FIELDS.choose(random).unwrap();
            let value = match field {
                "from" | "to" | "address" | "blockHash" => {
                    self.known.choose(random).unwrap().clone()
                }
                "fromBlock" | "toBlock" => tag(random),
                "data" | "input" | "code" => json!(hex(random.random_range(0..200), random)),
                "tracer" => {
                    json!(["callTracer", "prestateTracer", "4byteTracer", "x"].choose(random))
                }
                "timeout" => json!(["1s", "1ms", "-1h", "9999999h"].choose(random)),
                _ if random.random_bool(0.5) => number(random),
                _ if depth > 0 => self.any(depth - 1, random),
                _ => Value::Null,
            };
            fields.insert(field.to_owned(), value);
        }
        if random.random_ratio(1, 6) {
            let key = self
                .known
                .choose(random)
                .unwrap()
                .as_str()
                .unwrap()
                .to_owned();
            fields.insert(key, self.any(depth.saturating_sub(1), random));
        }
        Value::Object(fields)
    }

    /// Returns a random value.
    fn any(&self, depth: u32, random: &mut impl Rng) -> Value {
        match random.random_range(0..if depth > 0 { 11 } else { 8 }) {
            0 => Value::Null,
            1 => json!(random.random::<bool>()),
            2 => json!(random.random::<f64>() * 1e30),
            3 => json!(random.random::<i64>()),
            4 => number(random),
            5 => tag(random),
            6 => json!(hex(random.random_range(0..80), random)),
            7 => self.known.choose(random).unwrap().clone(),
            8 => (0..random.random_range(0..6))
                .map(|_| self.any(depth - 1, random))
                .collect(),
            9 => json!("\u{0}\u{1F600}\"\\".repeat(random.random_range(0..50))),
            _ => self.object(depth - 1, random),
        }
    }
}

fn number(random: &mut impl Rng) -> Value {
    let bits = random.random_range(0..64);
    json!(format!("{:#x}", random.random::<u64>() >> bits))
}

fn tag(random: &mut impl Rng) -> Value {
    let tags = [
        "latest",
        "earliest",
        "pending",
        "safe",
        "finalized",
        "0x0",
        "0x1",
        "0xffffffffffffffff",
    ];
    json!(tags.choose(random))
}

fn hex(bytes: usize, random: &mut impl Rng) -> String {
    let digits: String = (0..bytes)
        .map(|_| format!("{:02x}", random.random::<u8>()))
        .collect();
    format!("0x{digits}")
}

/// Changes, removes or repeats some bytes.
pub fn damage(bytes: &mut Vec<u8>, random: &mut impl Rng) {
    const TOKENS: [&[u8]; 12] = [
        b"[",
        b"]",
        b"{",
        b"}",
        b"\"",
        b"\\",
        b",",
        b":",
        b"null",
        b"1e999",
        b"\xff\xfe",
        b"\\ud800",
    ];
    for _ in 0..random.random_range(0..6) {
        if bytes.is_empty() {
            return;
        }
        let place = random.random_range(0..bytes.len());
        let end = (place + random.random_range(1..24)).min(bytes.len());
        match random.random_range(0..6) {
            0 => bytes[place] = random.random(),
            1 => drop(bytes.drain(place..end)),
            2 => bytes.truncate(place),
            3 => {
                let token = TOKENS.choose(random).unwrap();
                let many = token.repeat(random.random_range(1..3));
                drop(bytes.splice(place..place, many));
            }
            4 => {
                let piece = bytes[place..end].to_vec();
                drop(bytes.splice(place..place, piece));
            }
            _ => {
                let nested = TOKENS[..3]
                    .choose(random)
                    .unwrap()
                    .repeat(random.random_range(1..700));
                drop(bytes.splice(place..place, nested));
            }
        }
    }
}

/// Splits a message into one or several frames, mostly valid, with other frames in between.
pub fn frames(message: &[u8], random: &mut impl Rng) -> Vec<u8> {
    let mut out = Vec::new();
    let pieces = random.random_range(1..4);
    let size = message.len().div_ceil(pieces).max(1);
    let count = message.chunks(size).count();
    for (index, piece) in message.chunks(size).enumerate() {
        let opcode = if index == 0 { 1 } else { 0 };
        let is_last = index + 1 == count;
        frame(u8::from(is_last) << 7 | opcode, piece, random, &mut out);
        if random.random_ratio(1, 12) {
            // Pings and pongs are valid between fragments, the other frames are not.
            let first = *[0x89, 0x8a, 0x09, 0x88, 0x83, 0xf1, 0x80, 0x81]
                .choose(random)
                .unwrap();
            let length = random.random_range(0..140);
            let payload: Vec<u8> = (0..length).map(|_| random.random()).collect();
            frame(first, &payload, random, &mut out);
        }
    }
    if random.random_ratio(1, 40) {
        damage(&mut out, random);
    }
    out
}

fn frame(first: u8, payload: &[u8], random: &mut impl Rng, out: &mut Vec<u8>) {
    let mask: [u8; 4] = random.random();
    let is_masked = !random.random_ratio(1, 60);
    // A false length ends the connection, or makes the server wait.
    let claimed = match random.random_range(0..120) {
        0 => random.random::<u64>() >> random.random_range(0..64),
        _ => payload.len() as u64,
    };
    out.push(first);
    let bit = u8::from(is_masked) << 7;
    match claimed {
        0..=125 => out.push(bit | claimed as u8),
        126..=0xffff => {
            out.push(bit | 126);
            out.extend((claimed as u16).to_be_bytes());
        }
        _ => {
            out.push(bit | 127);
            out.extend(claimed.to_be_bytes());
        }
    }
    if is_masked {
        out.extend(mask);
        let masked = payload.iter().zip(mask.iter().cycle());
        out.extend(masked.map(|(byte, mask)| byte ^ mask));
    } else {
        out.extend(payload);
    }
}
