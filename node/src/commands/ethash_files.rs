//! `makecache` and `makedag`: generate ethash files in geth's format.

use std::{num::IntErrorKind, path::Path};

use actoreum_consensus::{
    ethash::{DataSizes, FileKind, epoch_of, make_file},
    limits::MAX_EPOCH,
};
use eyre::{WrapErr, bail, eyre};

/// Generates the file of a block's epoch; `args` are `<block number> <outputdir>`.
pub fn run(kind: FileKind, args: &[String]) -> eyre::Result<()> {
    let name = match kind {
        FileKind::Cache => "makecache",
        FileKind::Dataset => "makedag",
    };
    let [block, folder] = args else {
        bail!("usage: actoreum {name} <block number> <outputdir>");
    };
    let block =
        parse_number(block).map_err(|error| eyre!("invalid block number {block:?}: {error}"))?;
    let epoch = epoch_of(block);
    if epoch > MAX_EPOCH {
        bail!("invalid block number {block}: ethash ends with epoch {MAX_EPOCH}");
    }
    let path = make_file(kind, epoch, DataSizes::Published, Path::new(folder), 0)
        .wrap_err_with(|| format!("the file of epoch {epoch} can't be written to {folder}"))?;
    println!("{}", path.display());
    Ok(())
}

/// Parses a decimal number, or a hexadecimal one with the prefix `0x`.
fn parse_number(text: &str) -> Result<u64, &'static str> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|error| match error.kind() {
        IntErrorKind::PosOverflow => "too large",
        _ => "not a whole number",
    })
}
