use std::sync::Arc;

use actoreum_primitives::*;
use proptest::prelude::*;

use super::*;

fn transactions(count: u64) -> Vec<Arc<PoolTx>> {
    let key = SecretKey::random();
    let config = ChainConfig::active_from_genesis(1, Fork::Prague);
    let rules = SenderRules::at(&config, 1, 0);
    let payload = |nonce| match nonce % 2 {
        0 => TxPayload::Legacy(LegacyTx {
            nonce,
            input: vec![7; 100].into(),
            ..LegacyTx::default()
        }),
        _ => TxPayload::DynamicFee(DynamicFeeTx {
            chain_id: 1,
            nonce,
            ..DynamicFeeTx::default()
        }),
    };
    let prepare = |nonce| {
        let pooled = PooledTransaction {
            transaction: payload(nonce).sign(&key),
            sidecar: None,
        };
        Arc::new(PoolTx::prepare(pooled, &rules).expect("it is signed"))
    };
    (0..count).map(prepare).collect()
}

fn refs(transactions: &[Arc<PoolTx>]) -> impl Iterator<Item = &PoolTx> {
    transactions.iter().map(|tx| &**tx)
}

fn hashes(transactions: &[Arc<PoolTx>]) -> Vec<B256> {
    transactions.iter().map(|tx| tx.hash()).collect()
}

fn load(path: &Path) -> (Vec<B256>, bool) {
    let mut loaded = Vec::new();
    let is_complete = Journal::load(path, |batch| {
        loaded.extend(batch.iter().map(|pooled| pooled.transaction.hash()));
    });
    (loaded, is_complete.expect("the file can be read"))
}

#[test]
fn appended_transactions_are_loaded_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("transactions.rlp");
    assert_eq!(load(&path), (vec![], true), "no file is an empty one");
    let all = transactions(2_500);
    let mut journal = Journal::open(&path).unwrap();
    journal.append(refs(&all[..1])).unwrap();
    drop(journal);
    let mut journal = Journal::open(&path).unwrap();
    journal.append(refs(&all[1..])).unwrap();
    assert_eq!(load(&path), (hashes(&all), true));
}

#[test]
fn the_file_format_is_geths() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("transactions.rlp");
    let all = transactions(2);
    Journal::open(&path).unwrap().append(refs(&all)).unwrap();
    // geth writes `rlp.Encode(file, tx)`: a legacy transaction is a list, a typed one a string.
    let mut expected = rlp::encode(all[0].transaction());
    rlp::encode_str(&all[1].transaction().encode_2718(), &mut expected);
    assert_eq!(fs::read(&path).unwrap(), expected);
}

#[test]
fn a_rotated_journal_has_new_content_and_stays_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("transactions.rlp");
    let all = transactions(10);
    let mut journal = Journal::open(&path).unwrap();
    journal.append(refs(&all[..8])).unwrap();
    assert_eq!(journal.rotate(refs(&all[4..6])).unwrap(), 2);
    journal.append(refs(&all[8..])).unwrap();
    assert_eq!(journal.length(), fs::metadata(&path).unwrap().len());
    let expected = [&all[4..6], &all[8..]].concat();
    assert_eq!(load(&path), (hashes(&expected), true));
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing is left behind"
    );
}

#[test]
fn a_truncated_write_loses_only_the_last_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("transactions.rlp");
    let all = transactions(3);
    Journal::open(&path).unwrap().append(refs(&all)).unwrap();
    let bytes = fs::read(&path).unwrap();
    let last = all[2].pooled().length();
    for torn in 1..last {
        fs::write(&path, &bytes[..bytes.len() - torn]).unwrap();
        assert_eq!(
            load(&path),
            (hashes(&all[..2]), false),
            "{torn} bytes are missing"
        );
    }
}

#[test]
fn an_invalid_length_allocates_nothing() {
    for bytes in [
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1][..],
        &[0xfb, 0x7f, 0xff, 0xff, 0xff],
        &[0xfa, 0x10, 0x00, 0x00],
        &[0xbf],
        &[0x05],
    ] {
        assert!(!read_journal(bytes, |_| panic!("no transaction")).unwrap());
    }
}

#[test]
fn load_bounded_stops_at_its_bound() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("transactions.rlp");
    let bounded = |max_bytes| {
        let mut loaded = Vec::new();
        let outcome = Journal::load_bounded(&path, max_bytes, |batch| {
            loaded.extend(batch.iter().map(|pooled| pooled.transaction.hash()));
        });
        (loaded, outcome)
    };
    assert!(matches!(bounded(10), (loaded, Ok(true)) if loaded.is_empty()));
    let all = transactions(3);
    let mut journal = Journal::open(&path).unwrap();
    journal.append(refs(&all[..2])).unwrap();
    let two = journal.length();
    journal.append(refs(&all[2..])).unwrap();
    let three = journal.length();
    for (max_bytes, count, is_all) in [
        (three, 3, true),
        (three - 1, 2, false),
        (two, 2, false),
        (0, 0, false),
    ] {
        let (loaded, outcome) = bounded(max_bytes);
        assert_eq!(loaded, hashes(&all[..count]), "{max_bytes}");
        assert_eq!(outcome.unwrap(), is_all, "{max_bytes}");
    }

    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
    for refused in [bounded(three).1, Journal::load(&path, |_| {})] {
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}

#[test]
fn a_batch_is_bounded_in_bytes() {
    let key = SecretKey::random();
    let mut bytes = Vec::new();
    for nonce in 0..20 {
        let payload = TxPayload::Legacy(LegacyTx {
            nonce,
            input: vec![7; 1_000_000].into(),
            ..LegacyTx::default()
        });
        let pooled = PooledTransaction {
            transaction: payload.sign(&key),
            sidecar: None,
        };
        pooled.encode(&mut bytes);
    }
    let mut batches = Vec::new();
    let is_complete = read_journal(&bytes[..], |batch| batches.push(batch.len())).unwrap();
    assert!(is_complete);
    assert_eq!(batches, [9, 9, 2]);
}

proptest! {
    #[test]
    fn reading_any_bytes_does_not_panic(bytes: Vec<u8>) {
        let mut count = 0;
        let _ = read_journal(&bytes[..], |batch| count += batch.len());
        prop_assert!(count <= bytes.len());
    }
}
