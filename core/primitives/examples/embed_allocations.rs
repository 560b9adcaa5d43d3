//! Creates `data/mainnet-allocations.rlp.zst` from a `genesis.json`.

use std::error::Error;

use actoreum_primitives::{Genesis, rlp, rlp::Encode};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, output] = arguments.as_slice() else {
        return Err("usage: embed_allocations GENESIS.json OUTPUT".into());
    };
    let genesis = Genesis::from_json(&std::fs::read_to_string(input)?)?;

    let mut pairs = Vec::new();
    for (address, account) in &genesis.alloc {
        rlp::encode_list_header(address.length() + account.balance.length(), &mut pairs);
        address.encode(&mut pairs);
        account.balance.encode(&mut pairs);
    }
    let mut list = Vec::new();
    rlp::encode_list_header(pairs.len(), &mut list);
    list.extend(pairs);

    let compressed = zstd::encode_all(list.as_slice(), 22)?;
    std::fs::write(output, &compressed)?;
    println!(
        "{} allocations, {} bytes",
        genesis.alloc.len(),
        compressed.len()
    );
    Ok(())
}
