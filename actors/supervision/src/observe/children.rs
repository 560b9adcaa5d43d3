//! The children of a node: in their order of start, and by name.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::observe::node::Node;

/// The children of a node. Adding and removing one takes logarithmic time, so that a dynamic
/// supervisor may have very many.
#[derive(Default)]
pub(super) struct Children {
    /// By their numbers, which grow.
    in_order: BTreeMap<u64, Arc<Node>>,
    numbers: HashMap<Box<str>, u64>,
    next_number: u64,
}

impl Children {
    /// Adds a child. Returns false when a sibling has the same name.
    pub(super) fn add(&mut self, child: &Arc<Node>) -> bool {
        if self.numbers.contains_key(&*child.name) {
            return false;
        }
        let number = self.next_number;
        self.next_number += 1;
        self.numbers.insert(child.name.as_str().into(), number);
        self.in_order.insert(number, Arc::clone(child));
        true
    }

    /// Removes a child. Does nothing where it is none; another one may have its name.
    pub(super) fn remove(&mut self, child: &Arc<Node>) {
        let Some(number) = self.numbers.get(&*child.name).copied() else {
            return;
        };
        let known = self.in_order.get(&number);
        if known.is_some_and(|known| Arc::ptr_eq(known, child)) {
            self.in_order.remove(&number);
            self.numbers.remove(&*child.name);
        }
    }

    /// Returns the children in their order of start.
    pub(super) fn all(&self) -> Vec<Arc<Node>> {
        self.in_order.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::snapshot::Kind;

    fn names(children: &Children) -> Vec<String> {
        let all = children.all();
        all.iter().map(|child| child.name.clone()).collect()
    }

    #[test]
    fn children_keep_their_order_and_their_names() {
        let [a, b, c, other_b] = ["a", "b", "c", "b"].map(|name| Node::new(name, Kind::Actor));
        let mut children = Children::default();
        assert!(children.add(&c) && children.add(&b) && children.add(&a));
        assert!(!children.add(&other_b), "the name is taken");
        assert_eq!(names(&children), ["c", "b", "a"]);
        children.remove(&other_b);
        assert_eq!(names(&children), ["c", "b", "a"], "another node");
        children.remove(&b);
        children.remove(&b);
        assert!(children.add(&other_b));
        assert_eq!(names(&children), ["c", "a", "b"]);
    }
}
