//! AccountsActor by itself: unlocking and its end, crashes in the middle, folders that can't be
//! read.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{fs, future::Future, path::Path, time::Duration};

use actoreum_actors::{
    accounts::{AccountsActor, AccountsSetup, StandingKeys},
    supervision::{ActorRef, ChildSpec, Pool, Strategy, SupervisorSpec, Tree, TreeOptions},
};
use actoreum_messages::accounts::{GetAccounts, Lock, NewAccount, SignHash, Unlock};
use actoreum_primitives::{Address, B256, SecretKey, Signature};
use actoreum_wallet::{KeyDirectory, KeyError, Password, ScryptCost};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);
const MINUTE: Duration = Duration::from_secs(60);
const PASSWORD: &str = "secret";

/// The actor over a folder.
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
            pool: scrypt.clone(),
            open: StandingKeys::new(open),
            held: Vec::new(),
        };
        let spec = SupervisorSpec::new("keys", Strategy::RestForOne)
            .child(scrypt.child())
            .child(ChildSpec::new_async(&actor, move || setup.clone().start()))
            .intensity(50, MINUTE);
        // On the test's own thread, whose clock it moves.
        let tree = TreeOptions::default().single_thread().start(spec);
        let tree = tree.await.unwrap();
        Self {
            folder,
            tree,
            actor,
        }
    }

    /// With one key, which is locked.
    async fn with_key() -> (Self, Address) {
        let folder = tempfile::tempdir().unwrap();
        let password = Password::from(PASSWORD);
        let account = directory(folder.path()).create(&password).unwrap();
        (Self::start(folder, Vec::new()).await, account.address)
    }

    async fn unlock(&self, address: Address, duration: Option<Duration>) {
        let password = Password::from(PASSWORD);
        let question = Unlock {
            address,
            password,
            duration,
        };
        let actor = self.actor.within(PATIENCE);
        actor.ask(question).await.unwrap().unwrap();
    }

    async fn sign(&self, address: Address) -> Result<Signature, KeyError> {
        let question = SignHash {
            address,
            hash: B256::ZERO,
            password: None,
        };
        self.actor.within(PATIENCE).ask(question).await.unwrap()
    }

    async fn is_locked(&self, address: Address) -> bool {
        matches!(self.sign(address).await, Err(KeyError::Locked))
    }

    async fn addresses(&self) -> Vec<Address> {
        let all = self.actor.within(PATIENCE).ask(GetAccounts).await.unwrap();
        all.into_iter().map(|account| account.address).collect()
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
    actix::System::new().block_on(test);
}

/// Lets time pass, and what is due be done.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[test]
fn the_last_unlock_says_how_long_a_key_lies_open() {
    run(async {
        let (site, key) = Site::with_key().await;
        assert!(site.is_locked(key).await);
        site.unlock(key, Some(MINUTE)).await;
        assert!(site.sign(key).await.is_ok());
        pass(MINUTE).await;
        assert!(site.is_locked(key).await);

        // Longer: the end of the first does not lock it.
        site.unlock(key, Some(MINUTE)).await;
        site.unlock(key, Some(10 * MINUTE)).await;
        pass(9 * MINUTE).await;
        assert!(site.sign(key).await.is_ok());
        // Shorter.
        site.unlock(key, Some(MINUTE)).await;
        pass(MINUTE).await;
        assert!(site.is_locked(key).await);

        site.unlock(key, None).await;
        site.unlock(key, Some(MINUTE)).await;
        pass(100 * MINUTE).await;
        assert!(site.sign(key).await.is_ok(), "one without an end stays");
        let lock = Lock { address: key };
        assert!(site.actor.within(PATIENCE).ask(lock).await.unwrap());
        assert!(site.is_locked(key).await);

        // As long as geth can count.
        site.unlock(key, Some(Duration::from_secs(9_223_372_036)))
            .await;
        pass(1_000 * MINUTE).await;
        assert!(site.sign(key).await.is_ok());
        site.stop().await;
    });
}

#[test]
fn a_crash_locks_what_was_unlocked_for_a_while_and_its_timers_end_with_it() {
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
fn an_unlock_that_a_crash_meets_opens_nothing_and_its_caller_hears_of_it() {
    run(async {
        let (site, key) = Site::with_key().await;
        let password = Password::from(PASSWORD);
        let question = Unlock {
            address: key,
            password,
            duration: None,
        };
        let actor = site.actor.within(PATIENCE);
        // It takes scrypt a moment, and the crash none.
        let (unlocked, ()) = tokio::join!(actor.ask(question), site.crash());
        assert!(unlocked.is_err(), "{unlocked:?}");
        assert!(site.is_locked(key).await);
        site.unlock(key, None).await;
        assert!(site.sign(key).await.is_ok());
        site.stop().await;
    });
}

#[test]
fn open_keys_sign_on_while_the_folder_cannot_be_read() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let (path, standing) = (folder.path().join("keystore"), SecretKey::random());
        fs::write(&path, "no folder").unwrap();
        let site = Site::start(folder, vec![standing.clone()]).await;
        assert!(site.addresses().await.is_empty());
        assert!(site.sign(standing.address()).await.is_ok());
        site.crash().await;
        assert!(site.sign(standing.address()).await.is_ok());
        let made = async || {
            let password = Password::from(PASSWORD);
            let question = NewAccount { password };
            site.actor.within(PATIENCE).ask(question).await.unwrap()
        };
        let refused = made().await.unwrap_err().to_string();
        assert!(refused.contains("keystore"), "{refused}");

        fs::remove_file(path).unwrap();
        let made = made().await.unwrap();
        assert_eq!(site.addresses().await, [made.address]);
        assert!(site.folder.path().join("keystore").is_dir());
        site.stop().await;
    });
}
