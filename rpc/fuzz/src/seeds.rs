//! Writes `seeds/json/`, one file for each text.

use std::fs;
use std::path::Path;

const TEXTS: [&str; 9] = [
    r#"{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}"#,
    r#"[{"id":"a","method":"eth_call","params":[{"to":"0x58","data":"0x"},"latest"]},{"id":2}]"#,
    r#""\"\\\/\b\f\n\r\t\u0041\ud83d\ude00\udead""#,
    r#"[0,-1,2.5,3e7,4E-8,-0.0,1e999]"#,
    r#" [ true , false , null ] "#,
    r#"{"a":{"b":[{"c":[]},{}]},"a":2}"#,
    "[1 2]",
    "{bad",
    "\"a\nb\"",
];

fn main() -> std::io::Result<()> {
    let folder = Path::new("seeds/json");
    fs::create_dir_all(folder)?;
    for (index, text) in TEXTS.iter().enumerate() {
        fs::write(folder.join(index.to_string()), text)?;
    }
    let deep = "[".repeat(600) + &"]".repeat(600);
    fs::write(folder.join("deep"), deep)
}
