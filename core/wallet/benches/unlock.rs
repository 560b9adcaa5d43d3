//! Benchmark of decrypting a key file against the key derivation alone, which makes a guess
//! expensive: the rest should be negligible.
//!
//! scrypt waits for memory, whose speed drifts by a tenth within seconds. So the two alternate, and
//! the medians of all rounds are compared.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use actoreum_primitives::SecretKey;
use actoreum_wallet::{KeyDirectory, Password, ScryptCost};

fn main() {
    let password = Password::from("correct horse");
    let key = SecretKey::random();
    for (name, cost, log_n, p, turns) in [
        ("standard", ScryptCost::STANDARD, 18, 1, 20),
        ("light", ScryptCost::LIGHT, 12, 6, 100),
    ] {
        let folder = tempfile::tempdir().expect("because there is a disk");
        let keys = KeyDirectory::new(folder.path().join("keystore"), cost);
        let account = keys.import(&key, &password).expect("because it is new");
        let params = scrypt::Params::new(log_n, 8, p).expect("because they are geth's");
        let derive = || {
            let mut derived = [0; 32];
            let salt = black_box([7; 32]);
            scrypt::scrypt(password.as_bytes(), &salt, &params, &mut derived)
                .expect("because 32 bytes are a length");
            black_box(derived);
        };
        let open = || {
            black_box(keys.open(&account, &password)).expect("because the password is right");
        };
        let (derivation, total): (Vec<_>, Vec<_>) =
            (0..turns).map(|_| (time(derive), time(open))).unzip();
        let (derivation, total) = (median(derivation), median(total));
        println!(
            "{name}: scrypt alone {:.1} ms, a key file opened in {:.1} ms, {:.3} of it",
            derivation * 1e3,
            total * 1e3,
            total / derivation,
        );
    }
}

fn time(work: impl Fn()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}

/// Returns the median in seconds.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}
