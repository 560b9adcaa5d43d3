//! The command line reference `docs/cli.md`, which is rendered from `--help` of every command.

use std::{fmt::Write as _, fs, path::Path};

use crate::process::actoreum;

/// Set to write `docs/cli.md` instead of comparing it.
const UPDATE: &str = "ACTOREUM_UPDATE_DOCS";

/// Columns that help texts are wrapped to, whatever the terminal of the test.
const WIDTH: &str = "100";

const INTRODUCTION: &str = "\
# Command line reference

This page is the output of `--help`, command by command. It is generated: after a change of a flag or a
help text, run

    ACTOREUM_UPDATE_DOCS=1 cargo test --release -p actoreum --test node cli_reference

Without a command, `actoreum` runs the node. The flags that it lists may precede or follow every
command, and are not repeated there.
";

/// The long help text of a command, such as `["account", "new"]`.
fn help(command: &[String]) -> String {
    let mut arguments = command.to_vec();
    arguments.push("--help".to_owned());
    let output = actoreum(&arguments).env("COLUMNS", WIDTH).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}

/// Splits a help text into its sections: the text before the first heading, then one for each
/// heading, which is an unindented line that ends in a colon.
fn sections(help: &str) -> Vec<String> {
    let mut sections = vec![String::new()];
    for line in help.lines() {
        if line.ends_with(':') && !line.starts_with(' ') {
            sections.push(String::new());
        }
        let section = sections.last_mut().unwrap();
        section.push_str(line);
        section.push('\n');
    }
    sections
        .iter()
        .map(|section| section.trim_end().to_owned())
        .collect()
}

/// The names of the commands that a help text lists.
fn subcommands(sections: &[String]) -> Vec<String> {
    let list = sections
        .iter()
        .find_map(|section| section.strip_prefix("Commands:\n"));
    list.unwrap_or_default()
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        // Continuation lines of a description are indented further.
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

/// Appends the reference of a command and of its subcommands.
fn render(page: &mut String, command: &[String], global_sections: &[String]) {
    let all = sections(&help(command));
    let own: Vec<_> = all
        .iter()
        .filter(|section| !global_sections.contains(section))
        .map(String::as_str)
        .collect();
    let title = [&["actoreum".to_owned()], command].concat().join(" ");
    let text = own.join("\n\n");
    assert!(!text.contains("```"), "{title}: {text}");
    write!(page, "\n## {title}\n\n```text\n{text}\n```\n").unwrap();
    let globals = if command.is_empty() {
        &all
    } else {
        global_sections
    };
    for name in subcommands(&all) {
        render(page, &[command, &[name]].concat(), globals);
    }
}

#[test]
fn the_command_line_reference_is_current() {
    let mut page = INTRODUCTION.to_owned();
    render(&mut page, &[], &[]);

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md");
    if std::env::var_os(UPDATE).is_some() {
        fs::write(&path, &page).unwrap();
        return;
    }
    let current = fs::read_to_string(&path).unwrap_or_default();
    let difference = page
        .lines()
        .zip(current.lines().chain(std::iter::repeat("")))
        .find(|(expected, found)| expected != found);
    assert!(
        page == current,
        "docs/cli.md differs from --help (expected, found): {difference:?}; \
         set {UPDATE}=1 to write it"
    );
}
