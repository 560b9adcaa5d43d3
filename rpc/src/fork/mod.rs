//! A remote chain that the development chain is forked off (`--fork-url`).
//!
//! [`Fork`] is the state below that of the chain ([`RemoteState`]), and answers requests about the
//! blocks up to the fork block (`answers`). Both ask a remote node over JSON-RPC (`client`), on the
//! thread that needs the value, and remember what it said (`cache`).

mod answers;
mod block;
mod cache;
mod client;
mod rings;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use actoreum_chain::SealedHeader;
use actoreum_primitives::{AccountInfo, Address, B256, Bytes, StateError, U256, keccak256};
use actoreum_storage::RemoteState;
use serde_json::value::RawValue;
use serde_json::{Value, json};

pub(crate) use answers::with_answers;

use self::cache::Cache;
use self::client::{Answered, Client};
use self::rings::Rings;

/// Maximum size of a contract's code, in bytes. Chains with another limit than Ethereum's exist.
const MAX_CODE_BYTES: usize = 4 << 20;
/// Maximum number of accounts that are read with one request.
const ACCOUNTS_PER_BATCH: usize = 25;

/// The settings of a fork.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForkOptions {
    /// Address of the remote node's JSON-RPC.
    pub url: String,
    /// Number of the fork block; `None` for the newest.
    pub block: Option<u64>,
    /// Number of attempts after a failed one.
    pub retries: u32,
    /// Pause before the second attempt; it doubles with each one.
    pub backoff: Duration,
    /// Maximum time of a request with all its attempts.
    pub timeout: Duration,
    /// Compute units that the remote node gives in a second; `None` for no limit. They lengthen the
    /// pauses after it has refused a request because of its rate.
    pub units_per_second: Option<u64>,
    /// Folder of the files in which values are kept for later starts; `None` for none.
    pub cache: Option<PathBuf>,
}

impl ForkOptions {
    /// Creates settings with anvil's defaults, without a folder.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            block: None,
            retries: 5,
            backoff: Duration::from_millis(1_000),
            timeout: Duration::from_millis(45_000),
            units_per_second: Some(330),
            cache: None,
        }
    }
}

/// The remote node did not answer, or not in a form that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RemoteError(String);

impl From<RemoteError> for StateError {
    fn from(error: RemoteError) -> Self {
        Self::Remote(error.0)
    }
}

/// A remote chain at its fork block.
pub struct Fork {
    client: Client,
    cache: Cache,
    rings: Rings,
    chain_id: u64,
    block: SealedHeader,
    genesis: SealedHeader,
}

impl Fork {
    /// Asks the remote node for its chain and the fork block.
    ///
    /// # Errors
    /// The address is not valid, the node does not answer, or it does not have the block.
    pub fn connect(options: ForkOptions) -> Result<Self, RemoteError> {
        let (named, folder) = (options.block, options.cache.clone());
        let client = Client::new(options).map_err(RemoteError)?;
        let chain_id = chain_id(&client)?;
        let block = match named {
            Some(number) => block_at(&client, &format!("{number:#x}"))?,
            None => block_at(&client, "latest")?,
        };
        let genesis = match block.number {
            0 => block.clone(),
            _ => block_at(&client, "0x0")?,
        };
        let cache = match folder {
            // The newest block is another one at each start.
            Some(folder) if named.is_some() => Cache::open(&folder, chain_id, &block.hash()),
            _ => Cache::new(),
        };
        Ok(Self {
            client,
            cache,
            rings: Rings::default(),
            chain_id,
            block: block::with_fork_fields(&block),
            genesis,
        })
    }

    /// Returns the chain id of the remote chain.
    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// Returns the fork block. Fields that its successor needs are filled in.
    pub fn block(&self) -> &SealedHeader {
        &self.block
    }

    /// Returns block 0 of the remote chain.
    pub fn genesis(&self) -> &SealedHeader {
        &self.genesis
    }

    /// Returns the settings, with the address at the start.
    pub fn options(&self) -> &ForkOptions {
        self.client.options()
    }

    /// Returns the address of the remote node.
    pub fn url(&self) -> String {
        String::clone(&self.client.url())
    }

    /// Sends later requests to another node of the same chain.
    ///
    /// # Errors
    /// The address is not valid.
    pub fn set_url(&self, url: String) -> Result<(), RemoteError> {
        self.client.set_url(url).map_err(RemoteError)
    }

    /// Returns the number of requests that were sent to the remote node.
    pub fn requests(&self) -> u64 {
        self.client.sent()
    }

    /// Reads accounts at the fork block, in few requests.
    ///
    /// # Errors
    /// The remote node does not answer.
    pub fn accounts(&self, addresses: &[Address]) -> Result<Vec<Option<AccountInfo>>, RemoteError> {
        let is_unknown = |address: &&Address| self.cache.account(address).is_none();
        let unknown: Vec<Address> = addresses.iter().filter(is_unknown).copied().collect();
        for some in unknown.chunks(ACCOUNTS_PER_BATCH) {
            self.fetch_accounts(some)?;
        }
        addresses
            .iter()
            .map(|address| match self.cache.account(address) {
                Some(account) => Ok(account),
                None => Err(RemoteError(format!("account {address} is not cached"))),
            })
            .collect()
    }

    fn fetch_accounts(&self, addresses: &[Address]) -> Result<(), RemoteError> {
        let at = self.at();
        let methods = ["eth_getTransactionCount", "eth_getBalance", "eth_getCode"];
        let calls: Vec<_> = addresses
            .iter()
            .flat_map(|address| methods.map(|method| (method, json!([address, at]))))
            .collect();
        let answers = self.client.batch(&calls)?;
        for (address, answers) in addresses.iter().zip(answers.chunks(methods.len())) {
            let [nonce, balance, code] = answers else {
                return Err(RemoteError("an account is incomplete".to_owned()));
            };
            let nonce = quantity("eth_getTransactionCount", nonce)?;
            let balance = quantity("eth_getBalance", balance)?;
            let code = bytes("eth_getCode", code, MAX_CODE_BYTES)?;
            let info = AccountInfo {
                nonce: u64::try_from(nonce).map_err(|_| unusable("eth_getTransactionCount"))?,
                balance,
                code_hash: keccak256(&code),
            };
            let account = (!info.is_empty()).then_some(info);
            self.cache.put_account(*address, account, code);
        }
        Ok(())
    }

    /// Calls a method of the remote node.
    fn request(&self, method: &str, params: Value) -> Result<Answered, RemoteError> {
        self.client.call(method, params)
    }

    /// Returns the fork block as an argument.
    fn at(&self) -> String {
        format!("{:#x}", self.block.number)
    }
}

impl RemoteState for Fork {
    fn fork_block(&self) -> u64 {
        self.block.number
    }

    fn account(&self, address: &Address) -> Result<Option<AccountInfo>, StateError> {
        if let Some(account) = self.cache.account(address) {
            return Ok(account);
        }
        let accounts = self.accounts(std::slice::from_ref(address))?;
        Ok(accounts.into_iter().next().flatten())
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, StateError> {
        if let Some(value) = self.cache.slot(address, slot) {
            return Ok(value);
        }
        if let Some(value) = self.ring_slot(address, slot)? {
            return Ok(value);
        }
        let key = B256::from(slot.to_be_bytes::<32>());
        let answer = self.request("eth_getStorageAt", json!([address, key, self.at()]))?;
        let value = bytes("eth_getStorageAt", &answer, B256::len_bytes())?;
        let value = U256::try_from_be_slice(&value).ok_or_else(|| unusable("eth_getStorageAt"))?;
        self.cache.put_slot(*address, *slot, value);
        Ok(value)
    }

    fn code(&self, hash: &B256) -> Result<Option<Bytes>, StateError> {
        if let Some(code) = self.cache.code(hash) {
            return Ok(Some(code));
        }
        let Some(owner) = self.cache.owner(hash) else {
            return Ok(None);
        };
        self.fetch_accounts(&[owner])?;
        Ok(self.cache.code(hash))
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, StateError> {
        if let Some(hash) = self.cache.block_hash(number) {
            return Ok(Some(hash));
        }
        let hash = block_at(&self.client, &format!("{number:#x}"))?.hash();
        self.cache.put_block_hash(number, hash);
        Ok(Some(hash))
    }
}

fn chain_id(client: &Client) -> Result<u64, RemoteError> {
    let id = match client.call("eth_chainId", json!([]))? {
        Ok(id) => read_text("eth_chainId", &id)?,
        // Nodes of before EIP-695 do not have the method.
        Err(_) => read_text(
            "net_version",
            &accepted("net_version", client.call("net_version", json!([]))?)?,
        )?,
    };
    let id = parse_quantity(&id).or_else(|| U256::from_str_radix(&id, 10).ok());
    let id = id.and_then(|id| u64::try_from(id).ok());
    id.filter(|id| *id > 0)
        .ok_or_else(|| unusable("eth_chainId"))
}

fn block_at(client: &Client, number: &str) -> Result<SealedHeader, RemoteError> {
    let method = "eth_getBlockByNumber";
    let answer = accepted(method, client.call(method, json!([number, false]))?)?;
    let value: Value = serde_json::from_str(answer.get()).map_err(|_| unusable(method))?;
    if value.is_null() {
        return Err(RemoteError(format!(
            "the remote chain has no block {number}"
        )));
    }
    block::header(&value).map_err(|error| RemoteError(format!("{method}: {error}")))
}

fn accepted(method: &str, answer: Answered) -> Result<Box<RawValue>, RemoteError> {
    answer.map_err(|error| RemoteError(format!("{method}: {}", error.message)))
}

fn unusable(method: &str) -> RemoteError {
    RemoteError(format!("{method}: the answer is not usable"))
}

fn read_text(method: &str, answer: &RawValue) -> Result<String, RemoteError> {
    serde_json::from_str(answer.get()).map_err(|_| unusable(method))
}

fn text_of(method: &str, answer: &Answered) -> Result<String, RemoteError> {
    match answer {
        Ok(answer) => read_text(method, answer),
        Err(error) => Err(RemoteError(format!("{method}: {}", error.message))),
    }
}

fn quantity(method: &str, answer: &Answered) -> Result<U256, RemoteError> {
    parse_quantity(&text_of(method, answer)?).ok_or_else(|| unusable(method))
}

fn bytes(method: &str, answer: &Answered, limit: usize) -> Result<Bytes, RemoteError> {
    let bytes: Bytes = text_of(method, answer)?
        .parse()
        .map_err(|_| unusable(method))?;
    if bytes.len() > limit {
        return Err(unusable(method));
    }
    Ok(bytes)
}

/// Parses a hexadecimal number with its prefix.
fn parse_quantity(text: &str) -> Option<U256> {
    let digits = text
        .strip_prefix("0x")
        .filter(|digits| !digits.is_empty())?;
    U256::from_str_radix(digits, 16).ok()
}
