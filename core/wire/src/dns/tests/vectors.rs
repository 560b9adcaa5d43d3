//! The published example of EIP-1459, and texts that must be refused.

use crate::dns::{EntryError, EntryHash, Tree, TreeEntry, TreeError, TreeLink, TreeRoot};
use crate::nodes::{Enr, EnrBuilder};

use super::{key, node};

/// The example of EIP-1459.
const LINK: &str = "enrtree://AKPYQIUQIL7PSIACI32J7FGZW56E5FKHEFCCOFHILBIMW3M6LWXS2@n";
const LINKED: &str =
    "enrtree://AM5FCQLWIZX2QFPNJAP7VUERCCRNGRHWZG3YYHIUV7BVDQ5FDPRT2@morenodes.example.org";
const ROOT: &str = "enrtree-root:v1 e=JWXYDBPXYWG6FX3GMDIBFA6CJ4 l=C7HRFPF3BLGF3YR4DY5KX3SMBE seq=1 \
    sig=o908WmNp7LibOfPsr4btQwatZJ5URBr2ZAuxvK4UWHlsB9sUOTJQaGAlLPVAhM__XJesCHxLISo94z5Z2a463gA";
const BRANCH: &str = "enrtree-branch:2XS2367YHAXJFGLZHVAWLQD4ZY,H4FHT4B454P6UXFD7JCYQ5PWDY,\
    MHTDO6TMUBRIA2XWG5LUDACK24";
const NODES: [&str; 3] = [
    "enr:-HW4QOFzoVLaFJnNhbgMoDXPnOvcdVuj7pDpqRvh6BRDO68aVi5ZcjB3vzQRZH2IcLBGHzo8uUN3snqmgTiE56CH3\
    AMBgmlkgnY0iXNlY3AyNTZrMaECC2_24YYkYHEgdzxlSNKQEnHhuNAbNlMlWJxrJxbAFvA",
    "enr:-HW4QAggRauloj2SDLtIHN1XBkvhFZ1vtf1raYQp9TBW2RD5EEawDzbtSmlXUfnaHcvwOizhVYLtr7e6vw7NAf6mT\
    uoCgmlkgnY0iXNlY3AyNTZrMaECjrXI8TLNXU0f8cthpAMxEshUyQlK-AM0PW2wfrnacNI",
    "enr:-HW4QLAYqmrwllBEnzWWs7I5Ev2IAs7x_dZlbYdRdMUx5EyKHDXp7AV5CkuPGUPdvbv1_Ms1CPfhcGCvSElSosZmy\
    oqAgmlkgnY0iXNlY3AyNTZrMaECriawHKWdDRk2xeZkrOXBQ0dfMFLHY4eENZwdufn1S1o",
];

#[test]
fn the_published_tree_is_read_and_reproduced() {
    let link: TreeLink = LINK.parse().unwrap();
    assert_eq!(link.to_string(), LINK);
    assert_eq!(link.domain(), "n");
    let root = TreeRoot::parse(ROOT, &link.public_key()).unwrap();
    assert_eq!(root.to_string(), ROOT);
    assert!(root.nodes.is_of(BRANCH) && root.links.is_of(LINKED));

    let nodes: Vec<Enr> = NODES.iter().map(|text| text.parse().unwrap()).collect();
    let mut tree = Tree::new(1, nodes, vec![LINKED.parse().unwrap()]).unwrap();
    tree.set_signature(&root.signature(), &link.public_key())
        .unwrap();
    let records = tree.records("n");
    assert_eq!(records.len(), 6);
    assert_eq!(records["n"], ROOT);
    assert_eq!(records["C7HRFPF3BLGF3YR4DY5KX3SMBE.n"], LINKED);
    assert_eq!(records["JWXYDBPXYWG6FX3GMDIBFA6CJ4.n"], BRANCH);
    assert_eq!(records["2XS2367YHAXJFGLZHVAWLQD4ZY.n"], NODES[0]);
    for text in records.values().filter(|text| *text != ROOT) {
        assert_eq!(text.parse::<TreeEntry>().unwrap().to_string(), *text);
    }
}

#[test]
fn invalid_roots_are_refused() {
    let link: TreeLink = LINK.parse().unwrap();
    let cases = [
        (
            ROOT.replace("l=C7HRFPF3BLGF3YR4DY5KX3SMBE ", ""),
            EntryError::RootSyntax,
        ),
        (ROOT.replace("seq=1", "seq=+1"), EntryError::RootSyntax),
        (ROOT.replace("seq=1", "seq=-1"), EntryError::RootSyntax),
        (
            ROOT.replace("seq=1", "seq=18446744073709551616"),
            EntryError::RootSyntax,
        ),
        (format!("{ROOT} x=1"), EntryError::RootSyntax),
        (ROOT.replace("e=JWXY", "e=J1XY"), EntryError::RootChild),
        (
            ROOT.replace("JWXYDBPXYWG6FX3GMDIBFA6CJ4", "AAAA"),
            EntryError::RootChild,
        ),
        (ROOT.replace("seq=1", "seq=2"), EntryError::RootSignature),
        (ROOT.replace("sig=o9", "sig=p9"), EntryError::RootSignature),
        (ROOT.replace("3gA", "3g"), EntryError::RootSignature),
        (format!("{ROOT}{}", "A".repeat(2048)), EntryError::TooLong),
    ];
    for (text, error) in cases {
        let root = TreeRoot::parse(&text, &link.public_key());
        assert_eq!(root, Err(error), "{text}");
    }
    let other = TreeRoot::parse(ROOT, &key(1).public_key());
    assert_eq!(other, Err(EntryError::RootSignature));
}

#[test]
fn invalid_entries_are_refused() {
    let long = format!("enrtree-branch:{}", "A".repeat(53));
    let domain = format!("{}@{}", &LINK[..63], "a.".repeat(101));
    let cases = [
        ("", EntryError::UnknownType),
        ("foo", EntryError::UnknownType),
        ("enrtree", EntryError::UnknownType),
        ("enrtree-x=", EntryError::UnknownType),
        (ROOT, EntryError::UnknownType),
        ("enrtree-branch:1,2", EntryError::BranchChild),
        ("enrtree-branch:AAAA", EntryError::BranchChild),
        ("enrtree-branch:,", EntryError::BranchChild),
        (long.as_str(), EntryError::BranchChild),
        ("enrtree://nodes.example.org", EntryError::LinkKeyMissing),
        (
            "enrtree://AP62DT7WOTEQZGQZOU474PP3KMEGVTTE7A7NPRXKX3DUD57@n",
            EntryError::LinkKey,
        ),
        (
            "enrtree://AP62DT7WONEQZGQZOU474PP3KMEGVTTE7A7NPRXKX3DUD57TQHGIA@n",
            EntryError::LinkKey,
        ),
        (&LINK[..LINK.len() - 1], EntryError::LinkDomain),
        (domain.as_str(), EntryError::LinkDomain),
    ];
    for (text, error) in cases {
        assert_eq!(text.parse::<TreeEntry>(), Err(error), "{text}");
    }
    for text in ["enr:", "enr:AAAA=", "enr:wA"] {
        let entry = text.parse::<TreeEntry>();
        assert!(matches!(entry, Err(EntryError::Record(_))), "{text}");
    }
    assert_eq!(LINK[3..].parse::<TreeLink>(), Err(EntryError::LinkScheme));
}

#[test]
fn branches_of_geths_lengths_are_read() {
    for text in [
        "enrtree-branch:",
        "enrtree-branch:AAAAAAAAAAAAAAAAAAAA",
        "enrtree-branch:AAAAAAAAAAAAAAAAAAAA,BBBBBBBBBBBBBBBBBBBA",
    ] {
        let entry: TreeEntry = text.parse().unwrap();
        assert_eq!(entry.to_string(), text);
    }
    let hash: EntryHash = "AAAAAAAAAAAAAAAAAAAA".parse().unwrap();
    assert_eq!(hash.as_bytes(), [0; 12]);
}

#[test]
fn a_nodes_newest_record_is_published() {
    let records: Vec<Enr> = [2, 3, 1]
        .map(|seq| EnrBuilder::new().sign(seq, &key(9)).unwrap())
        .into();
    let tree = Tree::new(1, records.clone(), Vec::new()).unwrap();
    let nodes = tree.entries().filter_map(|(_, entry)| match entry {
        TreeEntry::Node(record) => Some(record.seq()),
        _ => None,
    });
    assert_eq!(nodes.collect::<Vec<_>>(), [3]);
}

#[test]
fn a_record_with_an_invalid_port_is_not_published() {
    let bad = EnrBuilder::new().with("tcp", &70_000_u32);
    let bad = bad.sign(1, &key(1)).unwrap();
    let error = Tree::new(1, vec![bad.clone()], Vec::new()).unwrap_err();
    assert_eq!(error, TreeError::Port(bad.node_id(), "tcp"));
}

#[test]
fn a_signature_of_another_tree_is_refused() {
    let mut tree = Tree::new(1, vec![node(1)], Vec::new()).unwrap();
    assert!(tree.root().is_none() && tree.records("n").len() == 2);
    tree.sign(&key(7), "n").unwrap();
    let signature = tree.root().unwrap().signature();
    let mut other = Tree::new(2, vec![node(1)], Vec::new()).unwrap();
    let refused = other.set_signature(&signature, &key(7).public_key());
    assert_eq!(refused, Err(TreeError::Unsigned));
    assert!(tree.sign(&key(7), "no domain").is_err());
}
