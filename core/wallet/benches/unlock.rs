//! What it costs to open a key file, beside the key derivation alone, which is what makes a guess
//! expensive: all the rest should be lost in it.
#![expect(missing_docs, reason = "criterion's macros make a public item")]

use std::hint::black_box;

use actoreum_primitives::SecretKey;
use actoreum_wallet::{KeyDirectory, Password, ScryptCost};
use criterion::{Criterion, criterion_group, criterion_main};

fn unlock(criterion: &mut Criterion) {
    let password = Password::from("correct horse");
    let key = SecretKey::random();
    for (name, cost, log_n, p) in [
        ("standard", ScryptCost::STANDARD, 18, 1),
        ("light", ScryptCost::LIGHT, 12, 6),
    ] {
        let folder = tempfile::tempdir().expect("because there is a disk");
        let keys = KeyDirectory::new(folder.path().join("keystore"), cost);
        let account = keys.import(&key, &password).expect("because it is new");
        let params = scrypt::Params::new(log_n, 8, p).expect("because they are geth's");
        let mut group = criterion.benchmark_group(name);
        group.sample_size(10);
        group.bench_function("scrypt alone", |bencher| {
            bencher.iter(|| {
                let mut derived = [0; 32];
                let salt = black_box([7; 32]);
                scrypt::scrypt(password.as_bytes(), &salt, &params, &mut derived)
                    .expect("because 32 bytes are a length");
                derived
            });
        });
        group.bench_function("open a key file", |bencher| {
            bencher.iter(|| keys.open(&account, &password));
        });
        group.finish();
    }
}

criterion_group!(benches, unlock);
criterion_main!(benches);
