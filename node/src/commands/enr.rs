//! `enr` and `enode`: shows and creates node records and URLs of nodes.

use std::{
    fmt::Write as _,
    io::{self, Read as _},
    net::IpAddr,
    path::Path,
};

use actoreum_primitives::rlp;
use actoreum_wire::nodes::{EnodeEndpoint, Enr, EnrBuilder, NodeUrl};
use eyre::{WrapErr, bail, eyre};

use super::bootnode::create_key;
use crate::{
    bounded::{MAX_RECORD_BYTES, read_text},
    cli::{EndpointArgs, EnodeCommand, EnrCommand},
    config::network::parse_url,
    tree::network::read_key,
};

/// Runs a subcommand of `enr`.
pub fn run(command: EnrCommand) -> eyre::Result<()> {
    match command {
        EnrCommand::Show { record, file } => {
            let text = match (record, file) {
                (Some(record), _) => record,
                (None, Some(file)) => read(&file)?,
                (None, None) => bail!("need record as argument"),
            };
            print!("{}", describe(&parse(&text)?)?);
            Ok(())
        }
        EnrCommand::Sign { key, at, seq } => {
            let builder = EnrBuilder::new().with_endpoint(&endpoint(&at));
            println!("{}", builder.sign(seq, &read_key(&key)?)?);
            Ok(())
        }
        EnrCommand::NewKey { key } => create_key(&key),
    }
}

/// Runs a subcommand of `enode`.
pub fn run_enode(command: EnodeCommand) -> eyre::Result<()> {
    let EnodeCommand::Show { node, at } = command;
    let is_url = node.contains("://") || node.starts_with("enr:");
    let node = if is_url {
        parse_url(&node)?
    } else {
        let key = read_key(Path::new(&node))?.public_key();
        let endpoint = Some(endpoint(&at));
        let enode = actoreum_wire::nodes::Enode {
            public_key: key,
            endpoint,
        };
        enode.into()
    };
    print!("{}", describe_url(&node));
    Ok(())
}

fn endpoint(at: &EndpointArgs) -> EnodeEndpoint {
    EnodeEndpoint::new(at.ip, at.tcp, at.udp)
}

fn read(file: &Path) -> eyre::Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        io::stdin()
            .take(MAX_RECORD_BYTES)
            .read_to_string(&mut text)?;
        return Ok(text);
    }
    read_text(file, MAX_RECORD_BYTES)
        .wrap_err_with(|| format!("record {} can't be read", file.display()))
}

/// Parses a record: its bytes in hexadecimal digits, or in base64 with or without `enr:`.
fn parse(text: &str) -> eyre::Result<Enr> {
    let text = text.trim();
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let record = match hex::decode(digits) {
        Ok(bytes) => Enr::decode(&bytes),
        Err(_) if text.starts_with("enr:") => text.parse(),
        Err(_) => format!("enr:{text}").parse(),
    };
    record.map_err(|error| eyre!("INVALID: {error}"))
}

/// Describes a record as geth's `devp2p enrdump` does.
fn describe(record: &Enr) -> eyre::Result<String> {
    let mut text = String::new();
    writeln!(text, "Node ID: {}", hex::encode(record.node_id().0))?;
    writeln!(text, "URLv4:   {}", record.enode())?;
    let count = record.pairs().count();
    let seq = record.seq();
    writeln!(
        text,
        "Record has sequence number {seq} and {count} key/value pairs."
    )?;
    let quoted = |key: &[u8]| format!("{:?}", String::from_utf8_lossy(key));
    let width = record.pairs().map(|(key, _)| quoted(key).len()).max();
    for (key, value) in record.pairs() {
        let (name, width) = (quoted(key), width.unwrap_or_default());
        writeln!(text, "  {name:width$} {}", describe_value(key, value))?;
    }
    Ok(text)
}

/// Describes the value of a pair: well-known ones by their meaning, other strings in hexadecimal digits.
/// A value that does not have its form is followed by `(!)`.
fn describe_value(key: &[u8], value: &[u8]) -> String {
    let string = || {
        let mut rest = value;
        rlp::decode_str(&mut rest).ok()
    };
    let described = match key {
        b"id" => string().map(|id| format!("{:?}", String::from_utf8_lossy(id))),
        b"ip" | b"ip6" => string().and_then(address),
        b"tcp" | b"tcp6" | b"udp" | b"udp6" => rlp::decode_exact::<u64>(value)
            .ok()
            .map(|port| port.to_string()),
        _ => string().map(hex::encode),
    };
    described.unwrap_or_else(|| format!("{} (!)", hex::encode(value)))
}

fn address(bytes: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let v6 = || <[u8; 16]>::try_from(bytes).map(IpAddr::from);
    Some(v4.or_else(|_| v6()).ok()?.to_string())
}

fn describe_url(node: &NodeUrl) -> String {
    let enode = node.enode();
    let mut lines = vec![
        format!("Node ID:    {}", hex::encode(node.id().0)),
        format!(
            "Public key: {}",
            hex::encode(enode.public_key.to_uncompressed())
        ),
    ];
    match (node.host_name(), enode.endpoint) {
        (Some(name), _) => lines.push(format!("Host:       {name}")),
        (None, Some(at)) => lines.extend([
            format!("IP:         {}", at.address),
            format!("TCP port:   {}", at.tcp),
            format!("UDP port:   {}", at.udp),
        ]),
        (None, None) => {}
    }
    lines.push(format!("URL:        {node}\n"));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The record of EIP-778's example.
    const RECORD: &str = "enr:-IS4QHCYrYZbAKWCBRlAy5zzaDZXJBGkcnh4MHcBFZntXNFrdvJjX04jRzjzCBOonrkTf\
        j499SZuOh8R33Ls8RRcy5wBgmlkgnY0gmlwhH8AAAGJc2VjcDI1NmsxoQPKY0yuDUmstAHYpMa2_oxVtw0RW_QAdpzBQA8y\
        WM0xOIN1ZHCCdl8";

    #[test]
    fn a_record_is_described_as_by_geth() {
        let expected = "\
Node ID: a448f24c6d18e575453db13171562b71999873db5b286df957af199ec94617f7
URLv4:   enode://ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd31387574077f301b421bc84df7266c44e9e6d569fc56be00812904767bf5ccd1fc7f@127.0.0.1:0?discport=30303
Record has sequence number 1 and 4 key/value pairs.
  \"id\"        \"v4\"
  \"ip\"        127.0.0.1
  \"secp256k1\" 03ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd3138
  \"udp\"       30303
";
        let record = parse(RECORD).unwrap();
        assert_eq!(describe(&record).unwrap(), expected);
        let bytes = hex::encode(record.encoded());
        let forms = [format!("0x{bytes}\n"), bytes, RECORD[4..].to_owned()];
        for form in forms {
            assert_eq!(parse(&form).unwrap(), record, "{form}");
        }
    }

    #[test]
    fn values_of_a_wrong_kind_are_marked() {
        assert_eq!(describe_value(b"ip", &[0x83, 1, 2, 3]), "83010203 (!)");
        assert_eq!(describe_value(b"tcp", &[0xc0]), "c0 (!)");
        assert_eq!(describe_value(b"eth", &[0xc1, 0x80]), "c180 (!)");
        assert_eq!(describe_value(b"x", &[0x82, 1, 2]), "0102");
    }

    #[test]
    fn a_record_that_does_not_verify_is_invalid() {
        let changed = RECORD.replace("gmlwhH8AAAG", "gmlwhH8AAAC");
        for text in [changed.as_str(), "", "enr:", "0x00", "c0"] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.starts_with("INVALID: "), "{error}");
        }
    }
}
