//! Completion scripts and manual pages.

use std::{fs, process::Command};

use crate::process::actoreum;

fn completions(shell: &str) -> String {
    let output = actoreum(&["completions", shell]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn bash_completes_flags_and_commands() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("actoreum.bash");
    fs::write(&script, completions("bash")).unwrap();
    for (typed, completed) in [("--datad", "--datadir"), ("boot", "bootnode")] {
        let code = format!(
            "source {}; COMP_WORDS=(actoreum {typed}); COMP_CWORD=1; \
             _actoreum actoreum {typed} actoreum; echo \"${{COMPREPLY[@]}}\"",
            script.display()
        );
        let output = Command::new("bash").args(["-c", &code]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.split_whitespace().any(|it| it == completed), "{text}");
    }
}

#[test]
fn each_shell_has_a_completion_script() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        assert!(completions(shell).contains("datadir"), "{shell}");
    }
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    let output = actoreum(&["man", pages.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    for (page, text) in [
        ("actoreum.1", "seals its own blocks"),
        ("actoreum-init.1", "genesis"),
        ("actoreum-account-new.1", "account"),
    ] {
        let content = fs::read_to_string(pages.join(page)).unwrap();
        assert!(content.contains(".TH actoreum"), "{page}");
        assert!(content.contains(text), "{page}");
    }
}
