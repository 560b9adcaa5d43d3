//! `dump`: prints the accounts after a block as JSON in geth's format.

use std::{
    collections::HashMap,
    io::{self, BufWriter, Write},
};

use actoreum_chain::{ChainReader, SealedHeader, known_addresses};
use actoreum_primitives::{Account, Address, B256, rlp};
use actoreum_storage::{StateSnapshot, StorageError};
use eyre::{WrapErr, eyre};

use crate::{config::Config, datadir::DataDir};

/// Prints the state after each block. Blocks are given by number or hash.
pub fn run(config: &Config, blocks: &[String]) -> eyre::Result<()> {
    let store = DataDir::of(config).open_store(config)?;
    let reader = ChainReader::open(store)?;
    let mut output = BufWriter::with_capacity(1 << 20, io::stdout().lock());
    for block in blocks {
        let Some(header) = find(&reader, block)? else {
            writeln!(output, "{{}}")?;
            output.flush()?;
            return Err(eyre!("block not found: {block}"));
        };
        dump(&reader, &header, &mut output)
            .wrap_err_with(|| format!("could not dump block {}", header.number))?;
    }
    Ok(output.flush()?)
}

/// Finds a block by number or, if the text is not a number, by hash, as geth does.
fn find(reader: &ChainReader, block: &str) -> eyre::Result<Option<SealedHeader>> {
    if let Ok(number) = block.parse::<u64>() {
        return Ok(reader.header_by_number(number)?);
    }
    let hash: B256 = block.parse().map_err(|_| {
        eyre!("block not found: {block:?} is neither a number nor a hash of 32 bytes in hex")
    })?;
    let Some(header) = reader.header_by_hash(&hash)? else {
        return Ok(None);
    };
    let canonical = reader.canonical_hash(header.number)?;
    if canonical != Some(hash) {
        let number = header.number;
        return Err(eyre!(
            "block {hash} is not canonical: the state of side chains is not kept; dump {number} is {canonical:?}"
        ));
    }
    Ok(Some(header))
}

/// Writes the accounts in the order of their names, as geth sorts them. It holds the names and
/// hashes of all accounts in memory, but only one account at a time.
fn dump(reader: &ChainReader, header: &SealedHeader, output: &mut dyn Write) -> eyre::Result<()> {
    let state = reader.store().state_snapshot_at(header.number)?;
    let known = known_addresses(reader, header.number)?;
    let mut names = Vec::new();
    state.visit(|key, _, _| {
        names.push((name_of(&known, &key), key));
        Ok(())
    })?;
    names.sort_unstable();
    writeln!(
        output,
        "{{\n    \"root\": \"{}\",",
        hex::encode(header.state_root)
    )?;
    write!(output, "    \"accounts\": {{")?;
    for (index, (name, key)) in names.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let missing = || StorageError::Corrupt(format!("account {key} is not there"));
        let account = state.account(key)?.ok_or_else(missing)?;
        write!(output, "{comma}\n        \"{name}\": ")?;
        write_account(reader, &state, key, &account, output)?;
    }
    let end = if names.is_empty() { "" } else { "\n    " };
    writeln!(output, "{end}}}\n}}")?;
    Ok(())
}

/// Returns the address as hex or, if it is not known, its hash in the form of later versions of
/// geth.
fn name_of(known: &HashMap<B256, Address>, key: &B256) -> String {
    match known.get(key) {
        Some(address) => hex::encode(address),
        None => format!("pre({key})"),
    }
}

fn write_account(
    reader: &ChainReader,
    state: &StateSnapshot,
    key: &B256,
    account: &Account,
    output: &mut dyn Write,
) -> eyre::Result<()> {
    let code = reader.store().code(&account.code_hash)?;
    let slots = state.slots_of(key)?;
    writeln!(output, "{{")?;
    writeln!(output, "            \"balance\": \"{}\",", account.balance)?;
    writeln!(output, "            \"nonce\": {},", account.nonce)?;
    for (name, bytes) in [
        ("root", account.storage_root.as_slice()),
        ("codeHash", account.code_hash.as_slice()),
        ("code", &code),
    ] {
        writeln!(
            output,
            "            \"{name}\": \"{}\",",
            hex::encode(bytes)
        )?;
    }
    write!(output, "            \"storage\": {{")?;
    for (index, (slot, value)) in slots.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        // geth prints a value as it is encoded in the trie.
        let (slot, value) = (hex::encode(slot), hex::encode(rlp::encode(value)));
        write!(output, "{comma}\n                \"{slot}\": \"{value}\"")?;
    }
    let end = if slots.is_empty() {
        ""
    } else {
        "\n            "
    };
    write!(output, "{end}}}\n        }}")?;
    Ok(())
}
