//! Writes the seeds of every target, from valid messages.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use actoreum_primitives::rlp;
use actoreum_primitives::{Account, B256, Block, Body, Bytes as Value, Header, PeerId, U256};
use actoreum_wire::discv4::{
    Endpoint, EnrRequest, EnrResponse, FindNode, NeighborNode, Neighbors, Packet, Ping, Pong,
    encode_packet,
};
use actoreum_wire::discv5::{
    self, Message, RequestId, WhoAreYou, encode_handshake, encode_random, encode_who_are_you,
};
use actoreum_wire::dns::{Tree, TreeLink};
use actoreum_wire::eth::{
    BlockAnnouncement, EthMessage, EthVersion, GetBlockHeaders, HashOrNumber, LazyList, NewBlock,
    Status, TransactionAnnouncement,
};
use actoreum_wire::nodes::{EnodeEndpoint, EnrBuilder};
use actoreum_wire::p2p::{Capability, Hello};
use actoreum_wire::rlpx::{Handshake, HandshakeFormat};
use actoreum_wire::snap::{
    GetAccountRange, GetByteCodes, GetStorageRanges, GetTrieNodes, RangeAccount, RangeSlot,
    SnapMessage, StorageRange, TriePathSet,
};
use actoreum_wire_fuzz::key;
use bytes::Bytes;

/// Offset of a datagram's type, after hash and signature.
const TYPE_POSITION: usize = 97;

fn list(items: &[&[u8]]) -> Vec<u8> {
    let mut content = Vec::new();
    items
        .iter()
        .for_each(|item| rlp::encode_str(item, &mut content));
    let mut out = Vec::new();
    rlp::encode_list_header(content.len(), &mut out);
    out.extend(content);
    out
}

fn handshake() -> Vec<Vec<u8>> {
    let public_key = key(1).public_key();
    let signature = key(1).sign(B256::repeat_byte(1)).to_bytes();
    let key_bytes = public_key.to_uncompressed();
    let mut seeds = vec![
        list(&[&signature, &key_bytes, &[7; 32], &[4]]),
        list(&[&key_bytes, &[7; 32], &[4]]),
        [&signature[..], &[1; 32], &key_bytes, &[7; 32], &[0]].concat(),
        [&key_bytes[..], &[7; 32], &[0]].concat(),
    ];
    // Inputs that are encrypted as well.
    let sealed: Vec<_> = seeds
        .iter()
        .map(|seed| [&[0xff][..], seed].concat())
        .collect();
    seeds.extend(sealed);
    for format in [HandshakeFormat::Plain, HandshakeFormat::Eip8] {
        let remote = key(2).public_key();
        let (_, auth) = Handshake::initiate(key(1), remote, format, [3; 32]);
        let answer = Handshake::respond(key(2), [4; 32]).read(&auth);
        seeds.push(auth);
        seeds.extend(answer.ok().flatten().map(|outcome| outcome.reply));
    }
    seeds
}

fn hello() -> Vec<Vec<u8>> {
    let mut payload = Vec::new();
    Hello {
        version: 5,
        client_name: "seed/v1".to_owned(),
        capabilities: vec![Capability::new("eth", 63), Capability::new("eth", 68)],
        listen_port: 30303,
        public_key: key(1).public_key(),
    }
    .encode_payload(&mut payload);
    vec![payload, vec![0xc1, 0x04], vec![0x04], vec![0xc0]]
}

fn frames() -> Vec<Vec<u8>> {
    let mut compressed = vec![0x12];
    let mut compression = actoreum_wire::p2p::Compression::default();
    let _ = compression.compress(&[0xc0; 100], &mut compressed);
    vec![
        vec![0x02, 0xc0],
        vec![0x03, 0xc0],
        vec![0x01, 0xc1, 0x08],
        vec![0x10, 1, 0, 0xc0],
        compressed,
    ]
}

fn discv4() -> Vec<Vec<u8>> {
    let address = IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8));
    let endpoint = Endpoint {
        address: Some(address),
        udp: 30303,
        tcp: 30303,
    };
    let (hash, expiration) = (B256::repeat_byte(2), 1_700_000_010);
    let public_key = key(3).public_key();
    let node = NeighborNode {
        address,
        udp: 30303,
        tcp: 30303,
        public_key,
    };
    let record = EnrBuilder::new()
        .with_endpoint(&EnodeEndpoint::new(address, 30303, 30303))
        .sign(1, &key(1))
        .expect("a small record");
    let enr_seq = Some(1);
    let packets = [
        Packet::Ping(Ping {
            from: endpoint,
            to: endpoint,
            expiration,
            enr_seq,
        }),
        Packet::Pong(Pong {
            to: endpoint,
            ping_hash: hash,
            expiration,
            enr_seq,
        }),
        Packet::FindNode(FindNode {
            target: [5; 64],
            expiration,
        }),
        Packet::Neighbors(Neighbors {
            nodes: vec![node; 3],
            expiration,
        }),
        Packet::EnrRequest(EnrRequest { expiration }),
        Packet::EnrResponse(EnrResponse {
            request_hash: hash,
            record,
        }),
    ];
    let datagrams = packets
        .iter()
        .map(|packet| encode_packet(packet, &key(1)).0);
    datagrams
        .map(|datagram| datagram.get(TYPE_POSITION..).unwrap_or_default().to_vec())
        .collect()
}

fn discv5() -> Vec<Vec<u8>> {
    let record = EnrBuilder::new().sign(1, &key(1)).expect("a small record");
    let id = RequestId::new(&[1, 2, 3]).expect("a short id");
    let messages = [
        Message::Ping { id, enr_seq: 1 },
        Message::Pong {
            id,
            enr_seq: 1,
            address: IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8)),
            port: 30303,
        },
        Message::FindNode {
            id,
            distances: vec![0, 255, 256],
        },
        Message::Nodes {
            id,
            total: 1,
            records: vec![record.encoded().to_vec(); 3],
        },
        Message::TalkRequest {
            id,
            protocol: b"seed".to_vec(),
            request: vec![1],
        },
        Message::TalkResponse {
            id,
            response: vec![1],
        },
    ];
    let mut seeds: Vec<_> = messages.iter().map(Message::encode).collect();
    let (own, other) = (
        PeerId::of(&key(1).public_key()),
        PeerId::of(&key(2).public_key()),
    );
    let numbers = (&[1; 16], &[2; 12]);
    seeds.push(encode_random(&own, &other, numbers, &[3; 32]));
    let content = WhoAreYou {
        id_nonce: [4; 16],
        enr_seq: 1,
    };
    seeds.push(encode_who_are_you(&other, numbers, &content).0);
    let handshake = discv5::Handshake {
        source: own,
        signature: [5; 64],
        ephemeral_key: key(3).public_key().to_compressed(),
        record: Some(record.encoded().to_vec()),
    };
    seeds.push(encode_handshake(
        &other,
        numbers,
        &handshake,
        &[6; 16],
        &[1, 0xc0],
    ));
    seeds
}

fn enr() -> Vec<Vec<u8>> {
    let endpoint = EnodeEndpoint::new(IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8)), 30303, 30304);
    let record = EnrBuilder::new()
        .with_endpoint(&endpoint)
        .sign(1, &key(1))
        .expect("a small record");
    let text = record.to_string();
    vec![
        record.encoded().to_vec(),
        text.into_bytes(),
        record.enode().to_string().into_bytes(),
    ]
}

fn dns() -> Vec<Vec<u8>> {
    let nodes = (2..20).map(|number| {
        EnrBuilder::new()
            .sign(1, &key(number))
            .expect("a small record")
    });
    let link = TreeLink::new(key(30).public_key(), "m").expect("a domain name");
    let mut tree = Tree::new(1, nodes.collect(), vec![link]).expect("a small tree");
    tree.sign(&key(1), "n").expect("a domain name");
    let mut texts: Vec<String> = tree.records("n").into_values().collect();
    texts.push(texts.join("\n"));
    texts.into_iter().map(String::into_bytes).collect()
}

fn eth() -> Vec<Vec<u8>> {
    let hash = B256::repeat_byte(3);
    let block = Block {
        header: Header::default(),
        body: Body::default(),
    };
    let status = Status {
        version: 63,
        network_id: 1,
        total_difficulty: U256::from(17),
        head: hash,
        genesis: hash,
        fork_id: None,
        range: None,
    };
    let origin = HashOrNumber::Number(5);
    let request = GetBlockHeaders {
        origin,
        amount: 10,
        skip: 1,
        reverse: false,
    };
    let announcement = TransactionAnnouncement {
        hash,
        type_and_size: Some((2, 100)),
    };
    let messages = [
        EthMessage::Status(status),
        EthMessage::NewBlockHashes(vec![BlockAnnouncement { hash, number: 1 }]),
        EthMessage::GetBlockHeaders(1, request),
        EthMessage::BlockHeaders(1, LazyList::from_items([&block.header])),
        EthMessage::GetBlockBodies(1, vec![hash; 2]),
        EthMessage::BlockBodies(1, LazyList::from_items([&block.body])),
        EthMessage::NewPooledTransactionHashes(vec![announcement; 2]),
        EthMessage::NewBlock(Box::new(NewBlock::new(&block, U256::from(9)))),
    ];
    let mut seeds = Vec::new();
    for version in [EthVersion::Eth63, EthVersion::Eth65, EthVersion::Eth68] {
        seeds.extend(
            messages
                .iter()
                .filter_map(|message| message.encode(version).ok()),
        );
    }
    seeds
}

fn snap() -> Vec<Vec<u8>> {
    let hash = B256::repeat_byte(3);
    let account = RangeAccount {
        hash,
        account: Account::default(),
    };
    let slot = RangeSlot {
        hash,
        value: U256::from(1000),
    };
    let proof = || LazyList::from_items(&[Value::from_static(&[0xc1, 0x80])]);
    let range = GetAccountRange {
        root: hash,
        origin: hash,
        limit: hash,
        bytes: 1000,
    };
    let ranges = GetStorageRanges {
        root: hash,
        accounts: vec![hash; 2],
        origin: Some(hash),
        limit: None,
        bytes: 1000,
    };
    let codes = GetByteCodes {
        hashes: vec![hash; 2],
        bytes: 1000,
    };
    let path = Bytes::from_static(&[0x1b]);
    let set = TriePathSet {
        account: path.clone(),
        slots: vec![path; 2],
    };
    let nodes = GetTrieNodes {
        root: hash,
        paths: vec![set; 2],
        bytes: 1000,
    };
    let slots = StorageRange(vec![slot; 2]);
    let messages = [
        SnapMessage::GetAccountRange(1, range),
        SnapMessage::AccountRange(1, LazyList::from_items(&[account]), proof()),
        SnapMessage::GetStorageRanges(1, ranges),
        SnapMessage::StorageRanges(1, LazyList::from_items(&[slots]), proof()),
        SnapMessage::GetByteCodes(1, codes),
        SnapMessage::ByteCodes(1, proof()),
        SnapMessage::GetTrieNodes(1, nodes),
    ];
    messages.iter().map(SnapMessage::encode).collect()
}

fn main() -> io::Result<()> {
    let targets = [
        ("handshake", handshake()),
        ("frames", frames()),
        ("hello", hello()),
        ("discv4", discv4()),
        ("discv5", discv5()),
        ("dns", dns()),
        ("enr", enr()),
        ("eth", eth()),
        ("snap", snap()),
    ];
    for (target, seeds) in targets {
        let folder = Path::new("seeds").join(target);
        std::fs::create_dir_all(&folder)?;
        for (number, seed) in seeds.iter().enumerate() {
            std::fs::write(folder.join(format!("{number:02}")), seed)?;
        }
    }
    Ok(())
}
