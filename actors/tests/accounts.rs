//! Tests of AccountsActor alone: unlocking and its duration, crashes, unreadable folders.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{fs, future::Future, path::Path, time::Duration};

use actoreum_actors::accounts::{AccountsActor, AccountsSetup, UnlockedKeys};
use actoreum_messages::accounts::{GetAccounts, Lock, NewAccount, SignHash, Unlock};
use actoreum_primitives::{Address, B256, SecretKey, Signature};
use actoreum_supervision::{
    ActorRef, ChildSpec, Pool, Strategy, SupervisorSpec, Tree, TreeOptions,
};
use actoreum_wallet::{KeyDirectory, KeyError, Password, ScryptCost};
use tempfile::TempDir;

const TIMEOUT: Duration = Duration::from_secs(60);
const MINUTE: Duration = Duration::from_secs(60);
const PASSWORD: &str = "secret";

/// A tree with the actor, and its keystore folder.
struct Site {
    folder: TempDir,
    tree: Tree,
    actor: ActorRef<AccountsActor>,
}

fn directory(folder: &Path) -> KeyDirectory {
    KeyDirectory::new(folder.join("keystore"), ScryptCost::LIGHT)
}

impl Site {
    async fn start(folder: TempDir, open: Vec<SecretKey>) -> Self {
        let (scrypt, actor) = (Pool::new("scrypt", 1), ActorRef::new("accounts"));
        let setup = AccountsSetup {
            keys: directory(folder.path()),
            threads: scrypt.clone(),
            unlocked: UnlockedKeys::new(open),
            mnemonic_keys: Vec::new(),
        };
        let spec = SupervisorSpec::new("keys", Strategy::RestForOne)
            .child(scrypt.child())
            .child(ChildSpec::new_async(&actor, move || setup.clone().start()))
            .intensity(50, MINUTE);
        // On the test's own thread, whose clock the test moves.
        let tree = TreeOptions::default().single_thread().start(spec);
        let tree = tree.await.unwrap();
        Self {
            folder,
            tree,
            actor,
        }
    }

    /// Starts with one key, which is locked.
    async fn with_key() -> (Self, Address) {
        let folder = tempfile::tempdir().unwrap();
        let password = Password::from(PASSWORD);
        let account = directory(folder.path()).create(&password).unwrap();
        (Self::start(folder, Vec::new()).await, account.address)
    }

    async fn unlock(&self, address: Address, duration: Option<Duration>) {
        let password = Password::from(PASSWORD);
        let request = Unlock {
            address,
            password,
            duration,
        };
        let actor = self.actor.within(TIMEOUT);
        actor.ask(request).await.unwrap().unwrap();
    }

    async fn sign(&self, address: Address) -> Result<Signature, KeyError> {
        let request = SignHash {
            address,
            hash: B256::ZERO,
            password: None,
            must_be_listed: false,
        };
        self.actor.within(TIMEOUT).ask(request).await.unwrap()
    }

    async fn is_locked(&self, address: Address) -> bool {
        matches!(self.sign(address).await, Err(KeyError::Locked))
    }

    async fn addresses(&self) -> Vec<Address> {
        let all = self.actor.within(TIMEOUT).ask(GetAccounts).await.unwrap();
        all.into_iter().map(|account| account.address).collect()
    }

    /// Returns the number of unlocks that are being handled.
    fn unlocks_owed(&self) -> u64 {
        let tree = self.tree.handle().snapshot();
        let accounts = tree.find("keys/accounts");
        let unlocks = accounts.and_then(|accounts| accounts.message("Unlock"));
        unlocks.map_or(0, |unlocks| unlocks.owed)
    }

    async fn crash(&self) {
        let generation = self.actor.generation();
        self.tree.handle().crash("keys/accounts").unwrap();
        while self.actor.generation() == generation {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn stop(self) {
        assert!(self.tree.shutdown().await.is_clean());
    }
}

fn run(test: impl Future<Output = ()>) {
    actoreum_supervision::block_on(test);
}

/// Advances the clock by `time`, which runs the timers that are due.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[test]
fn the_last_unlock_decides_the_unlock_duration() {
    run(async {
        let (site, key) = Site::with_key().await;
        assert!(site.is_locked(key).await);
        site.unlock(key, Some(MINUTE)).await;
        assert!(site.sign(key).await.is_ok());
        pass(MINUTE).await;
        assert!(site.is_locked(key).await);

        // A longer duration: the end of the first one does not lock the key.
        site.unlock(key, Some(MINUTE)).await;
        site.unlock(key, Some(10 * MINUTE)).await;
        pass(9 * MINUTE).await;
        assert!(site.sign(key).await.is_ok());
        // A shorter duration.
        site.unlock(key, Some(MINUTE)).await;
        pass(MINUTE).await;
        assert!(site.is_locked(key).await);

        site.unlock(key, None).await;
        site.unlock(key, Some(MINUTE)).await;
        pass(100 * MINUTE).await;
        assert!(
            site.sign(key).await.is_ok(),
            "an unlock without an end stays"
        );
        let lock = Lock { address: key };
        assert!(site.actor.within(TIMEOUT).ask(lock).await.unwrap());
        assert!(site.is_locked(key).await);

        // The longest duration in geth.
        site.unlock(key, Some(Duration::from_secs(9_223_372_036)))
            .await;
        pass(1_000 * MINUTE).await;
        assert!(site.sign(key).await.is_ok());
        site.stop().await;
    });
}

#[test]
fn a_crash_locks_keys_and_ends_their_timers() {
    run(async {
        let (site, key) = Site::with_key().await;
        site.unlock(key, Some(10 * MINUTE)).await;
        site.crash().await;
        assert!(site.is_locked(key).await);
        site.unlock(key, Some(20 * MINUTE)).await;
        pass(15 * MINUTE).await;
        let signed = site.sign(key).await;
        assert!(signed.is_ok(), "no timer of the last generation locks it");
        pass(5 * MINUTE).await;
        assert!(site.is_locked(key).await);
        site.stop().await;
    });
}

#[test]
fn an_unlock_interrupted_by_a_crash_fails() {
    run(async {
        let (site, key) = Site::with_key().await;
        let password = Password::from(PASSWORD);
        let request = Unlock {
            address: key,
            password,
            duration: None,
        };
        let actor = site.actor.within(TIMEOUT);
        // Scrypt takes longer than the crash. A request that is still queued would be sent again.
        let crash = async {
            while site.unlocks_owed() == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            site.crash().await;
        };
        let (unlocked, ()) = tokio::join!(actor.ask(request), crash);
        assert!(unlocked.is_err(), "{unlocked:?}");
        assert!(site.is_locked(key).await);
        site.unlock(key, None).await;
        assert!(site.sign(key).await.is_ok());
        site.stop().await;
    });
}

#[test]
fn unlocked_keys_sign_while_the_folder_is_unreadable() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let (path, unlocked) = (folder.path().join("keystore"), SecretKey::random());
        fs::write(&path, "no folder").unwrap();
        let site = Site::start(folder, vec![unlocked.clone()]).await;
        assert!(site.addresses().await.is_empty());
        assert!(site.sign(unlocked.address()).await.is_ok());
        site.crash().await;
        assert!(site.sign(unlocked.address()).await.is_ok());
        let created = async || {
            let password = Password::from(PASSWORD);
            let request = NewAccount { password };
            site.actor.within(TIMEOUT).ask(request).await.unwrap()
        };
        let refused = created().await.unwrap_err().to_string();
        assert!(refused.contains("keystore"), "{refused}");

        fs::remove_file(path).unwrap();
        let created = created().await.unwrap();
        assert_eq!(site.addresses().await, [created.address]);
        assert!(site.folder.path().join("keystore").is_dir());
        site.stop().await;
    });
}
