//! The cache of values of a remote chain: in memory, and in a file for later starts.
//!
//! Everything is that of one block, or of blocks before it, and never changes. The file is named by
//! the chain id and the hash of the block. It has a line for each value; an incomplete last line,
//! which a killed process may leave, is cut off.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::num::NonZeroUsize;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::SystemTime;

use actoreum_primitives::{
    AccountInfo, Address, B256, Bytes, EMPTY_CODE_HASH, U256, alloy_primitives::hex, keccak256,
};
use actoreum_storage::files::PRIVATE_FILE;
use lru::LruCache;
use parking_lot::Mutex;
use tracing::{debug, warn};

/// Maximum number of accounts in memory, of about 150 bytes each.
const MAX_ACCOUNTS: usize = 100_000;
/// Maximum number of slots in memory, of about 120 bytes each.
const MAX_SLOTS: usize = 500_000;
/// Maximum number of block hashes in memory.
const MAX_HASHES: usize = 10_000;
/// Maximum size of the codes in memory, in bytes.
const MAX_CODE_BYTES: usize = 64 << 20;
/// Maximum size of the answers in memory, in bytes.
const MAX_ANSWER_BYTES: usize = 32 << 20;
/// Maximum size of a file: nothing more is written to it then.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// Maximum size of all files of the folder: the oldest ones are removed.
const MAX_FOLDER_BYTES: u64 = 1 << 30;
/// Maximum length of a line that is read back.
const MAX_LINE_BYTES: usize = 64 << 20;

/// The cache of one fork block.
pub(super) struct Cache {
    state: Mutex<State>,
}

struct State {
    accounts: LruCache<Address, Option<AccountInfo>>,
    slots: LruCache<(Address, U256), U256>,
    codes: BySize<Bytes>,
    /// An account with each code, from which the code can be read again.
    owners: LruCache<B256, Address>,
    hashes: LruCache<u64, B256>,
    answers: BySize<Bytes>,
    file: Option<CacheFile>,
}

/// Values by hash, bounded by their size in bytes.
struct BySize<T> {
    values: LruCache<B256, T>,
    bytes: usize,
    limit: usize,
}

struct CacheFile {
    file: File,
    bytes: u64,
}

impl<T: Clone + AsRef<[u8]>> BySize<T> {
    fn new(limit: usize) -> Self {
        Self {
            values: LruCache::unbounded(),
            bytes: 0,
            limit,
        }
    }

    fn get(&mut self, key: &B256) -> Option<T> {
        self.values.get(key).cloned()
    }

    fn put(&mut self, key: B256, value: T) {
        let size = |value: &T| value.as_ref().len() + B256::len_bytes();
        self.bytes += size(&value);
        if let Some(old) = self.values.put(key, value) {
            self.bytes -= size(&old);
        }
        while self.bytes > self.limit
            && let Some((_, old)) = self.values.pop_lru()
        {
            self.bytes -= size(&old);
        }
    }
}

impl Cache {
    /// Creates a cache, in memory alone.
    pub(super) fn new() -> Self {
        let count = |count| NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN);
        Self {
            state: Mutex::new(State {
                accounts: LruCache::new(count(MAX_ACCOUNTS)),
                slots: LruCache::new(count(MAX_SLOTS)),
                codes: BySize::new(MAX_CODE_BYTES),
                owners: LruCache::new(count(MAX_ACCOUNTS)),
                hashes: LruCache::new(count(MAX_HASHES)),
                answers: BySize::new(MAX_ANSWER_BYTES),
                file: None,
            }),
        }
    }

    /// Reads the file of a block from `folder`, and writes later values to it. Without the file, or
    /// if another process has it, the cache is in memory alone: it is an optimisation.
    pub(super) fn open(folder: &Path, chain_id: u64, block: &B256) -> Self {
        let cache = Self::new();
        let path = folder.join(format!("{chain_id}-{}.cache", hex::encode(block)));
        if let Err(error) = cache.state.lock().read(folder, &path) {
            warn!(path = %path.display(), %error, "cache of the remote chain not used");
        }
        cache
    }

    pub(super) fn account(&self, address: &Address) -> Option<Option<AccountInfo>> {
        self.state.lock().accounts.get(address).copied()
    }

    pub(super) fn put_account(&self, address: Address, account: Option<AccountInfo>, code: Bytes) {
        let mut state = self.state.lock();
        let line = match &account {
            Some(info) => format!(
                "a {address:x} {:x} {:x} {:x}\n",
                info.nonce, info.balance, info.code_hash
            ),
            None => format!("a {address:x}\n"),
        };
        if !code.is_empty() {
            state.append(&format!("c {code:x}\n"));
            state.put_code(code);
        }
        state.append(&line);
        state.put_account(address, account);
    }

    pub(super) fn slot(&self, address: &Address, slot: &U256) -> Option<U256> {
        self.state.lock().slots.get(&(*address, *slot)).copied()
    }

    pub(super) fn put_slot(&self, address: Address, slot: U256, value: U256) {
        let mut state = self.state.lock();
        state.append(&format!("s {address:x} {slot:x} {value:x}\n"));
        state.slots.put((address, slot), value);
    }

    pub(super) fn code(&self, hash: &B256) -> Option<Bytes> {
        self.state.lock().codes.get(hash)
    }

    /// Returns an account that has the code with this hash.
    pub(super) fn owner(&self, hash: &B256) -> Option<Address> {
        self.state.lock().owners.get(hash).copied()
    }

    pub(super) fn block_hash(&self, number: u64) -> Option<B256> {
        self.state.lock().hashes.get(&number).copied()
    }

    pub(super) fn put_block_hash(&self, number: u64, hash: B256) {
        let mut state = self.state.lock();
        state.append(&format!("b {number:x} {hash:x}\n"));
        state.hashes.put(number, hash);
    }

    /// Returns the answer to a request, as [`Self::put_answer`] got it.
    pub(super) fn answer(&self, request: &str) -> Option<Bytes> {
        self.state.lock().answers.get(&keccak256(request))
    }

    pub(super) fn put_answer(&self, request: &str, json: &str) {
        let key = keccak256(request);
        let mut state = self.state.lock();
        // JSON has line feeds between values at most, where they mean nothing.
        let json = json.replace(['\n', '\r'], " ");
        state.append(&format!("r {key:x} {json}\n"));
        state.answers.put(key, json.into_bytes().into());
    }
}

impl State {
    fn put_account(&mut self, address: Address, account: Option<AccountInfo>) {
        if let Some(info) = account
            && info.code_hash != EMPTY_CODE_HASH
        {
            self.owners.put(info.code_hash, address);
        }
        self.accounts.put(address, account);
    }

    fn put_code(&mut self, code: Bytes) {
        self.codes.put(keccak256(&code), code);
    }

    fn append(&mut self, line: &str) {
        let Some(cached) = &mut self.file else {
            return;
        };
        if cached.bytes + line.len() as u64 > MAX_FILE_BYTES {
            return;
        }
        cached.bytes += line.len() as u64;
        if let Err(error) = cached.file.write_all(line.as_bytes()) {
            warn!(%error, "cache of the remote chain not written any more");
            self.file = None;
        }
    }

    fn read(&mut self, folder: &Path, path: &Path) -> std::io::Result<()> {
        fs::create_dir_all(folder)?;
        remove_oldest(folder, path);
        let mut options = OpenOptions::new();
        options.create(true).read(true).append(true);
        let file = options.mode(PRIVATE_FILE).open(path)?;
        let is_own = file.try_lock().is_ok();
        let mut end = 0;
        let mut reader = BufReader::new(&file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let length = reader.read_until(b'\n', &mut line)?;
            if !line.ends_with(b"\n") || length > MAX_LINE_BYTES {
                break;
            }
            let text = std::str::from_utf8(&line).ok();
            if text
                .and_then(|text| self.read_line(text.trim_end()))
                .is_none()
            {
                break;
            }
            end += length as u64;
        }
        debug!(path = %path.display(), bytes = end, "cache of the remote chain read");
        if is_own {
            file.set_len(end)?;
            self.file = Some(CacheFile { file, bytes: end });
        }
        Ok(())
    }

    /// Takes over a line of the file; `None` if it is not readable.
    fn read_line(&mut self, line: &str) -> Option<()> {
        let (kind, rest) = line.split_once(' ')?;
        if kind == "r" {
            let (key, json) = rest.split_once(' ')?;
            serde_json::from_str::<&serde_json::value::RawValue>(json).ok()?;
            let json = Bytes::copy_from_slice(json.as_bytes());
            self.answers.put(key.parse().ok()?, json);
            return Some(());
        }
        let fields: Vec<&str> = rest.split(' ').collect();
        let number = |digits: &str| U256::from_str_radix(digits.trim_start_matches("0x"), 16).ok();
        let short = |digits: &str| u64::try_from(number(digits)?).ok();
        match (kind, fields.as_slice()) {
            ("a", [address]) => self.put_account(address.parse().ok()?, None),
            ("a", [address, nonce, balance, code_hash]) => {
                let info = AccountInfo {
                    nonce: short(nonce)?,
                    balance: number(balance)?,
                    code_hash: code_hash.parse().ok()?,
                };
                self.put_account(address.parse().ok()?, Some(info));
            }
            ("c", [code]) => self.put_code(code.parse().ok()?),
            ("s", [address, slot, value]) => {
                let key = (address.parse().ok()?, number(slot)?);
                self.slots.put(key, number(value)?);
            }
            ("b", [block, hash]) => {
                self.hashes.put(short(block)?, hash.parse().ok()?);
            }
            _ => return None,
        }
        Some(())
    }
}

/// Removes the oldest files of the folder until the others, without `kept`, are within the limit.
fn remove_oldest(folder: &Path, kept: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let mut files: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.path() != kept)
        .filter(|entry| entry.path().extension().is_some_and(|it| it == "cache"))
        .filter_map(|entry| {
            let found = entry.metadata().ok().filter(fs::Metadata::is_file)?;
            let at = found.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            Some((at, found.len(), entry.path()))
        })
        .collect();
    files.sort_unstable();
    let mut total: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
    for (_, bytes, path) in files {
        if total <= MAX_FOLDER_BYTES - MAX_FILE_BYTES {
            break;
        }
        if fs::remove_file(&path).is_ok() {
            total = total.saturating_sub(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: Address = Address::repeat_byte(7);

    fn filled(folder: &Path) -> Cache {
        let cache = Cache::open(folder, 1, &B256::ZERO);
        let code = Bytes::from_static(&[0x60, 1]);
        let info = AccountInfo {
            nonce: 3,
            balance: U256::MAX,
            code_hash: keccak256(&code),
        };
        cache.put_account(ADDRESS, Some(info), code);
        cache.put_account(Address::ZERO, None, Bytes::new());
        cache.put_slot(ADDRESS, U256::MAX, U256::from(5));
        cache.put_block_hash(9, B256::repeat_byte(9));
        cache.put_answer("request", "{\"a\":\n1}");
        cache
    }

    #[test]
    fn what_was_read_is_there_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        drop(filled(folder.path()));
        let cache = Cache::open(folder.path(), 1, &B256::ZERO);
        let info = cache.account(&ADDRESS).unwrap().unwrap();
        assert_eq!((info.nonce, info.balance), (3, U256::MAX));
        assert_eq!(cache.code(&info.code_hash).unwrap().len(), 2);
        assert_eq!(cache.owner(&info.code_hash), Some(ADDRESS));
        assert_eq!(cache.account(&Address::ZERO), Some(None));
        assert_eq!(cache.slot(&ADDRESS, &U256::MAX), Some(U256::from(5)));
        assert_eq!(cache.block_hash(9), Some(B256::repeat_byte(9)));
        assert_eq!(cache.answer("request").unwrap().as_ref(), b"{\"a\": 1}");
        let other = Cache::open(folder.path(), 1, &B256::repeat_byte(1));
        assert_eq!(
            other.account(&ADDRESS),
            None,
            "another block has another file"
        );
    }

    #[test]
    fn a_torn_or_damaged_file_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        drop(filled(folder.path()));
        let path = fs::read_dir(folder.path())
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path();
        let whole = fs::read(&path).unwrap();
        for end in 0..whole.len() {
            fs::write(&path, &whole[..end]).unwrap();
            let cache = Cache::open(folder.path(), 1, &B256::ZERO);
            cache.put_block_hash(10, B256::ZERO);
            drop(cache);
            let cache = Cache::open(folder.path(), 1, &B256::ZERO);
            assert_eq!(cache.block_hash(10), Some(B256::ZERO), "cut at {end}");
        }
        fs::write(&path, [0xff, b'\n', 0, b'\n']).unwrap();
        assert_eq!(
            Cache::open(folder.path(), 1, &B256::ZERO).account(&ADDRESS),
            None
        );
    }

    #[test]
    fn a_second_process_reads_and_does_not_write() {
        let folder = tempfile::tempdir().unwrap();
        let first = filled(folder.path());
        let second = Cache::open(folder.path(), 1, &B256::ZERO);
        assert_eq!(second.block_hash(9), Some(B256::repeat_byte(9)));
        second.put_block_hash(11, B256::ZERO);
        drop((first, second));
        assert_eq!(
            Cache::open(folder.path(), 1, &B256::ZERO).block_hash(11),
            None
        );
    }

    #[test]
    fn large_values_push_out_the_oldest() {
        let mut values = BySize::new(1_000);
        for byte in 0..20 {
            values.put(B256::repeat_byte(byte), Bytes::from(vec![byte; 100]));
        }
        assert!(values.bytes <= 1_000);
        assert!(values.get(&B256::repeat_byte(0)).is_none());
        assert!(values.get(&B256::repeat_byte(19)).is_some());
    }
}
