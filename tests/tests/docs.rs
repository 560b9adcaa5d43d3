//! Checks the documents: links, anchors, the paths that they name, and the table of contents of the
//! book (`docs/SUMMARY.md`).

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests stop at unexpected input"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Component, Path, PathBuf},
};

/// Folders at the root of the repository that a path in a document may begin with.
const ROOT_FOLDERS: &[&str] = &[
    "actors", "core", "docs", "etc", "fuzz", "messages", "node", "rpc", "tests",
];

/// Extensions of files that a document may name in code font.
const EXTENSIONS: &[&str] = &["json", "md", "rs", "toml", "tsv"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// The Markdown files of a folder, and of its subfolders if `recursive`.
fn markdown_files(folder: &Path, recursive: bool) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && recursive {
            files.extend(markdown_files(&path, true));
        } else if path.extension().is_some_and(|extension| extension == "md") {
            files.insert(path);
        }
    }
    files
}

/// Every document: those at the root, and all under `docs/`.
fn documents() -> BTreeSet<PathBuf> {
    let mut files = markdown_files(&root(), false);
    files.extend(markdown_files(&root().join("docs"), true));
    files
}

/// The lines of a document that are not code, with their numbers. Code is fenced, or indented by
/// four spaces after an empty line.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut lines = Vec::new();
    let mut fenced = false;
    let mut after_empty_line = true;
    let mut indented = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        indented = line.starts_with("    ") && (after_empty_line || indented);
        after_empty_line = line.trim().is_empty();
        if !fenced && !indented {
            lines.push((index + 1, line));
        }
    }
    lines
}

/// Splits a line into the text outside of code spans and the code spans.
fn code_spans(line: &str) -> (String, Vec<&str>) {
    let mut outside = String::new();
    let mut spans = Vec::new();
    for (index, part) in line.split('`').enumerate() {
        if index % 2 == 0 {
            outside.push_str(part);
        } else {
            spans.push(part);
        }
    }
    (outside, spans)
}

/// The targets of the links and images of a line, without titles.
fn link_targets(line: &str) -> Vec<String> {
    let (outside, _) = code_spans(line);
    let mut targets = Vec::new();
    for part in outside.split("](").skip(1) {
        if let Some((target, _)) = part.split_once(')') {
            targets.extend(target.split_whitespace().next().map(str::to_owned));
        }
    }
    targets
}

/// The anchors of a document's headings, as GitHub and mdBook derive them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut used = BTreeMap::<String, usize>::new();
    let mut anchors = BTreeSet::new();
    for (_, line) in prose(text) {
        let title = line.trim_start_matches('#');
        if title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let anchor: String = title
            .trim()
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let count = used.entry(anchor.clone()).or_default();
        if *count == 0 {
            anchors.insert(anchor);
        } else {
            anchors.insert(format!("{anchor}-{count}"));
        }
        *count += 1;
    }
    anchors
}

fn is_external(target: &str) -> bool {
    ["https://", "http://", "mailto:"]
        .iter()
        .any(|scheme| target.starts_with(scheme))
}

/// Resolves `.` and `..` without following links.
fn normalize(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

/// The fault of a link, if it has one.
fn link_fault(document: &Path, target: &str) -> Option<String> {
    let (path, anchor) = match target.split_once('#') {
        Some((path, anchor)) => (path, Some(anchor)),
        None => (target, None),
    };
    let file = if path.is_empty() {
        document.to_owned()
    } else {
        normalize(&document.parent().unwrap().join(path))
    };
    let docs = root().join("docs");
    if document.starts_with(&docs) && !file.starts_with(&docs) {
        return Some("leaves docs/, which the book cannot do".to_owned());
    }
    if !file.exists() {
        return Some("no such file".to_owned());
    }
    let anchor = anchor?;
    let headings = anchors(&fs::read_to_string(&file).unwrap());
    (!headings.contains(anchor)).then(|| format!("no heading has this anchor: {headings:?}"))
}

/// Whether a code span is the path of a file of the repository.
fn is_source_path(span: &str) -> bool {
    let is_plain = span
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    let folder = span.split('/').next().unwrap_or_default();
    let extension = Path::new(span).extension().and_then(|e| e.to_str());
    is_plain
        && span.contains('/')
        // A placeholder, as in `docs/adr/NNNN-title.md`.
        && !span.contains("NNNN")
        && ROOT_FOLDERS.contains(&folder)
        && extension.is_some_and(|extension| EXTENSIONS.contains(&extension))
}

/// Applies `check` to every line of prose of the documents, and fails with all faults.
fn check_lines(documents: &BTreeSet<PathBuf>, check: impl Fn(&Path, &str) -> Vec<String>) {
    let mut faults = Vec::new();
    for document in documents {
        let text = fs::read_to_string(document).unwrap();
        let name = document.strip_prefix(root()).unwrap().display();
        for (number, line) in prose(&text) {
            for fault in check(document, line) {
                faults.push(format!("{name}:{number}: {fault}"));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn every_relative_link_has_a_target() {
    check_lines(&documents(), |document, line| {
        link_targets(line)
            .iter()
            .filter(|target| !is_external(target))
            .filter_map(|target| {
                link_fault(document, target).map(|fault| format!("{target}: {fault}"))
            })
            .collect()
    });
}

#[test]
fn every_path_in_the_documents_exists() {
    // The changelog and the decisions describe the past.
    let current = documents()
        .into_iter()
        .filter(|document| {
            !document.ends_with("CHANGELOG.md") && !document.starts_with(root().join("docs/adr"))
        })
        .collect();
    check_lines(&current, |_, line| {
        code_spans(line)
            .1
            .into_iter()
            .filter(|span| is_source_path(span) && !root().join(span).exists())
            .map(|span| format!("{span}: no such file"))
            .collect()
    });
}

#[test]
fn every_page_is_in_the_table_of_contents_once() {
    let docs = root().join("docs");
    let summary = docs.join("SUMMARY.md");
    let mut listed = BTreeSet::new();
    for (_, line) in prose(&fs::read_to_string(&summary).unwrap()) {
        for target in link_targets(line) {
            let page = normalize(&docs.join(&target));
            assert!(listed.insert(page), "{target} is listed twice");
        }
    }
    let mut pages = markdown_files(&docs, true);
    pages.remove(&summary);
    let missing: Vec<_> = pages.difference(&listed).collect();
    assert!(missing.is_empty(), "not in docs/SUMMARY.md: {missing:?}");
}

#[test]
fn anchors_follow_the_rules_of_github() {
    let text = "# One `two`, three\n\n```\n# code\n```\n\n## Same\n## Same\n#hashtag\n";
    let expected = ["one-two-three", "same", "same-1"].map(str::to_owned);
    assert_eq!(anchors(text), BTreeSet::from(expected));
}

#[test]
fn links_in_code_are_ignored() {
    let line = "see [a](b.md), ![c](d.png \"title\") and `[e](f.md)`";
    assert_eq!(link_targets(line), ["b.md", "d.png"]);
}
