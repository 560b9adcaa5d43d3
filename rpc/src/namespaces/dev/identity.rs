//! The node that a development chain answers as.

use serde_json::{Value, json};

/// The version of anvil whose names, units and results are answered.
const ANVIL: &str = "1.7.1";
/// The version of Hardhat whose names, units and results are answered.
const HARDHAT: &str = "2.26.3";

/// The node that a development chain answers as (`--dev.as`). Tools ask `web3_clientVersion` for a
/// name, and expect the results of the node with this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DevIdentity {
    /// Foundry's anvil.
    Anvil,
    /// Hardhat Network.
    Hardhat,
    /// This node itself, as a geth with development methods.
    #[default]
    Geth,
}

impl DevIdentity {
    /// Returns the answer to `web3_clientVersion` of a node whose own is `own`, in the form
    /// `name/version/platform/compiler`.
    pub fn client_version(self, own: &str) -> String {
        match self {
            Self::Anvil => format!("anvil/v{}", self.version(own)),
            Self::Hardhat => format!("HardhatNetwork/{}/actoreum", self.version(own)),
            Self::Geth => own.to_owned(),
        }
    }

    /// Returns the version alone; this node's follows as build metadata of semantic versioning.
    pub fn version(self, own: &str) -> String {
        let mut parts = own.split('/').skip(1);
        let is_version = |part: &&str| {
            let digits = part.strip_prefix('v').unwrap_or_default();
            digits.starts_with(|first: char| first.is_ascii_digit())
        };
        let own = parts.find(is_version).unwrap_or("v0.0.0");
        let own = own.trim_start_matches('v');
        match self {
            Self::Anvil => format!("{ANVIL}+actoreum.{own}"),
            Self::Hardhat => format!("{HARDHAT}+actoreum.{own}"),
            Self::Geth => own.to_owned(),
        }
    }

    /// Returns the id of the first snapshot.
    pub fn first_snapshot(self) -> u64 {
        match self {
            Self::Anvil => 0,
            Self::Hardhat | Self::Geth => 1,
        }
    }

    /// Returns the result of a method that only has an effect: alloy takes nothing but null from
    /// anvil.
    pub(super) fn done(self) -> Value {
        match self {
            Self::Anvil => Value::Null,
            Self::Hardhat | Self::Geth => Value::Bool(true),
        }
    }

    /// Returns the result of a method that may find nothing to do.
    pub(super) fn done_if(self, was_done: bool) -> Value {
        match self {
            Self::Anvil => Value::Null,
            Self::Hardhat | Self::Geth => Value::Bool(was_done),
        }
    }

    /// Returns a number of seconds: anvil's is a JSON number, Hardhat's a decimal string.
    pub(super) fn seconds(self, seconds: i64) -> Value {
        match self {
            Self::Anvil => json!(seconds),
            Self::Hardhat => json!(seconds.to_string()),
            Self::Geth => json!(format!("{:#x}", seconds.max(0))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "Actoreum/v0.1.0/linux-x86_64/rust1.95";

    #[test]
    fn tools_find_the_name_that_they_look_for() {
        let version = |identity: DevIdentity, own| identity.client_version(own);
        assert_eq!(
            version(DevIdentity::Anvil, OWN),
            "anvil/v1.7.1+actoreum.0.1.0"
        );
        assert_eq!(
            version(DevIdentity::Anvil, "Actoreum/van/v0.1.0/linux"),
            "anvil/v1.7.1+actoreum.0.1.0"
        );
        let hardhat = version(DevIdentity::Hardhat, OWN);
        assert!(hardhat.starts_with("HardhatNetwork/2.26.3"), "{hardhat}");
        assert_eq!(version(DevIdentity::Geth, OWN), OWN);
    }

    #[test]
    fn results_have_the_form_of_the_node_that_is_answered_as() {
        let results = |identity: DevIdentity| {
            [
                identity.done(),
                identity.done_if(false),
                identity.seconds(60),
            ]
        };
        let none = Value::Null;
        assert_eq!(results(DevIdentity::Anvil), [none.clone(), none, json!(60)]);
        assert_eq!(
            results(DevIdentity::Hardhat),
            [json!(true), json!(false), json!("60")]
        );
        assert_eq!(
            results(DevIdentity::Geth),
            [json!(true), json!(false), json!("0x3c")]
        );
    }
}
