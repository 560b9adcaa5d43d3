//! Key files: the official vectors, geth's directory, and files with untrusted content.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{fs, io::Read, os::unix::fs::PermissionsExt, path::PathBuf};

use actoreum_primitives::{SecretKey, address};
use actoreum_wallet::{KeyDirectory, KeyError, KeyFile, Password, ScryptCost};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Returns the folder of the fixtures, if it exists.
fn fixtures() -> Option<PathBuf> {
    let folder = match std::env::var_os("ACTOREUM_FIXTURES") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures"),
    };
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: fixtures not found");
    None
}

fn directory() -> (tempfile::TempDir, KeyDirectory) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let keys = KeyDirectory::new(folder.path().join("keystore"), ScryptCost::LIGHT);
    (folder, keys)
}

/// Returns a key file that decrypts quickly.
fn quick_file() -> Value {
    let derived = "0".repeat(64);
    json!({
        "version": 3, "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
        "address": "460121576cc7df020759730751f92bd62fd78dd6",
        "crypto": {
            "cipher": "aes-128-ctr", "cipherparams": {"iv": "6087dab2f9fdbbfaddc31a909735c1e6"},
            "ciphertext": derived, "kdf": "pbkdf2",
            "kdfparams": {"c": 1, "dklen": 32, "prf": "hmac-sha256", "salt": "00"},
            "mac": derived,
        },
    })
}

#[test]
fn vectors_official_keystore_tests() {
    let Some(fixtures) = fixtures() else { return };
    let archive = fs::File::open(fixtures.join("vectors/units.tar.zst")).unwrap();
    let mut decoder = zstd::Decoder::new(archive).unwrap();
    decoder.window_log_max(27).unwrap();
    let mut passed = 0;
    for entry in tar::Archive::new(decoder).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        if !path.starts_with("KeyStoreTests/") || !path.ends_with(".json") {
            continue;
        }
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        let tests: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
        for (name, test) in tests {
            let file = KeyFile::parse(test["json"].to_string().as_bytes()).unwrap();
            let key = file
                .decrypt(&Password::from(test["password"].as_str().unwrap()))
                .unwrap();
            let want = hex::decode(test["priv"].as_str().unwrap()).unwrap();
            assert_eq!(key.to_bytes().as_slice(), want, "{name}");
            let wrong = file.decrypt(&Password::from("not the password"));
            assert!(matches!(wrong, Err(KeyError::WrongPassword)), "{name}");
            passed += 1;
        }
    }
    assert!(passed >= 4, "{passed} vectors");
}

#[test]
fn a_key_written_by_geth_decrypts() {
    let Some(fixtures) = fixtures() else { return };
    let folder = fixtures.join("clique-bench");
    let password = fs::read_to_string(folder.join("password.txt")).unwrap();
    let file = KeyFile::parse(&fs::read(folder.join("keystore.json")).unwrap()).unwrap();
    let key = file.decrypt(&Password::from(password.trim())).unwrap();
    assert_eq!(file.address, Some(key.address()));
}

#[test]
fn files_have_geths_names_modes_and_fields() {
    let (_folder, keys) = directory();
    let account = keys.create(&Password::from("")).unwrap();
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(keys.folder()), 0o700);
    assert_eq!(mode(&account.path), 0o600);
    let address = hex::encode(account.address);
    let name = account.path.file_name().unwrap().to_string_lossy();
    assert!(
        name.starts_with("UTC--20") && name.ends_with(&address),
        "{name}"
    );
    let json: Value = serde_json::from_slice(&fs::read(&account.path).unwrap()).unwrap();
    assert_eq!(json["version"], 3);
    assert_eq!(json["address"], address);
    assert_eq!(json["crypto"]["kdfparams"]["n"], 4096);
    assert_eq!(json["crypto"]["kdfparams"]["p"], 6);
    assert_eq!(
        account.url(),
        format!("keystore://{}", account.path.display())
    );
    assert_eq!(
        fs::read_dir(keys.folder()).unwrap().count(),
        1,
        "nothing is left over"
    );
}

#[test]
fn the_directory_finds_imports_updates_and_deletes() {
    let (_folder, keys) = directory();
    assert!(keys.list().unwrap().is_empty());
    let (old, new) = (Password::from("old"), Password::from("new"));
    let key = SecretKey::random();
    let account = keys.import(&key, &old).unwrap();
    assert!(matches!(keys.import(&key, &old), Err(KeyError::Exists)));
    assert_eq!(keys.open(&account, &old).unwrap(), key);

    let wrong = keys.open(&account, &new).unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "could not decrypt key with given passphrase"
    );
    keys.update(&account, &old, &new).unwrap();
    assert!(keys.open(&account, &old).is_err());
    assert_eq!(keys.open(&account, &new).unwrap(), key);

    let copy = keys.folder().join("copy");
    fs::copy(&account.path, &copy).unwrap();
    let ambiguous = keys.find(key.address(), None).unwrap_err().to_string();
    assert!(
        ambiguous.starts_with("multiple keys match address ("),
        "{ambiguous}"
    );
    assert!(
        ambiguous.contains("copy") && ambiguous.contains("UTC--"),
        "{ambiguous}"
    );
    assert_eq!(keys.find(key.address(), Some(&copy)).unwrap().path, copy);

    assert!(keys.delete(&account, &old).is_err());
    keys.delete(&account, &new).unwrap();
    assert_eq!(keys.find(key.address(), None).unwrap().path, copy);
}

#[test]
fn other_files_are_ignored_and_changes_are_seen() {
    let (_folder, keys) = directory();
    let account = keys.create(&Password::from("a")).unwrap();
    let folder = keys.folder();
    let content = fs::read(&account.path).unwrap();
    fs::write(folder.join(".hidden"), &content).unwrap();
    fs::write(folder.join("backup~"), &content).unwrap();
    fs::write(folder.join("note"), "hello").unwrap();
    fs::write(folder.join("large"), vec![b' '; 1 << 20]).unwrap();
    fs::create_dir(folder.join("folder")).unwrap();
    std::os::unix::fs::symlink(&account.path, folder.join("link")).unwrap();
    let index = keys.scan(&Default::default()).unwrap();
    assert_eq!(index.accounts(), std::slice::from_ref(&account));

    let second = keys.create(&Password::from("b")).unwrap();
    fs::remove_file(&account.path).unwrap();
    assert_eq!(keys.scan(&index).unwrap().accounts(), [second]);
}

#[test]
fn files_with_invalid_members_are_refused() {
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut file = quick_file();
        change(&mut file);
        match KeyFile::parse(file.to_string().as_bytes()) {
            Ok(file) => file.decrypt(&Password::from("x")).unwrap_err().to_string(),
            Err(error) => error.to_string(),
        }
    };
    assert_eq!(
        refused(&|_| {}),
        "could not decrypt key with given passphrase"
    );
    assert_eq!(
        refused(&|file| file["version"] = json!(4)),
        "Version not supported: 4"
    );
    assert_eq!(
        refused(&|file| file["crypto"]["cipher"] = json!("aes-256-ctr")),
        "Cipher not supported: aes-256-ctr"
    );
    assert_eq!(
        refused(&|file| file["crypto"]["kdf"] = json!("argon2")),
        "Unsupported KDF: argon2"
    );
    assert_eq!(
        refused(&|file| file["crypto"]["kdfparams"]["prf"] = json!("hmac-sha1")),
        "Unsupported PBKDF2 PRF: hmac-sha1"
    );
    let scrypt = |n: u64, r: u64, p: u64| {
        refused(&|file| {
            file["crypto"]["kdf"] = json!("scrypt");
            file["crypto"]["kdfparams"] =
                json!({"dklen": 32, "n": n, "r": r, "p": p, "salt": "00"});
        })
    };
    for (n, r, p) in [(1 << 31, 8, 1), (1 << 18, 1 << 20, 1), (2, 8, 1 << 30)] {
        assert!(
            scrypt(n, r, p).contains("too much memory or time"),
            "{n} {r} {p}"
        );
    }
    for (n, r, p) in [(3, 8, 1), (0, 8, 1), (1, 8, 1), (4096, 0, 1), (4096, 8, 0)] {
        assert!(scrypt(n, r, p).contains("impossible"), "{n} {r} {p}");
    }
    for short in [0, 8, 31] {
        assert!(
            refused(&|file| file["crypto"]["kdfparams"]["dklen"] = json!(short))
                .contains("32 bytes")
        );
    }
    assert!(
        refused(&|file| file["crypto"]["cipherparams"]["iv"] = json!("00")).contains("16 bytes")
    );
    assert!(refused(&|file| file["crypto"]["kdfparams"]["c"] = json!(0)).contains("rounds"));
    assert!(refused(&|file| file["address"] = json!("zz")).contains("address"));
}

/// geth's test vector of version 1, which wallets of 2015 wrote.
const VERSION_1: &str = r#"{
    "Crypto": {
        "cipher": "aes-128-cbc",
        "cipherparams": {"iv": "35337770fc2117994ecdcad026bccff4"},
        "ciphertext": "6143d3192db8b66eabd693d9c4e414dcfaee52abda451af79ccf474dafb35f1bfc7ea013aa9d2ee35969a1a2e8d752d0",
        "kdf": "scrypt",
        "kdfparams": {"dklen": 32, "n": 262144, "p": 1, "r": 8,
            "salt": "9afcddebca541253a2f4053391c673ff9fe23097cd8555d149d929e4ccf1257f"},
        "mac": "3f3d5af884b17a100b0b3232c0636c230a54dc2ac8d986227219b0dd89197644",
        "version": "1"
    },
    "address": "cb61d5a9c4896fb9658090b597ef0e7be6f7b67e",
    "id": "e25f7c1f-d318-4f29-b62c-687190d4d299",
    "version": "1"
}"#;

#[test]
fn a_version_1_file_decrypts_and_updates_to_version_3() {
    let (_folder, keys) = directory();
    fs::create_dir(keys.folder()).unwrap();
    let path = keys.folder().join("old");
    fs::write(&path, VERSION_1).unwrap();
    let address = address!("cb61d5a9c4896fb9658090b597ef0e7be6f7b67e");
    let account = keys.find(address, None).unwrap();
    let wrong = keys.open(&account, &Password::from("h"));
    assert!(matches!(wrong, Err(KeyError::WrongPassword)));
    let key = keys.open(&account, &Password::from("g")).unwrap();
    assert_eq!(
        hex::encode(key.to_bytes()),
        "d1b1178d3529626a1a93e073f65028370d14c7eb0936eb42abef05db6f37ad7d"
    );
    let file = KeyFile::parse(VERSION_1.as_bytes()).unwrap();
    let again = KeyFile::parse(&file.to_json().unwrap()).unwrap();
    assert_eq!(again.decrypt(&Password::from("g")).unwrap(), key);

    let (old, new) = (Password::from("g"), Password::from("new"));
    keys.update(&account, &old, &new).unwrap();
    let json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(json["version"], 3);
    assert_eq!(keys.open(&account, &new).unwrap(), key);
}

#[test]
fn a_file_is_listed_by_address_and_fails_when_decrypted() {
    let (_folder, keys) = directory();
    fs::create_dir(keys.folder()).unwrap();
    let address = address!("460121576cc7df020759730751f92bd62fd78dd6");
    let path = keys.folder().join("odd");
    let mut unknown = quick_file();
    unknown["crypto"]["cipher"] = json!("aes-256-ctr");
    for (file, text) in [
        (unknown, "Cipher not supported: aes-256-ctr"),
        (
            json!({"Address": address, "version": 3}),
            "not a key file: crypto is missing",
        ),
        (json!({"address": address}), "Version not supported: none"),
    ] {
        fs::write(&path, file.to_string()).unwrap();
        let account = keys.find(address, None).unwrap();
        let refused = keys.open(&account, &Password::from("x")).unwrap_err();
        assert!(refused.to_string().contains(text), "{refused}");
    }
    for none in [
        json!({"address": ""}),
        json!({"address": "0x00"}),
        json!([]),
    ] {
        fs::write(&path, none.to_string()).unwrap();
        assert!(keys.list().unwrap().is_empty(), "{none}");
    }
}

#[test]
fn a_file_without_id_or_with_a_longer_derived_key_decrypts() {
    let key = SecretKey::random();
    let password = Password::from("x");
    let written = KeyFile::encrypt(&key, &password, ScryptCost::LIGHT).unwrap();
    let file: Value = serde_json::from_slice(&written.to_json().unwrap()).unwrap();
    let opened = |file: &Value| {
        let file = KeyFile::parse(file.to_string().as_bytes())?;
        file.decrypt(&password)
    };
    for id in [Value::Null, json!("mine"), json!(7)] {
        let mut other = file.clone();
        other["id"] = id;
        assert_eq!(opened(&other).unwrap(), key);
    }
    let mut other = file.clone();
    other.as_object_mut().unwrap().remove("id");
    other["crypto"]["kdfparams"]["dklen"] = json!(64);
    assert_eq!(opened(&other).unwrap(), key);
}

#[test]
fn changed_or_newly_readable_files_are_read_again() {
    let (_folder, keys) = directory();
    let account = keys.create(&Password::from("a")).unwrap();
    let index = keys.scan(&Default::default()).unwrap();
    let other = address!("460121576cc7df020759730751f92bd62fd78dd6");
    fs::write(&account.path, quick_file().to_string()).unwrap();
    let changed = keys.scan(&index).unwrap();
    let [now] = &changed.accounts()[..] else {
        panic!("{changed:?}")
    };
    assert_eq!((now.address, &now.path), (other, &account.path));
    let (came, went) = changed.changes_since(&index);
    assert_eq!((came, went), (vec![now.clone()], vec![account.clone()]));
    let none = keys.scan(&changed).unwrap().changes_since(&changed);
    assert_eq!(none, (vec![], vec![]));

    // Root can read the file regardless: then the first scan succeeds.
    let secret = fs::Permissions::from_mode(0o000);
    fs::set_permissions(&account.path, secret).unwrap();
    let hidden = keys.scan(&Default::default()).unwrap();
    fs::set_permissions(&account.path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(keys.scan(&hidden).unwrap().accounts(), changed.accounts());
}

#[test]
fn a_file_of_another_wallet_decrypts() {
    let mut file = quick_file();
    let crypto = file["crypto"].take();
    let fields = file.as_object_mut().unwrap();
    fields.remove("crypto");
    fields.insert("Crypto".into(), crypto);
    let parsed = KeyFile::parse(file.to_string().as_bytes()).unwrap();
    assert_eq!(
        parsed.address,
        Some(address!("460121576cc7df020759730751f92bd62fd78dd6"))
    );
}

/// Returns a file that `key` was encrypted into, as JSON.
fn encrypted(key: &SecretKey) -> Value {
    let written = KeyFile::encrypt(key, &Password::from("x"), ScryptCost::LIGHT).unwrap();
    serde_json::from_slice(&written.to_json().unwrap()).unwrap()
}

fn opened(json: &[u8]) -> Result<SecretKey, KeyError> {
    KeyFile::parse(json)?.decrypt(&Password::from("x"))
}

/// Renames a member of an object.
fn rename(object: &mut Value, old: &str, new: &str) {
    let fields = object.as_object_mut().unwrap();
    let value = fields.remove(old).unwrap();
    fields.insert(new.to_owned(), value);
}

#[test]
fn numbers_of_the_kdf_may_be_written_as_floats() {
    let key = SecretKey::random();
    let text = encrypted(&key).to_string();
    for (written, other) in [
        ("\"n\":4096", "\"n\":4096.0"),
        ("\"n\":4096", "\"n\":4.096e3"),
        ("\"dklen\":32", "\"dklen\":32.0"),
        ("\"version\":3", "\"version\":3.0"),
    ] {
        assert!(text.contains(written), "{text}");
        let json = text.replace(written, other);
        assert_eq!(opened(json.as_bytes()).unwrap(), key, "{other}");
    }
}

#[test]
fn member_names_are_case_insensitive() {
    let key = SecretKey::random();
    let mut file = encrypted(&key);
    let kdfparams = &mut file["crypto"]["kdfparams"];
    rename(kdfparams, "dklen", "dkLen");
    rename(kdfparams, "n", "N");
    rename(kdfparams, "salt", "Salt");
    rename(&mut file["crypto"]["cipherparams"], "iv", "IV");
    rename(&mut file["crypto"], "kdfparams", "kdfParams");
    rename(&mut file["crypto"], "cipherparams", "cipherParams");
    rename(&mut file["crypto"], "ciphertext", "cipherText");
    rename(&mut file["crypto"], "mac", "MAC");
    rename(&mut file, "crypto", "Crypto");
    rename(&mut file, "version", "Version");
    assert_eq!(opened(file.to_string().as_bytes()).unwrap(), key);
}

#[test]
fn byte_order_mark_blanks_and_prefixes_are_ignored() {
    let (_folder, keys) = directory();
    fs::create_dir(keys.folder()).unwrap();
    let key = SecretKey::random();
    let mut file = encrypted(&key);
    let address = hex::encode_upper(key.address());
    let iv = file["crypto"]["cipherparams"]["iv"].as_str().unwrap();
    file["crypto"]["cipherparams"]["iv"] = json!(format!("0x{}", iv.to_uppercase()));
    for (index, (before, prefix, after)) in [
        ("\u{feff}", "", ""),
        ("", "", "\n"),
        ("\r\n ", "", "\r\n\r\n"),
        ("\u{feff}", "0x", "\n"),
        ("", "0X", ""),
    ]
    .into_iter()
    .enumerate()
    {
        file["address"] = json!(format!("{prefix}{address}"));
        let path = keys.folder().join(index.to_string());
        fs::write(&path, format!("{before}{file}{after}")).unwrap();
        let account = keys.find(key.address(), Some(&path)).unwrap();
        assert_eq!(keys.open(&account, &Password::from("x")).unwrap(), key);
    }
    let utf16 = b"\xff\xfe{\0}\0";
    let error = opened(utf16).unwrap_err().to_string();
    assert!(error.contains("UTF-16"), "{error}");
}

#[test]
fn an_error_names_the_invalid_member() {
    const MISSING: Value = Value::Null;
    let text = json!("text");
    for (pointer, value, part) in [
        ("/crypto", &MISSING, "crypto is missing"),
        ("/crypto", &text, "crypto must be an object"),
        ("/crypto/cipher", &MISSING, "crypto.cipher is missing"),
        ("/crypto/kdf", &json!(7), "crypto.kdf must be text"),
        ("/crypto/mac", &json!("00"), "crypto.mac must have 32 bytes"),
        (
            "/crypto/ciphertext",
            &text,
            "crypto.ciphertext must be bytes in hex",
        ),
        (
            "/crypto/ciphertext",
            &json!(""),
            "crypto.ciphertext is no key",
        ),
        (
            "/crypto/cipherparams/iv",
            &MISSING,
            "crypto.cipherparams.iv is missing",
        ),
        ("/crypto/kdfparams", &MISSING, "crypto.kdfparams is missing"),
        (
            "/crypto/kdfparams/n",
            &MISSING,
            "crypto.kdfparams.n is missing",
        ),
        (
            "/crypto/kdfparams/n",
            &json!("4096"),
            "crypto.kdfparams.n must be a whole number, not \"4096\"",
        ),
        (
            "/crypto/kdfparams/n",
            &json!(4096.5),
            "crypto.kdfparams.n must be a whole number",
        ),
        (
            "/crypto/kdfparams/r",
            &json!(-8),
            "crypto.kdfparams.r must be a whole number",
        ),
        (
            "/crypto/kdfparams/p",
            &json!([]),
            "crypto.kdfparams.p must be a whole number",
        ),
        (
            "/crypto/kdfparams/dklen",
            &MISSING,
            "crypto.kdfparams.dklen is missing",
        ),
        (
            "/crypto/kdfparams/salt",
            &json!("0"),
            "crypto.kdfparams.salt must be bytes in hex",
        ),
        (
            "/crypto/kdfparams/n",
            &json!(1_u64 << 40),
            "too much memory or time",
        ),
        (
            "/address",
            &json!("0x12"),
            "address must be 20 bytes in hex",
        ),
    ] {
        let mut file = encrypted(&SecretKey::random());
        *file.pointer_mut(pointer).unwrap() = value.clone();
        let error = opened(file.to_string().as_bytes()).unwrap_err().to_string();
        assert!(error.contains(part), "{pointer} {value}: {error}");
    }
    let mut file = quick_file();
    file["crypto"]["kdfparams"]
        .as_object_mut()
        .unwrap()
        .remove("prf");
    let error = opened(file.to_string().as_bytes()).unwrap_err().to_string();
    assert!(error.contains("crypto.kdfparams.prf is missing"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn prop_a_key_decrypts_only_with_its_password(password: String, other: String) {
        prop_assume!(password != other);
        let key = SecretKey::random();
        let password = Password::from(password);
        let file = KeyFile::encrypt(&key, &password, ScryptCost::LIGHT).unwrap();
        let read = KeyFile::parse(&file.to_json().unwrap()).unwrap();
        prop_assert_eq!(read.decrypt(&password).unwrap(), key);
        let refused = matches!(read.decrypt(&Password::from(other)), Err(KeyError::WrongPassword));
        prop_assert!(refused);
    }
}

proptest! {
    #[test]
    fn prop_no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = KeyFile::parse(&bytes);
    }

    #[test]
    fn prop_a_damaged_file_never_panics(at in 0..400_usize, byte: u8) {
        let mut bytes = quick_file().to_string().into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(file) = KeyFile::parse(&bytes) {
            let _ = file.decrypt(&Password::from("x"));
        }
    }
}
