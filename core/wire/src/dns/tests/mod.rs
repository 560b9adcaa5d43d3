mod prop;
mod vectors;
mod walk;

use actoreum_primitives::SecretKey;

use crate::nodes::{Enr, EnrBuilder};

fn key(byte: u8) -> SecretKey {
    SecretKey::from_bytes(&[byte; 32]).unwrap()
}

/// Returns the record of a node.
fn node(number: u8) -> Enr {
    EnrBuilder::new().sign(1, &key(number)).unwrap()
}
