//! `export`: writes canonical blocks to a file.

use std::{
    fs::File,
    io::{BufWriter, Write},
};

use actoreum_chain::ChainReader;
use actoreum_primitives::rlp;
use eyre::{WrapErr, bail, eyre};
use flate2::{Compression, write::GzEncoder};
use tracing::info;

use crate::{cli::ExportArgs, config::Config, datadir::DataDir};

/// Writes blocks `first` to `last`, both inclusive. As in geth, a range is appended to an existing
/// file.
pub fn run(config: &Config, args: &ExportArgs) -> eyre::Result<()> {
    let Some(path) = &args.file else {
        bail!("this command requires an argument: actoreum export FILE [FIRST] [LAST]");
    };
    let store = DataDir::of(config).open_store(config)?;
    let reader = ChainReader::open(store)?;
    let head = reader.head_number();
    let (first, last) = (args.first.unwrap_or(0), args.last.unwrap_or(head));
    if first > last {
        bail!("export from block {first} to {last}: the first is above the last");
    }
    if last > head {
        bail!("export to block {last}: the chain ends at block {head}");
    }
    let is_range = args.last.is_some();
    let file = File::options()
        .create(true)
        .write(true)
        .append(is_range)
        .truncate(!is_range)
        .open(path)
        .wrap_err_with(|| format!("file {} can't be written", path.display()))?;
    let plain = BufWriter::with_capacity(1 << 20, file);
    let is_gzip = path.extension().is_some_and(|extension| extension == "gz");
    let written = if is_gzip {
        let mut gzip = GzEncoder::new(plain, Compression::default());
        write_blocks(&reader, first, last, &mut gzip)?;
        gzip.finish().and_then(|mut plain| plain.flush())
    } else {
        let mut plain = plain;
        write_blocks(&reader, first, last, &mut plain)?;
        plain.flush()
    };
    written.wrap_err_with(|| format!("file {} can't be written", path.display()))?;
    info!(first, last, file = %path.display(), "exported blockchain");
    Ok(())
}

fn write_blocks(
    reader: &ChainReader,
    first: u64,
    last: u64,
    output: &mut dyn Write,
) -> eyre::Result<()> {
    for number in first..=last {
        let block = reader.block_by_number(number)?;
        let block = block.ok_or_else(|| eyre!("export failed on #{number}: not found"))?;
        output
            .write_all(&rlp::encode(&*block))
            .wrap_err("the file can't be written")?;
    }
    Ok(())
}
