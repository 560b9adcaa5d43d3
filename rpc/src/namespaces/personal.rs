//! The `personal` namespace: the accounts of this node, and signing with their passwords.

use std::sync::Arc;
use std::time::Duration;

use actoreum_actors::log_limit::LogLimit;
use actoreum_messages::accounts::{
    AccountStatus, GetAccounts, ImportKey, Lock, NewAccount, Unlock,
};
use actoreum_messages::usb::{DeriveAccount, ListWallets, OpenWallet, WalletAccount, WalletStatus};
use actoreum_primitives::{Address, B256, Bytes, SecretKey, Signature, alloy_primitives::hex};
use actoreum_wallet::hardware::{Brand, WalletError};
use actoreum_wallet::{DerivationPath, Password, signing};
use tracing::warn;
use zeroize::Zeroizing;

use crate::error::RpcError;
use crate::namespaces::eth::outgoing::{self, SignedTransaction, TxArgs};
use crate::namespaces::keys::{self, ask};
use crate::node::{Node, unanswered};
use crate::server::json::scan::{self, Kind};
use crate::server::json::{JsonOut, WriteJson};
use crate::server::limits::ACTOR_TIMEOUT;
use crate::server::method::Method;
use crate::server::param::{Decimal, FromParam, ParamError};

/// The time for which a key is unlocked if the caller does not say, as in geth.
const UNLOCK_DEFAULT: Duration = Duration::from_secs(300);
/// The maximum number of seconds of a duration in geth: nanoseconds in 63 bits.
const UNLOCK_MAX_SECONDS: u64 = i64::MAX as u64 / 1_000_000_000;

pub(crate) fn methods() -> Vec<Method<Node>> {
    let mut methods = vec![
        Method::actor(
            "personal_deriveAccount",
            &["url", "path", "pin"],
            derive_account,
        ),
        Method::view("personal_ecRecover", &["data", "signature"], ec_recover),
        Method::actor(
            "personal_importRawKey",
            &["key", "password"],
            import_raw_key,
        ),
        Method::actor("personal_listAccounts", &[], keys::accounts),
        Method::actor("personal_listWallets", &[], list_wallets),
        Method::actor("personal_lockAccount", &["address"], lock_account),
        Method::actor("personal_newAccount", &["password"], new_account),
        Method::actor("personal_openWallet", &["url", "password"], open_wallet),
        Method::actor("personal_sign", &["data", "address", "password"], sign),
        Method::actor(
            "personal_signTransaction",
            &["transaction", "password"],
            sign_transaction,
        ),
        Method::actor(
            "personal_unlockAccount",
            &["address", "password", "duration"],
            unlock_account,
        ),
    ];
    for name in [
        "personal_sendTransaction",
        "personal_signAndSendTransaction",
    ] {
        let params = &["transaction", "password"];
        methods.push(Method::submit(name, params, send_transaction));
    }
    methods
}

/// A password, which is zeroed after use.
struct Secret(Password);

impl FromParam for Secret {
    const SCHEMA: &'static str = String::SCHEMA;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        match Kind::of(raw) {
            Kind::String => Ok(Self(Password::from(scan::unquote_secret(raw).as_str()))),
            other => Err(ParamError::mistyped(other.name(), "string")),
        }
    }
}

/// Reads a private key of 64 hex digits without `0x`. Errors reveal nothing of the key.
fn read_key(digits: &Password) -> Result<SecretKey, RpcError> {
    let digits = digits.as_bytes();
    let is_hex = digits.len().is_multiple_of(2) && digits.iter().all(u8::is_ascii_hexdigit);
    if !is_hex {
        return Err(RpcError::server("invalid hex string"));
    }
    let mut bytes = Zeroizing::new([0; 32]);
    hex::decode_to_slice(digits, bytes.as_mut_slice())
        .map_err(|_| RpcError::server("invalid length, need 256 bits"))?;
    SecretKey::from_bytes(&bytes).map_err(|_| {
        let is_zero = bytes.iter().all(|byte| *byte == 0);
        RpcError::server(if is_zero {
            "invalid private key, zero or negative"
        } else {
            "invalid private key, >=N"
        })
    })
}

async fn new_account(node: Arc<Node>, (Secret(password),): (Secret,)) -> Result<Address, RpcError> {
    let made = ask(&node, NewAccount { password }).await?;
    made.map(|account| account.address).map_err(keys::refused)
}

async fn import_raw_key(
    node: Arc<Node>,
    (Secret(digits), Secret(password)): (Secret, Secret),
) -> Result<Address, RpcError> {
    let key = read_key(&digits)?;
    let made = ask(&node, ImportKey { key, password }).await?;
    made.map(|account| account.address).map_err(keys::refused)
}

/// Limits the log lines about failed attempts: a client may try one password after another.
static FAILED_UNLOCKS: LogLimit = LogLimit::new();

/// Unlocks an account for a time. Refused if untrusted clients may reach the node: they could spend
/// the funds of an unlocked account.
async fn unlock_account(
    node: Arc<Node>,
    (address, Secret(password), seconds): (Address, Secret, Option<Decimal>),
) -> Result<bool, RpcError> {
    if node.settings.is_unlocking_forbidden {
        return Err(RpcError::server(
            "account unlock with HTTP access is forbidden",
        ));
    }
    let duration = match seconds {
        None => Some(UNLOCK_DEFAULT),
        Some(Decimal(0)) => None,
        Some(Decimal(seconds)) if seconds > UNLOCK_MAX_SECONDS => {
            return Err(RpcError::server("unlock duration too large"));
        }
        Some(Decimal(seconds)) => Some(Duration::from_secs(seconds)),
    };
    let question = Unlock {
        address,
        password,
        duration,
    };
    let unlocked = ask(&node, question).await?;
    if let Err(error) = &unlocked
        && let Some(suppressed) = FAILED_UNLOCKS.admit()
    {
        warn!(%address, %error, suppressed, "failed account unlock attempt");
    }
    // For an unknown account this is the keystore's text, as in geth.
    unlocked.map_err(|error| RpcError::server(error.to_string()))?;
    Ok(true)
}

async fn lock_account(node: Arc<Node>, (address,): (Address,)) -> Result<bool, RpcError> {
    ask(&node, Lock { address }).await
}

async fn send_transaction(
    node: Arc<Node>,
    (args, password): (TxArgs, Option<Secret>),
) -> Result<impl Future<Output = Result<B256, RpcError>>, RpcError> {
    let password = password.map(|Secret(password)| password);
    let submitted = outgoing::send(Arc::clone(&node), args, password).await?;
    Ok(submitted.hash(node))
}

async fn sign_transaction(
    node: Arc<Node>,
    (args, password): (TxArgs, Option<Secret>),
) -> Result<SignedTransaction, RpcError> {
    outgoing::sign(node, args, password.map(|Secret(password)| password)).await
}

async fn sign(
    node: Arc<Node>,
    (data, address, password): (Bytes, Address, Option<Secret>),
) -> Result<Bytes, RpcError> {
    let password = password.map(|Secret(password)| password);
    keys::sign_message(&node, address, data, password).await
}

/// Returns the signer of a message.
fn ec_recover(_: &Node, (data, signature): (Bytes, Bytes)) -> Result<Address, RpcError> {
    let mut bytes: [u8; 65] = signature
        .as_ref()
        .try_into()
        .map_err(|_| RpcError::server("signature must be 65 bytes long"))?;
    let [.., v] = &mut bytes;
    *v = v
        .checked_sub(27)
        .filter(|parity| *parity <= 1)
        .ok_or_else(|| RpcError::server("invalid Ethereum signature (V is not 27 or 28)"))?;
    let signature = Signature::from_bytes(&bytes);
    let hash = signing::personal_message_hash(&data);
    signature
        .and_then(|signature| signature.recover_address(hash))
        .map_err(|error| RpcError::server(error.to_string()))
}

/// A wallet: a key file, a key in memory, or a device.
struct Wallet(WalletStatus);

impl Wallet {
    fn of_key(key: AccountStatus) -> Self {
        let url = match &key.path {
            Some(path) => format!("keystore://{}", path.display()),
            None => format!("memory://{:x}", key.address),
        };
        let status = if key.is_unlocked {
            "Unlocked"
        } else {
            "Locked"
        };
        Self(WalletStatus {
            url: url.clone(),
            status: status.to_owned(),
            failure: None,
            accounts: vec![WalletAccount {
                address: key.address,
                url,
            }],
        })
    }
}

impl WriteJson for Wallet {
    fn write_json(&self, out: &mut JsonOut) {
        let Self(wallet) = self;
        let mut object = out.object();
        object.field("url", wallet.url.as_str());
        object.field("status", wallet.status.as_str());
        if let Some(failure) = &wallet.failure {
            object.field("failure", failure.to_string());
        }
        let accounts: Vec<_> = wallet.accounts.iter().cloned().map(Account).collect();
        if !accounts.is_empty() {
            object.field("accounts", accounts);
        }
        object.end();
    }
}

struct Account(WalletAccount);

impl WriteJson for Account {
    fn write_json(&self, out: &mut JsonOut) {
        let Self(account) = self;
        let mut object = out.object();
        object
            .field("address", account.address)
            .field("url", account.url.as_str());
        object.end();
    }
}

async fn list_wallets(node: Arc<Node>, (): ()) -> Result<Vec<Wallet>, RpcError> {
    let keys = ask(&node, GetAccounts).await?;
    let mut wallets: Vec<_> = keys.into_iter().map(Wallet::of_key).collect();
    if let Some(hub) = &node.keys.hub {
        let devices = hub.within(ACTOR_TIMEOUT).ask(ListWallets).await;
        wallets.extend(devices.map_err(unanswered)?.into_iter().map(Wallet));
    }
    Ok(wallets)
}

/// Returns whether the wallet with this URL is a device.
///
/// # Errors
/// Fails if the URL has no scheme or no wallet has this URL.
async fn is_device(node: &Arc<Node>, url: &str) -> Result<bool, RpcError> {
    let scheme = match url.split_once("://") {
        Some((scheme, _)) if !scheme.is_empty() => scheme,
        _ => return Err(RpcError::server("protocol scheme missing")),
    };
    let all = list_wallets(Arc::clone(node), ()).await?;
    if !all.iter().any(|Wallet(wallet)| wallet.url == url) {
        return Err(RpcError::server(WalletError::UnknownWallet.to_string()));
    }
    let mut brands = [Brand::Ledger, Brand::Trezor].into_iter();
    Ok(brands.any(|brand| brand.scheme() == scheme))
}

/// Opens a hardware wallet. Key files need no opening.
async fn open_wallet(
    node: Arc<Node>,
    (url, secret): (String, Option<Secret>),
) -> Result<(), RpcError> {
    if !is_device(&node, &url).await? {
        return Ok(());
    }
    let secret = secret.map_or_else(Password::default, |Secret(secret)| secret);
    keys::ask_wallet(&node, OpenWallet { url, secret }).await
}

/// Derives an account of a hardware wallet. A key file holds a single key, from which nothing can
/// be derived.
async fn derive_account(
    node: Arc<Node>,
    (url, path, is_pinned): (String, String, Option<bool>),
) -> Result<Account, RpcError> {
    let is_device = is_device(&node, &url).await?;
    let path = path
        .parse::<DerivationPath>()
        .map_err(|error| RpcError::server(error.to_string()))?;
    if !is_device {
        return Err(RpcError::server(WalletError::NotSupported.to_string()));
    }
    let question = DeriveAccount {
        url,
        path,
        is_pinned: is_pinned.unwrap_or_default(),
    };
    keys::ask_wallet(&node, question).await.map(Account)
}
