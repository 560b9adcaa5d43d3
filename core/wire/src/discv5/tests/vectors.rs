//! The vectors of devp2p's discv5-wire-test-vectors.md.

use actoreum_primitives::{PeerId, PublicKey, SecretKey};

use crate::discv5::*;
use crate::nodes::Enr;

const NODE_A_KEY: &str = "eef77acb6c6a6eebc5b363a475ac583ec7eccdb42b6481424c60f59aa326547f";
const NODE_B_KEY: &str = "66fb62bfbd66b9177a138c1e5cddbe4f7c30c343e94e68df8769459cb1cde628";
const CHALLENGE: &str = "000000000000000000000000000000006469736376350001010102030405060708090a0b0c0018\
                         0102030405060708090a0b0c0d0e0f100000000000000000";
const EPHEMERAL_KEY: &str = "0288ef00023598499cb6c940146d050d2b1fb914198c327f76aad590bead68b6";

fn unhex(digits: &str) -> Vec<u8> {
    digits
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn array<const N: usize>(digits: &str) -> [u8; N] {
    unhex(digits).try_into().unwrap()
}

fn secret(digits: &str) -> SecretKey {
    SecretKey::from_bytes(&array(digits)).unwrap()
}

fn id(key: &str) -> PeerId {
    PeerId::of(&secret(key).public_key())
}

fn ping(enr_seq: u64) -> Message {
    Message::Ping {
        id: RequestId::new(&[0, 0, 0, 1]).unwrap(),
        enr_seq,
    }
}

#[test]
fn the_ids_of_the_vectors_are_those_of_the_keys() {
    assert!(id(NODE_A_KEY).to_string().starts_with("aaaa8419e9f49d00"));
    assert!(id(NODE_B_KEY).to_string().starts_with("bbbb9d047f0488c0"));
}

#[test]
fn a_ping_in_a_session_is_as_published() {
    let datagram = unhex(
        "00000000000000000000000000000000088b3d4342774649325f313964a39e55\
         ea96c005ad52be8c7560413a7008f16c9e6d2f43bbea8814a546b7409ce783d3\
         4c4f53245d08dab84102ed931f66d1492acb308fa1c6715b9d139b81acbdcc",
    );
    let packet = decode_packet(&id(NODE_B_KEY), &datagram).unwrap();
    let source = id(NODE_A_KEY);
    assert_eq!(packet.kind, PacketKind::Ordinary { source });
    assert_eq!(packet.nonce, [0xff; 12]);
    let message = open(&[0; 16], &packet.nonce, &packet.associated, packet.message).unwrap();
    assert_eq!(Message::decode(&message), Ok(ping(2)));
    assert_eq!(message, ping(2).encode());
    let again = encode_ordinary(
        &source,
        &id(NODE_B_KEY),
        (&[0; 16], &[0xff; 12]),
        &[0; 16],
        &message,
    );
    assert_eq!(again, datagram);
}

#[test]
fn a_challenge_is_as_published() {
    let datagram = unhex(
        "00000000000000000000000000000000088b3d434277464933a1ccc59f5967ad\
         1d6035f15e528627dde75cd68292f9e6c27d6b66c8100a873fcbaed4e16b8d",
    );
    let content = WhoAreYou {
        id_nonce: array("0102030405060708090a0b0c0d0e0f10"),
        enr_seq: 0,
    };
    let packet = decode_packet(&id(NODE_B_KEY), &datagram).unwrap();
    assert_eq!(packet.kind, PacketKind::WhoAreYou(content));
    assert_eq!(packet.nonce, array("0102030405060708090a0b0c"));
    assert_eq!(packet.associated, unhex(CHALLENGE));
    let (again, challenge) =
        encode_who_are_you(&id(NODE_B_KEY), (&[0; 16], &packet.nonce), &content);
    assert_eq!((again, challenge), (datagram, unhex(CHALLENGE)));
}

/// Decodes a handshake packet from A to B, and makes it again.
fn check_handshake(datagram: &str, enr_seq: u8, read_key: &str, has_record: bool) {
    let datagram = unhex(datagram);
    let mut challenge = unhex(CHALLENGE);
    *challenge.last_mut().unwrap() = enr_seq;
    let (a, b) = (id(NODE_A_KEY), id(NODE_B_KEY));
    let packet = decode_packet(&b, &datagram).unwrap();
    let PacketKind::Handshake(handshake) = &packet.kind else {
        panic!("a handshake")
    };
    assert_eq!(handshake.source, a);
    let static_key = secret(NODE_A_KEY).public_key();
    if has_record {
        let record = Enr::decode(handshake.record.as_deref().unwrap()).unwrap();
        assert_eq!((record.seq(), record.public_key()), (1, static_key));
    } else {
        assert_eq!(handshake.record, None);
    }
    let ephemeral = PublicKey::from_sec1(&handshake.ephemeral_key).unwrap();
    assert!(verify_identity(
        &static_key,
        &challenge,
        &handshake.ephemeral_key,
        &b,
        &handshake.signature
    ));
    let keys = derive_keys(&secret(NODE_B_KEY), &ephemeral, &a, &b, &challenge);
    assert_eq!(*keys.initiator, array(read_key));
    let message = open(
        &keys.initiator,
        &packet.nonce,
        &packet.associated,
        packet.message,
    )
    .unwrap();
    assert_eq!(Message::decode(&message), Ok(ping(1)));

    let ephemeral = secret(EPHEMERAL_KEY);
    let recipient = secret(NODE_B_KEY).public_key();
    assert_eq!(
        derive_keys(&ephemeral, &recipient, &a, &b, &challenge),
        keys
    );
    let ephemeral_key = ephemeral.public_key().to_compressed();
    let made = Handshake {
        source: a,
        signature: sign_identity(&secret(NODE_A_KEY), &challenge, &ephemeral_key, &b),
        ephemeral_key,
        record: handshake.record.clone(),
    };
    let again = encode_handshake(
        &b,
        (&[0; 16], &[0xff; 12]),
        &made,
        &keys.initiator,
        &message,
    );
    assert_eq!(again, datagram);
}

#[test]
fn a_handshake_without_record_is_as_published() {
    check_handshake(
        "00000000000000000000000000000000088b3d4342774649305f313964a39e55\
         ea96c005ad521d8c7560413a7008f16c9e6d2f43bbea8814a546b7409ce783d3\
         4c4f53245d08da4bb252012b2cba3f4f374a90a75cff91f142fa9be3e0a5f3ef\
         268ccb9065aeecfd67a999e7fdc137e062b2ec4a0eb92947f0d9a74bfbf44dfb\
         a776b21301f8b65efd5796706adff216ab862a9186875f9494150c4ae06fa4d1\
         f0396c93f215fa4ef524f1eadf5f0f4126b79336671cbcf7a885b1f8bd2a5d83\
         9cf8",
        1,
        "4f9fac6de7567d1e3b1241dffe90f662",
        false,
    );
}

#[test]
fn a_handshake_with_a_record_is_as_published() {
    check_handshake(
        "00000000000000000000000000000000088b3d4342774649305f313964a39e55\
         ea96c005ad539c8c7560413a7008f16c9e6d2f43bbea8814a546b7409ce783d3\
         4c4f53245d08da4bb23698868350aaad22e3ab8dd034f548a1c43cd246be9856\
         2fafa0a1fa86d8e7a3b95ae78cc2b988ded6a5b59eb83ad58097252188b902b2\
         1481e30e5e285f19735796706adff216ab862a9186875f9494150c4ae06fa4d1\
         f0396c93f215fa4ef524e0ed04c3c21e39b1868e1ca8105e585ec17315e755e6\
         cfc4dd6cb7fd8e1a1f55e49b4b5eb024221482105346f3c82b15fdaae36a3bb1\
         2a494683b4a3c7f2ae41306252fed84785e2bbff3b022812d0882f06978df84a\
         80d443972213342d04b9048fc3b1d5fcb1df0f822152eced6da4d3f6df27e70e\
         4539717307a0208cd208d65093ccab5aa596a34d7511401987662d8cf62b1394\
         71",
        0,
        "53b1c075f41876423154e157470c2f48",
        true,
    );
}

#[test]
fn the_shared_secret_is_as_published() {
    let public = array::<33>("039961e4c2356d61bedb83052c115d311acb3a96f5777296dcf297351130266231");
    let key = secret("fb757dc581730490a1d7a00deea65e9b1936924caaea8f44d476014856b68736");
    let shared = key.ecdh_compressed(&PublicKey::from_sec1(&public).unwrap());
    assert_eq!(
        *shared,
        array("033b11a2a1f214567e1537ce5e509ffd9b21373247f2a3ff6841f4976f53165e7e")
    );
}

#[test]
fn the_derived_keys_are_as_published() {
    let ephemeral = secret("fb757dc581730490a1d7a00deea65e9b1936924caaea8f44d476014856b68736");
    let recipient =
        array::<33>("0317931e6e0840220642f230037d285d122bc59063221ef3226b1f403ddc69ca91");
    let keys = derive_keys(
        &ephemeral,
        &PublicKey::from_sec1(&recipient).unwrap(),
        &id(NODE_A_KEY),
        &id(NODE_B_KEY),
        &unhex(CHALLENGE),
    );
    assert_eq!(*keys.initiator, array("dccc82d81bd610f4f76d3ebe97a40571"));
    assert_eq!(*keys.recipient, array("ac74bb8773749920b0d3a8881c173ec5"));
}

#[test]
fn the_identity_signature_is_as_published() {
    let key = secret("fb757dc581730490a1d7a00deea65e9b1936924caaea8f44d476014856b68736");
    let ephemeral = array("039961e4c2356d61bedb83052c115d311acb3a96f5777296dcf297351130266231");
    let challenge = unhex(CHALLENGE);
    let b = id(NODE_B_KEY);
    let signature = sign_identity(&key, &challenge, &ephemeral, &b);
    assert_eq!(
        signature,
        array(
            "94852a1e2318c4e5e9d422c98eaf19d1d90d876b29cd06ca7cb7546d0fff7b48\
             4fe86c09a064fe72bdbef73ba8e9c34df0cd2b53e9d65528c2c7f336d5dfc6e6"
        )
    );
    let verifies = |key: &SecretKey, challenge: &[u8]| {
        verify_identity(&key.public_key(), challenge, &ephemeral, &b, &signature)
    };
    assert!(verifies(&key, &challenge));
    assert!(!verifies(&secret(NODE_A_KEY), &challenge));
    assert!(!verifies(&key, &challenge[1..]));
}

#[test]
fn the_encryption_is_as_published() {
    let key = array("9f2d77db7004bf8a1a85107ac686990b");
    let nonce = array("27b5af763c446acd2749fe8e");
    let associated = unhex("93a7400fa0d6a694ebc24d5cf570f65d04215b6ac00757875e3f3a5f42107903");
    let sealed = seal(&key, &nonce, &associated, &[1, 0xc2, 1, 1]);
    assert_eq!(sealed, unhex("a5d12a2d94b8ccb3ba55558229867dc13bfa3648"));
    let opened = open(&key, &nonce, &associated, &sealed);
    assert_eq!(opened, Some(vec![1, 0xc2, 1, 1]));
    assert_eq!(open(&key, &nonce, &associated, &sealed[1..]), None);
    assert_eq!(open(&key, &nonce, &associated, &sealed[..15]), None);
    assert_eq!(open(&key, &nonce, &[], &sealed), None);
}
