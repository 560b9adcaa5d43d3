//! The system contracts, with the code that their EIPs publish.

use alloy_primitives::{Address, Bytes, address, bytes};

use super::GenesisAccount;
use crate::Fork;

/// A contract that every block calls from a fork on.
struct SystemContract {
    since: Fork,
    address: Address,
    code: Bytes,
}

/// Returns the accounts of the system contracts of every fork up to `fork`. Their nonce is one,
/// like that of every contract (EIP-161).
pub(super) fn accounts_until(fork: Fork) -> impl Iterator<Item = (Address, GenesisAccount)> {
    all()
        .into_iter()
        .filter(move |contract| contract.since <= fork)
        .map(|contract| {
            let account = GenesisAccount {
                nonce: 1,
                code: contract.code,
                ..GenesisAccount::default()
            };
            (contract.address, account)
        })
}

fn all() -> [SystemContract; 4] {
    [
        // EIP-4788: beacon roots.
        SystemContract {
            since: Fork::Cancun,
            address: address!("0x000f3df6d732807ef1319fb7b8bb8522d0beac02"),
            code: bytes!(
                "3373fffffffffffffffffffffffffffffffffffffffe14604d57602036146024575f5ffd5b5f35801560"
                "495762001fff810690815414603c575f5ffd5b62001fff01545f5260205ff35b5f5ffd5b62001fff4206"
                "4281555f359062001fff015500"
            ),
        },
        // EIP-2935: block hashes.
        SystemContract {
            since: Fork::Prague,
            address: address!("0x0000f90827f1c53a10cb7a02335b175320002935"),
            code: bytes!(
                "3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f3560014303811160"
                "4257611fff81430311604257611fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500"
            ),
        },
        // EIP-7002: withdrawal requests.
        SystemContract {
            since: Fork::Prague,
            address: address!("0x00000961ef480eb55e80d19ad83579a64c007002"),
            code: bytes!(
                "3373fffffffffffffffffffffffffffffffffffffffe1460cb5760115f54807fffffffffffffffffffff"
                "ffffffffffffffffffffffffffffffffffffffffffff146101f457600182026001905f5b5f8211156068"
                "5781019083028483029004916001019190604d565b909390049250505036603814608857366101f45734"
                "6101f4575f5260205ff35b34106101f45760015460010160015560035480600302600401338155600101"
                "5f35815560010160203590553360601b5f5260385f601437604c5fa0600101600355005b600354600254"
                "8082038060101160df575060105b5f5b8181146101835782810160030260040181604c02815460601b81"
                "52601401816001015481526020019060020154807fffffffffffffffffffffffffffffffff0000000000"
                "0000000000000000000000168252906010019060401c908160381c81600701538160301c816006015381"
                "60281c81600501538160201c81600401538160181c81600301538160101c81600201538160081c816001"
                "01535360010160e1565b910180921461019557906002556101a0565b90505f6002555f6003555b5f5480"
                "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff14156101cd57505f5b"
                "6001546002828201116101e25750505f6101e8565b01600290035b5f555f600155604c025ff35b5f5ffd"
            ),
        },
        // EIP-7251: consolidation requests.
        SystemContract {
            since: Fork::Prague,
            address: address!("0x0000bbddc7ce488642fb579f8b00f3a590007251"),
            code: bytes!(
                "3373fffffffffffffffffffffffffffffffffffffffe1460d35760115f54807fffffffffffffffffffff"
                "ffffffffffffffffffffffffffffffffffffffffffff1461019a57600182026001905f5b5f8211156068"
                "5781019083028483029004916001019190604d565b9093900492505050366060146088573661019a5734"
                "61019a575f5260205ff35b341061019a5760015460010160015560035480600402600401338155600101"
                "5f358155600101602035815560010160403590553360601b5f5260605f60143760745fa0600101600355"
                "005b6003546002548082038060021160e7575060025b5f5b818114610129578281016004026004018160"
                "7402815460601b8152601401816001015481526020018160020154815260200190600301549052600101"
                "60e9565b910180921461013b5790600255610146565b90505f6002555f6003555b5f54807fffffffffff"
                "ffffffffffffffffffffffffffffffffffffffffffffffffffffff141561017357505f5b600154600182"
                "8201116101885750505f61018e565b01600190035b5f555f6001556074025ff35b5f5ffd"
            ),
        },
    ]
}
