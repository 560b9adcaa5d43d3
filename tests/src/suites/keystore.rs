//! `KeyStoreTests`: key files of several clients, each decrypted with its password.

use actoreum_primitives::B256;
use actoreum_wallet::{KeyFile, Password, ScryptCost};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::archive::ArchivedFile;
use crate::json;
use crate::report::{Difference, Report, same};

#[derive(Deserialize)]
struct Vector<'a> {
    #[serde(borrow)]
    json: &'a RawValue,
    password: &'a str,
    r#priv: &'a str,
}

fn run_one(vector: &Vector<'_>) -> Result<(), Difference> {
    let failed =
        |what: &str, error: &dyn std::fmt::Display| Difference::new(what, "to succeed", error);
    let password = Password::from(vector.password);
    let file =
        KeyFile::parse(vector.json.get().as_bytes()).map_err(|error| failed("reading", &error))?;
    let key = file
        .decrypt(&password)
        .map_err(|error| failed("opening", &error))?;
    let expected: B256 = vector.r#priv.parse().expect("a vector's key is 32 bytes");
    same("key", &expected, &B256::from(*key.to_bytes()))?;

    let wrong = file.decrypt(&Password::from("not the password"));
    same("opened with a wrong password", &false, &wrong.is_ok())?;
    let again = KeyFile::encrypt(&key, &password, ScryptCost::LIGHT)
        .and_then(|file| file.to_json())
        .and_then(|json| KeyFile::parse(&json)?.decrypt(&password))
        .map_err(|error| failed("writing and opening again", &error))?;
    same(
        "key, written and opened again",
        &expected,
        &B256::from(*again.to_bytes()),
    )
}

/// Runs a file of `KeyStoreTests`.
pub fn run(file: &ArchivedFile, report: &Report) {
    let vectors = json::named_vectors(&file.content).expect("a key store file is an object");
    for (name, text) in vectors {
        let vector: Vector<'_> = serde_json::from_str(text.get()).expect("a vector is read");
        report.record(
            "key store",
            "-",
            &format!("{} {name}", file.path),
            run_one(&vector),
        );
    }
}
