#![no_main]

use actoreum_fuzz::ProofInput;
use actoreum_primitives::keccak256;
use actoreum_trie::verify;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some(input) = ProofInput::decode(data) else {
        return;
    };
    let (root, nodes) = input.linked();
    let proved = verify(root, &input.key, &nodes);
    if let (Ok(_), Some(last)) = (&proved, nodes.last()) {
        // Any other last node invalidates the proof.
        let mut other = nodes.clone();
        let changed = [last.as_slice(), &[0]].concat();
        other.pop();
        other.push(changed);
        assert!(verify(root, &input.key, &other).is_err());
        // One node more or less invalidates it, too.
        let more = [nodes.as_slice(), &[vec![0xc0]]].concat();
        assert!(verify(root, &input.key, &more).is_err());
        assert!(verify(root, &input.key, &nodes[..nodes.len() - 1]).is_err());
    }
    for node in &nodes {
        let _ = verify(keccak256(node), &input.key, std::slice::from_ref(node));
    }
});
