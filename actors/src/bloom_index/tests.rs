use actoreum_chain::{LogCriteria, bloom_index::Matcher, genesis};
use actoreum_primitives::{Address, B256, Genesis, Header, Log, U256, logs_bloom};
use actoreum_storage::{Commit, HeadRecord, Store};

use super::*;
use actoreum_supervision::testing::until;
use actoreum_supervision::{ActorRef, ChildSpec, Strategy, SupervisorSpec, Tree};

const HEAD: u64 = SECTION_BLOCKS + bloom_index::SECTION_CONFIRMS;
const LOGGING: [u64; 2] = [5, 4_000];

fn emitter() -> Address {
    Address::repeat_byte(7)
}

/// Writes canonical headers of a branch from `first` to the head.
fn write(store: &Store, first: u64, branch: u8) {
    let log = Log {
        address: emitter(),
        topics: Vec::new(),
        data: Default::default(),
    };
    let mut commit = Commit::new();
    let mut parent = store.canonical_hash(first - 1).unwrap().unwrap();
    for number in first..=HEAD {
        let logs = LOGGING.contains(&number).then_some(&log);
        let header = Header {
            parent_hash: parent,
            number,
            extra_data: vec![branch].into(),
            logs_bloom: logs_bloom(logs),
            ..Header::default()
        };
        parent = header.hash();
        commit.put_header(&parent, &header, &U256::from(number));
        commit.set_canonical(number, &parent);
    }
    commit.set_head(HeadRecord {
        number: HEAD,
        hash: parent,
        state_root: B256::ZERO,
    });
    store.commit(commit).unwrap();
}

async fn until_indexed(reader: &ChainReader) {
    until(|| bloom_index::is_indexed(reader, 0).unwrap()).await;
}

#[test]
fn a_section_is_indexed_again_after_a_reorg() {
    let store = Store::memory();
    genesis::init(&store, &Genesis::mainnet()).unwrap();
    write(&store, 1, 1);
    let reader = ChainReader::open(store.clone()).unwrap();
    actoreum_supervision::block_on(async {
        let (threads, index) = (Pool::new("workers", 1), ActorRef::new("bloom index"));
        let (actor_threads, actor_reader) = (threads.clone(), reader.clone());
        let spec = SupervisorSpec::new("test", Strategy::OneForOne)
            .child(threads.child())
            .child(ChildSpec::new(&index, move || {
                BloomIndexActor::new(actor_reader.clone(), actor_threads.clone())
            }));
        let tree = Tree::start(spec).await.unwrap();
        until_indexed(&reader).await;
        let criteria = LogCriteria {
            addresses: vec![emitter()],
            topics: Vec::new(),
        };
        let candidates = || {
            let matcher = Matcher::new(&criteria);
            bloom_index::candidates(&reader, 0, &matcher).unwrap()
        };
        assert_eq!(candidates(), Some(LOGGING.to_vec()));

        write(&store, 4_001, 2);
        assert_eq!(candidates(), None, "the reorg has invalidated the section");
        index.tell(Check).unwrap();
        until_indexed(&reader).await;
        assert_eq!(candidates(), Some(LOGGING.to_vec()));
        assert_eq!(tree.shutdown().await.exit_code(), 0);
    });
}
