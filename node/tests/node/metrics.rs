//! `/metrics` and the dashboard: every metric and label that a panel queries must be exported.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::{exposition::Exposition, http, process::Running};

/// Keywords and functions of the query language (PromQL).
const WORDS: [&str; 11] = [
    "and",
    "bool",
    "by",
    "group_left",
    "group_right",
    "ignoring",
    "offset",
    "on",
    "or",
    "unless",
    "without",
];

/// Values by label by metric.
type Metrics = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

fn is_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "_:".contains(letter)
}

/// A label `name="value"` of a metric, or a matcher such as `name!~"value"` of a query.
#[derive(Debug, PartialEq)]
struct Label {
    name: String,
    operator: String,
    value: String,
}

impl Label {
    fn new(name: &str, operator: &str, value: &str) -> Self {
        Self {
            name: name.to_owned(),
            operator: operator.to_owned(),
            value: value.to_owned(),
        }
    }
}

/// Splits `name="value",other="value"`.
fn labels(text: &str) -> Vec<Label> {
    let mut labels = Vec::new();
    let mut rest = text;
    while let Some((head, tail)) = rest.split_once('"') {
        let (value, behind) = tail.split_once('"').unwrap();
        let head = head.trim_start_matches(',').trim();
        let (name, operator) = head.split_at(head.find(|letter| !is_word(letter)).unwrap());
        labels.push(Label::new(name, operator, value));
        rest = behind;
    }
    labels
}

fn read(page: &str) -> Metrics {
    let mut metrics = Metrics::new();
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let (sample, number) = line.rsplit_once(' ').unwrap();
        assert!(number.parse::<f64>().is_ok(), "{line}");
        let (name, rest) = sample.split_once('{').unwrap_or((sample, "}"));
        let known = metrics.entry(name.to_owned()).or_default();
        for label in labels(rest.strip_suffix('}').unwrap()) {
            known.entry(label.name).or_default().insert(label.value);
        }
    }
    metrics
}

/// A parsed query: metrics with their label matchers, and the labels that the result keeps.
#[derive(Debug, Default)]
struct Query {
    metrics: Vec<(String, Vec<Label>)>,
    kept: Vec<String>,
}

fn parse(query: &str) -> Query {
    let mut parsed = Query::default();
    let mut rest = query;
    let mut is_keeping = false;
    while let Some(letter) = rest.chars().next() {
        let word_end = rest.find(|letter| !is_word(letter)).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(word_end);
        let close = |bracket| behind.find(bracket).unwrap_or(behind.len());
        rest = match letter {
            '[' => &behind[close(']')..],
            '{' => {
                let asked = labels(&behind[1..close('}')]);
                parsed.metrics.last_mut().unwrap().1 = asked;
                &behind[close('}')..]
            }
            '(' if is_keeping => {
                let names = behind[1..close(')')].split(',');
                let names = names.map(|name| name.trim().to_owned());
                parsed.kept.extend(names);
                is_keeping = false;
                &behind[close(')')..]
            }
            _ if word.is_empty() => &rest[letter.len_utf8()..],
            _ => {
                is_keeping |= word == "by";
                let next = behind.trim_start();
                let is_function = ["(", "by ", "without "]
                    .iter()
                    .any(|it| next.starts_with(it));
                let is_metric = !is_function && !letter.is_ascii_digit() && !WORDS.contains(&word);
                if is_metric {
                    parsed.metrics.push((word.to_owned(), Vec::new()));
                }
                behind
            }
        };
    }
    parsed
}

/// Asserts that the metrics and labels of a query exist, and that its legend can be rendered.
fn check(metrics: &Metrics, query: &str, legend: &str) {
    let Query {
        metrics: asked,
        kept,
    } = parse(query);
    assert!(!asked.is_empty(), "{query} asks for nothing");
    for (name, labels) in &asked {
        let known = metrics.get(name);
        let known = known.unwrap_or_else(|| panic!("{query}: there is no metric {name}"));
        for label in labels {
            let values = known.get(&label.name);
            let values =
                values.unwrap_or_else(|| panic!("{query}: {name} has no label {}", label.name));
            assert!(
                label.operator != "=" || values.contains(&label.value),
                "{query}: {name} has no {label:?}, only {values:?}"
            );
        }
    }
    let has_label = |label: &str| {
        asked
            .iter()
            .any(|(name, _)| metrics[name].contains_key(label))
    };
    for label in &kept {
        assert!(has_label(label), "{query}: nothing has a label {label}");
    }
    for part in legend.split("{{").skip(1) {
        let (label, _) = part.split_once("}}").unwrap();
        let is_kept = kept.is_empty() || kept.iter().any(|name| name == label);
        assert!(
            is_kept && has_label(label),
            "{query}: the legend has no {label}"
        );
    }
}

#[test]
fn every_dashboard_panel_queries_metrics_that_a_node_exports() {
    let mut process = Running::start(&[
        "--dev",
        "--ipcdisable",
        "--http",
        "--http.port",
        "0",
        "--admin",
        "--admin.port",
        "0",
    ]);
    let (node, admin) = (process.wait_for_http(), process.wait_for_admin());
    let from = http::call(node, "eth_accounts", json!([])).unwrap()[0].take();
    http::call(
        node,
        "eth_sendTransaction",
        json!([{"from": from, "to": from}]),
    )
    .unwrap();
    while http::block_number(node).unwrap() == 0 {
        thread::sleep(Duration::from_millis(5));
    }
    let (status, page) = http::request(admin, "GET", "/metrics", "").unwrap();
    assert_eq!(status, 200);
    let parsed = Exposition::parse(&page).unwrap_or_else(|error| panic!("{error}\n{page}"));
    let series = parsed.count("actoreum_message_");
    assert!(series < 10_000, "{series} series of messages");
    println!("{} series, {series} of messages", parsed.count(""));
    let import = [("actor", "node/core/chain"), ("message", "ImportBlocks")];
    let imported = parsed.value("actoreum_message_handling_duration_seconds_count", &import);
    assert!(imported >= Some(1.0), "{imported:?}");
    let threads = parsed.value("actoreum_pool_threads", &[("pool", "node/core/import")]);
    assert_eq!(threads, Some(1.0));
    let metrics = read(&page);

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../etc/grafana/actoreum.json");
    let dashboard: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array());
    let mut checked = 0;
    for target in targets.flatten() {
        let text = |key: &str| target[key].as_str().unwrap().to_owned();
        check(&metrics, &text("expr"), &text("legendFormat"));
        checked += 1;
    }
    assert!(checked > 20, "{checked}");
    println!(
        "{checked} queries of the dashboard answered by {} metrics",
        metrics.len()
    );
}

#[test]
fn a_query_is_parsed_into_metrics_and_labels() {
    let query = parse(r#"sum by (a, b) (rate(m_total{x="1",y!~"2|3"}[5m])) / 2 > 0 or other"#);
    let names: Vec<&str> = query
        .metrics
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["m_total", "other"]);
    let expected = [Label::new("x", "=", "1"), Label::new("y", "!~", "2|3")];
    assert_eq!(query.metrics[0].1, expected);
    assert_eq!(query.kept, ["a", "b"]);
}

#[test]
#[should_panic(expected = "there is no metric absent")]
fn a_missing_metric_is_detected() {
    check(&read("present{label=\"1\"} 2"), "rate(absent[1m])", "");
}

#[test]
#[should_panic(expected = "has no label other")]
fn a_missing_label_is_detected() {
    check(&read("present{label=\"1\"} 2"), r#"present{other="1"}"#, "");
}
