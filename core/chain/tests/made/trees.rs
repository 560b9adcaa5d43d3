//! Random trees of blocks, imported in random orders. The same canonical chain results, and after
//! each step its flat state, its tries, its history and its events agree.

use std::collections::BTreeMap;

use actoreum_chain::{BlockError, Chain, ChainEvent, Detail, ImportReport};
use actoreum_consensus::ConsensusError;
use actoreum_primitives::{
    Account, Address, B256, Block, Bytes, ChainConfig, CliqueConfig, Fork, Genesis, GenesisAccount,
    Header, U256, keccak256,
};
use actoreum_storage::{Engine, Store, StoreOptions};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::maker::{Filling, Maker, Recipe, Seals, engine, genesis_of, import, key, open};

const SALTS: u8 = 3;
const SLOTS: u8 = 4;
const GAS: u64 = 200_000;

/// Contract that writes the word at byte 32 of its input to the slot at byte 0.
const WRITER: Address = Address::repeat_byte(0xa1);
const WRITER_CODE: [u8; 8] = [0x60, 0x20, 0x35, 0x60, 0x00, 0x35, 0x55, 0x00];

/// Contract that makes a child (CREATE2) with the word at byte 0 of its input as salt.
const FACTORY: Address = Address::repeat_byte(0xa2);

/// Returns the code of a child, which writes its block's number to slot 1 and then does as
/// [`WRITER`] does. Without input it destroys itself.
fn child_init_code() -> Vec<u8> {
    let runtime = [
        &[0x36, 0x60, 0x06, 0x57, 0x33, 0xff, 0x5b],
        &WRITER_CODE[..],
    ]
    .concat();
    let length = runtime.len() as u8;
    let head = [
        0x43, 0x60, 0x01, 0x55, 0x60, length, 0x60, 16, 0x60, 0, 0x39, 0x60, length, 0x60, 0, 0xf3,
    ];
    [&head[..], &runtime].concat()
}

fn factory_code() -> Vec<u8> {
    let init = child_init_code();
    assert_eq!(init.len(), 31);
    let create = [
        0x60, 0, 0x52, 0x60, 0, 0x35, 0x60, 31, 0x60, 1, 0x60, 0, 0xf5, 0x00,
    ];
    [&[0x7e], &init[..], &create].concat()
}

fn child(salt: u8) -> Address {
    let salt = B256::with_last_byte(salt);
    FACTORY.create2(salt, keccak256(child_init_code()))
}

fn words(words: &[u8]) -> Bytes {
    let words: Vec<_> = words
        .iter()
        .map(|word| B256::with_last_byte(*word))
        .collect();
    words.concat().into()
}

#[derive(Debug, Clone)]
enum Action {
    Pay(u8),
    Write(u8, u8),
    Make(u8),
    WriteToChild(u8, u8, u8),
    Destroy(u8),
    /// Creates a contract by a transaction.
    Deploy,
}

fn actions() -> impl Strategy<Value = Vec<(u8, Action)>> {
    let action = prop_oneof![
        2 => (0_u8..4).prop_map(Action::Pay),
        3 => (0..SLOTS, 0_u8..3).prop_map(|(slot, value)| Action::Write(slot, value)),
        3 => (0..SALTS).prop_map(Action::Make),
        3 => (0..SALTS, 0..SLOTS, 0_u8..3).prop_map(|(salt, slot, value)| Action::WriteToChild(salt, slot, value)),
        2 => (0..SALTS).prop_map(Action::Destroy),
        1 => Just(Action::Deploy),
    ];
    vec((4_u8..7, action), 0..6)
}

fn perform_actions(filling: &mut Filling<'_, '_>, actions: &[(u8, Action)]) {
    for (from, action) in actions {
        let (to, input, value) = match action {
            Action::Pay(to) => (Some(Address::repeat_byte(0xb0 + to)), Bytes::new(), 7),
            Action::Write(slot, value) => (Some(WRITER), words(&[*slot, *value]), 0),
            Action::Make(salt) => (Some(FACTORY), words(&[*salt]), 0),
            Action::WriteToChild(salt, slot, value) => {
                (Some(child(*salt)), words(&[*slot, *value]), 0)
            }
            Action::Destroy(salt) => (Some(child(*salt)), Bytes::new(), 0),
            Action::Deploy => (None, child_init_code().into(), 0),
        };
        filling.pay(*from, to, GAS, input, U256::from(value));
    }
}

/// A block of a tree: its parent and its contents.
#[derive(Debug, Clone)]
struct BlockPlan {
    parent: prop::sample::Index,
    seconds: u64,
    signer: usize,
    actions: Vec<(u8, Action)>,
}

fn block_plans(max: usize) -> impl Strategy<Value = Vec<BlockPlan>> {
    let plan = (
        any::<prop::sample::Index>(),
        1_u64..30,
        0_usize..3,
        actions(),
    )
        .prop_map(|(parent, seconds, signer, actions)| BlockPlan {
            parent,
            seconds,
            signer,
            actions,
        });
    vec(plan, 1..max)
}

fn config(fork: Fork, seals: Seals) -> ChainConfig {
    let mut config = ChainConfig::active_from_genesis(9, fork);
    if seals == Seals::Clique {
        config.clique = Some(CliqueConfig {
            period: 1,
            epoch: 5,
        });
    }
    config
}

fn rules() -> impl Strategy<Value = (Fork, Seals)> {
    let forks = vec![Fork::Frontier, Fork::Petersburg, Fork::London, Fork::Osaka];
    let seals = vec![Seals::Clique, Seals::Unsealed];
    (prop::sample::select(forks), prop::sample::select(seals))
}

fn tree_genesis(config: ChainConfig) -> Genesis {
    let mut genesis = genesis_of(config);
    for (address, code) in [(WRITER, WRITER_CODE.to_vec()), (FACTORY, factory_code())] {
        let account = GenesisAccount {
            code: code.into(),
            ..GenesisAccount::default()
        };
        genesis.alloc.insert(address, account);
    }
    genesis
}

/// The complete contents of a state, by hashed keys.
type State = BTreeMap<B256, (Account, BTreeMap<B256, U256>)>;

fn state_of(store: &Store) -> State {
    let mut state = State::new();
    store
        .visit_accounts(|key, account| {
            state.insert(key, (account, store.flat_slots(&key)?));
            Ok(())
        })
        .unwrap();
    state
}

struct Node {
    block: Block,
    total: U256,
    state: State,
    /// Indices in the tree from genesis (which has none) to this block, inclusive.
    path: Vec<usize>,
}

struct Tree {
    genesis: Genesis,
    seals: Seals,
    nodes: Vec<Node>,
}

impl Tree {
    fn grow((fork, seals): (Fork, Seals), block_plans: &[BlockPlan]) -> Self {
        let mut tree = Self {
            genesis: tree_genesis(config(fork, seals)),
            seals,
            nodes: Vec::new(),
        };
        let mut maker = tree.maker(&[]);
        for (place, plan) in block_plans.iter().enumerate() {
            let mut path = match plan.parent.index(place + 1).checked_sub(1) {
                Some(parent) => tree.nodes[parent].path.clone(),
                None => Vec::new(),
            };
            let parent = path.last().map(|place| tree.nodes[*place].block.hash());
            if parent.unwrap_or(maker.chain.reader().genesis_hash()) != maker.chain.head().hash() {
                maker = tree.maker(&path);
            }
            let ommers: Vec<Header> = match seals {
                Seals::Unsealed => tree
                    .nodes
                    .iter()
                    .map(|node| node.block.header.clone())
                    .collect(),
                _ => Vec::new(),
            };
            let recipe = Recipe {
                seconds: plan.seconds,
                vanity: place as u8 + 1,
                signer: plan.signer,
                ommers,
            };
            let block = maker.make(&recipe, |filling| perform_actions(filling, &plan.actions));
            path.push(place);
            let hash = block.hash();
            tree.nodes.push(Node {
                total: maker
                    .chain
                    .reader()
                    .total_difficulty(&hash)
                    .unwrap()
                    .unwrap(),
                state: state_of(maker.chain.reader().store()),
                block,
                path,
            });
        }
        tree
    }

    /// Returns a maker at the end of a path.
    fn maker(&self, path: &[usize]) -> Maker {
        let mut maker = Maker::new(self.seals, &self.genesis, Store::memory());
        import(&mut maker.chain, &self.blocks(path));
        maker
    }

    fn blocks(&self, path: &[usize]) -> Vec<Block> {
        path.iter()
            .map(|place| self.nodes[*place].block.clone())
            .collect()
    }

    /// Returns the block that must win: highest total difficulty, then lower number, then lower
    /// hash.
    fn best(&self) -> &Node {
        let nodes = self.nodes.iter();
        nodes
            .min_by_key(|node| {
                let header = &node.block.header;
                (U256::MAX - node.total, header.number, node.block.hash())
            })
            .unwrap()
    }

    fn node(&self, hash: &B256) -> Option<&Node> {
        self.nodes.iter().find(|node| node.block.hash() == *hash)
    }
}

/// A chain that imports a tree, and the canonical chain according to its events.
struct Follower<'t> {
    tree: &'t Tree,
    chain: Chain,
    /// Hashes of the canonical chain without genesis, according to the events.
    canonical: Vec<B256>,
}

impl<'t> Follower<'t> {
    fn new(tree: &'t Tree, store: Store) -> Self {
        Self {
            tree,
            chain: Self::open(tree, store),
            canonical: Vec::new(),
        }
    }

    fn open(tree: &Tree, store: Store) -> Chain {
        open(store, &tree.genesis, engine(tree.seals, &tree.genesis).0)
    }

    /// Imports consecutive blocks. Returns false if their parent is unknown.
    fn import(&mut self, blocks: &[Block]) -> bool {
        let report = self.chain.import(blocks, Detail::EveryBlock);
        self.follow(&report);
        match report.refused.map(|refused| refused.error) {
            None => true,
            Some(BlockError::Consensus(ConsensusError::UnknownAncestor)) => false,
            Some(error) => panic!("{error}"),
        }
    }

    fn follow(&mut self, report: &ImportReport) {
        for event in &report.events {
            match event {
                ChainEvent::Removed(block) => {
                    assert_eq!(self.canonical.pop(), Some(block.header.hash()));
                }
                ChainEvent::Added(block) => {
                    assert_eq!(block.header.number, self.canonical.len() as u64 + 1);
                    let parent = self.canonical.last().copied();
                    let genesis = self.chain.reader().genesis_hash();
                    assert_eq!(block.header.parent_hash, parent.unwrap_or(genesis));
                    assert_eq!(block.receipts.len(), block.block.body.transactions.len());
                    self.canonical.push(block.header.hash());
                }
                ChainEvent::Side(header) => assert!(!self.canonical.contains(&header.hash())),
                ChainEvent::Head(header) => {
                    assert_eq!(self.canonical.last(), Some(&header.hash()));
                }
            }
        }
    }

    /// Checks that the head's state equals its maker's, both flat and in the tries.
    fn check_head(&self) {
        let (head, store) = (self.chain.head(), self.chain.reader().store());
        assert_eq!(store.compute_state_root().unwrap(), head.state_root);
        if let Some(node) = self.tree.node(&head.hash()) {
            assert_eq!(state_of(store), node.state);
        }
        for (index, hash) in self.canonical.iter().enumerate() {
            let number = index as u64 + 1;
            assert_eq!(
                self.chain.reader().canonical_hash(number).unwrap(),
                Some(*hash)
            );
        }
        let above = self.canonical.len() as u64 + 1;
        assert_eq!(self.chain.reader().canonical_hash(above).unwrap(), None);
    }

    /// Checks that the state after each canonical block equals its maker's, and that each
    /// transaction is found at its location.
    fn check_history(&self) {
        let reader = self.chain.reader();
        let nodes = self.tree.nodes.iter();
        let mut keys: Vec<_> = nodes.flat_map(|node| node.state.keys()).collect();
        keys.sort();
        keys.dedup();
        for hash in &self.canonical {
            let node = self.tree.node(hash).unwrap();
            let view = reader.store().state_at(node.block.header.number).unwrap();
            for key in &keys {
                let expected = node.state.get(*key);
                let account = view.hashed_account(key).unwrap();
                assert_eq!(account, expected.map(|(account, _)| *account));
                for (slot, value) in expected.iter().flat_map(|(_, slots)| slots) {
                    assert_eq!(view.hashed_slot(key, slot).unwrap(), *value);
                }
            }
            for (index, transaction) in node.block.body.transactions.iter().enumerate() {
                let place = reader.transaction(&transaction.hash()).unwrap().unwrap();
                assert_eq!((place.block_hash, place.index), (*hash, index));
            }
        }
        let removed = self
            .tree
            .nodes
            .iter()
            .filter(|node| !self.canonical.contains(&node.block.hash()));
        for transaction in removed.flat_map(|node| &node.block.body.transactions) {
            let place = reader.transaction(&transaction.hash()).unwrap();
            assert!(place.is_none_or(|place| self.canonical.contains(&place.block_hash)));
        }
    }

    fn check_is_done(&self) {
        let best = self.tree.best();
        assert_eq!(self.chain.head().hash(), best.block.hash());
        assert_eq!(self.chain.reader().view().total_difficulty(), best.total);
        self.check_head();
        self.check_history();
    }
}

/// Imports blocks in any order, each as soon as its parent is known.
fn import_in_order(
    follower: &mut Follower<'_>,
    order: &[u32],
    mut check: impl FnMut(&mut Follower<'_>),
) {
    let tree = follower.tree;
    let mut waiting: Vec<usize> = (0..tree.nodes.len()).collect();
    waiting.sort_by_key(|place| order.get(*place).copied().unwrap_or_default());
    while !waiting.is_empty() {
        let before = waiting.len();
        waiting.retain(|place| {
            let is_imported = follower.import(std::slice::from_ref(&tree.nodes[*place].block));
            if is_imported {
                check(follower);
            }
            !is_imported
        });
        assert!(waiting.len() < before, "no block finds its parent");
    }
}

fn orders() -> impl Strategy<Value = Vec<u32>> {
    vec(any::<u32>(), MAX_BLOCKS)
}

const MAX_BLOCKS: usize = 14;

fn cases(count: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(count)
    }
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn any_order_of_import_ends_at_the_same_head(
        rules in rules(), block_plans in block_plans(MAX_BLOCKS), first in orders(), second in orders(),
    ) {
        let tree = Tree::grow(rules, &block_plans);
        for order in [first, second] {
            let mut follower = Follower::new(&tree, Store::memory());
            import_in_order(&mut follower, &order, |follower| follower.check_head());
            follower.check_is_done();
        }
    }

    /// Whole branches at once, some blocks repeatedly, some after `set_head`.
    #[test]
    fn branches_and_set_head_end_at_the_same_head(
        rules in rules(), block_plans in block_plans(MAX_BLOCKS),
        steps in vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_u8..5), 1..10),
    ) {
        let tree = Tree::grow(rules, &block_plans);
        let mut follower = Follower::new(&tree, Store::memory());
        for (place, back, kind) in steps {
            if kind == 0 {
                let number = back.index(follower.canonical.len() + 1);
                let reverted = follower.canonical.split_off(number);
                let report = follower.chain.set_head(number as u64).unwrap();
                let holds_something = |hash: &&B256| {
                    let block = &tree.node(hash).unwrap().block;
                    block.header.gas_used > 0
                };
                let removed = report.events.iter().filter_map(|event| match event {
                    ChainEvent::Removed(block) => Some(block.header.hash()),
                    _ => None,
                });
                let expected = reverted.iter().rev().filter(holds_something).copied();
                prop_assert_eq!(removed.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
            } else {
                let path = &tree.nodes[place.index(tree.nodes.len())].path;
                follower.import(&tree.blocks(&path[back.index(path.len())..]));
            }
            follower.check_head();
        }
        import_in_order(&mut follower, &[], |_| ());
        follower.check_is_done();
    }
}

proptest! {
    #![proptest_config(cases(6))]

    #[test]
    fn restarts_on_disk_end_at_the_same_head(
        rules in rules(), block_plans in block_plans(MAX_BLOCKS), order in orders(),
        on in prop::sample::select(vec![Engine::Sled, Engine::Redb]), restarts: u16,
    ) {
        let tree = Tree::grow(rules, &block_plans);
        let folder = tempfile::tempdir().unwrap();
        let open = || {
            let options = StoreOptions { engine: on, ..StoreOptions::default() };
            Store::open(folder.path(), options).unwrap()
        };
        let mut follower = Follower::new(&tree, open());
        let mut imports = 0;
        import_in_order(&mut follower, &order, |follower| {
            imports += 1;
            if restarts >> (imports % 16) & 1 == 1 {
                // A folder can be open only once at a time.
                follower.chain = Follower::open(&tree, Store::memory());
                follower.chain = Follower::open(&tree, open());
            }
            follower.check_head();
        });
        follower.check_is_done();
    }
}

/// Checks an assumption of the properties above: the trees create and destroy contracts.
#[test]
fn contracts_are_created_and_destroyed() {
    let tree = tree_genesis(config(Fork::Petersburg, Seals::Unsealed));
    let mut maker = Maker::new(Seals::Unsealed, &tree, Store::memory());
    let mut states = Vec::new();
    for actions in [
        &[
            Action::Make(1),
            Action::WriteToChild(1, 2, 2),
            Action::Write(3, 1),
        ][..],
        &[Action::Destroy(1), Action::Pay(0)],
        &[Action::Make(1)],
    ] {
        let actions: Vec<_> = actions.iter().map(|action| (4, action.clone())).collect();
        let recipe = Recipe {
            seconds: 5,
            ..Recipe::default()
        };
        maker.make(&recipe, |filling| perform_actions(filling, &actions));
        states.push(state_of(maker.chain.reader().store()));
    }
    let slots = |state: &State| {
        let found = state.get(&keccak256(child(1)));
        found.map(|(_, slots)| slots.values().copied().collect::<Vec<_>>())
    };
    let mut first = slots(&states[0]).unwrap();
    first.sort();
    assert_eq!(first, [U256::from(1), U256::from(2)]);
    assert_eq!(slots(&states[1]), None);
    assert_eq!(slots(&states[2]), Some(vec![U256::from(3)]));
    assert_eq!(states[0][&keccak256(WRITER)].1.len(), 1);
    assert!(states[1].contains_key(&keccak256(Address::repeat_byte(0xb0))));
    assert!(states[1].contains_key(&keccak256(key(4).address())));
}
