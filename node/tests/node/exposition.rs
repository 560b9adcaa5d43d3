//! A strict parser of Prometheus' text format, with the rules of `promtool check metrics`.

use std::collections::{BTreeMap, BTreeSet};

/// Labels in the order of their names.
type Labels = BTreeMap<String, String>;

/// A page of metrics: the value of each series.
#[derive(Debug, Default)]
pub struct Exposition {
    series: BTreeMap<(String, Labels), f64>,
    kinds: BTreeMap<String, String>,
    helped: BTreeSet<String>,
    /// The families in the order of their samples.
    order: Vec<String>,
}

impl Exposition {
    /// Parses a page.
    ///
    /// # Errors
    /// The first line, or the first histogram, that breaks a rule.
    pub fn parse(page: &str) -> Result<Self, String> {
        if !page.ends_with('\n') {
            return Err("the last line does not end".to_owned());
        }
        let mut parsed = Self::default();
        for line in page.lines().filter(|line| !line.is_empty()) {
            parsed
                .add_line(line)
                .map_err(|error| format!("{error}: {line}"))?;
        }
        parsed.check_histograms()?;
        Ok(parsed)
    }

    /// Returns the value of a series.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        let key = (name.to_owned(), labels.collect());
        self.series.get(&key).copied()
    }

    /// Returns the number of series whose names begin with `prefix`.
    pub fn count(&self, prefix: &str) -> usize {
        let names = self.series.keys().map(|(name, _)| name);
        names.filter(|name| name.starts_with(prefix)).count()
    }

    fn add_line(&mut self, line: &str) -> Result<(), String> {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or("no type")?;
            return self.add_kind(name, kind);
        }
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let name = rest.split(' ').next().unwrap_or_default();
            let is_new = self.helped.insert(name.to_owned());
            return is_new.then_some(()).ok_or_else(|| "second HELP".to_owned());
        }
        if line.starts_with('#') {
            return Ok(());
        }
        let (name, labels, value) = sample(line)?;
        let family = self.family_of(&name, &labels)?;
        if self.order.last() != Some(&family) {
            if self.order.contains(&family) {
                return Err("the samples of a family are not together".to_owned());
            }
            self.order.push(family.clone());
        }
        let kind = self.kinds.get(&family).map_or("", String::as_str);
        if kind == "counter" && (!value.is_finite() || value < 0.0) {
            return Err("not a value of a counter".to_owned());
        }
        match self.series.insert((name, labels), value) {
            None => Ok(()),
            Some(_) => Err("a second sample of a series".to_owned()),
        }
    }

    fn add_kind(&mut self, name: &str, kind: &str) -> Result<(), String> {
        if !is_name(name, true) {
            return Err("not a name".to_owned());
        }
        if !["counter", "gauge", "histogram", "summary", "untyped"].contains(&kind) {
            return Err("not a type".to_owned());
        }
        if !self.helped.contains(name) {
            return Err("no HELP".to_owned());
        }
        if (kind == "counter") != name.ends_with("_total") {
            return Err("counters, and they alone, end in _total".to_owned());
        }
        match self.kinds.insert(name.to_owned(), kind.to_owned()) {
            None => Ok(()),
            Some(_) => Err("second TYPE".to_owned()),
        }
    }

    /// Returns the family of a sample, whose type allows its name and labels.
    fn family_of(&self, name: &str, labels: &Labels) -> Result<String, String> {
        let candidates = ["_bucket", "_sum", "_count", ""].into_iter();
        for suffix in candidates {
            let Some(family) = name.strip_suffix(suffix) else {
                continue;
            };
            let Some(kind) = self.kinds.get(family) else {
                continue;
            };
            let (has_le, has_quantile) =
                (labels.contains_key("le"), labels.contains_key("quantile"));
            let is_allowed = match (kind.as_str(), suffix) {
                ("histogram", "_bucket") => has_le && !has_quantile,
                ("summary", "") => has_quantile && !has_le,
                ("histogram" | "summary", "_sum" | "_count") => !has_le && !has_quantile,
                ("counter" | "gauge" | "untyped", "") => !has_le && !has_quantile,
                _ => false,
            };
            if is_allowed {
                return Ok(family.to_owned());
            }
        }
        Err("no family with a TYPE has such a sample".to_owned())
    }

    /// Checks that each histogram has rising edges up to +Inf, cumulative counts, a sum and a count.
    fn check_histograms(&self) -> Result<(), String> {
        let mut buckets: BTreeMap<(String, Labels), Vec<(f64, f64)>> = BTreeMap::new();
        for ((name, labels), count) in &self.series {
            let Some(family) = name.strip_suffix("_bucket") else {
                continue;
            };
            let mut rest = labels.clone();
            let edge = rest.remove("le").unwrap_or_default();
            let edge = number(&edge)?;
            let key = (family.to_owned(), rest);
            buckets.entry(key).or_default().push((edge, *count));
        }
        for ((family, labels), mut buckets) in buckets {
            buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
            let fail = |why: &str| Err(format!("{family} {labels:?}: {why}"));
            if buckets.windows(2).any(|pair| pair[0].1 > pair[1].1) {
                return fail("the counts are not cumulative");
            }
            let Some((edge, all)) = buckets.last() else {
                return fail("no bucket");
            };
            if *edge != f64::INFINITY {
                return fail("no bucket for +Inf");
            }
            let part = |suffix: &str| {
                let key = (format!("{family}{suffix}"), labels.clone());
                self.series.get(&key)
            };
            if part("_count") != Some(all) {
                return fail("the count is not that of +Inf");
            }
            if part("_sum").is_none() {
                return fail("no sum");
            }
        }
        Ok(())
    }
}

fn is_name(text: &str, may_have_colon: bool) -> bool {
    let is_allowed = |letter: char| {
        letter.is_ascii_alphanumeric() || letter == '_' || (letter == ':' && may_have_colon)
    };
    text.chars().all(is_allowed) && text.starts_with(|letter: char| !letter.is_ascii_digit())
}

fn number(text: &str) -> Result<f64, String> {
    match text {
        "+Inf" => Ok(f64::INFINITY),
        "-Inf" => Ok(f64::NEG_INFINITY),
        "NaN" => Ok(f64::NAN),
        _ if text.contains(|letter: char| letter.is_alphabetic() && letter != 'e') => {
            Err("not a number".to_owned())
        }
        _ => text.parse().map_err(|_| "not a number".to_owned()),
    }
}

/// Splits a line into name, labels and value.
fn sample(line: &str) -> Result<(String, Labels, f64), String> {
    let end = line.find(['{', ' ']).ok_or("no value")?;
    let (name, mut rest) = line.split_at(end);
    if !is_name(name, true) {
        return Err("not a name".to_owned());
    }
    let mut labels = Labels::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = read_labels(inner, &mut labels)?;
    }
    let text = rest.strip_prefix(' ').ok_or("no space before the value")?;
    Ok((name.to_owned(), labels, number(text)?))
}

/// Reads labels up to the closing brace; returns the rest of the line.
fn read_labels<'a>(mut rest: &'a str, labels: &mut Labels) -> Result<&'a str, String> {
    loop {
        if let Some(behind) = rest.strip_prefix('}') {
            return Ok(behind);
        }
        let (name, behind) = rest.split_once("=\"").ok_or("not a label")?;
        if !is_name(name, false) {
            return Err("not a name of a label".to_owned());
        }
        let (text, behind) = read_text(behind)?;
        if labels.insert(name.to_owned(), text).is_some() {
            return Err("a label occurs twice".to_owned());
        }
        rest = behind.strip_prefix(',').unwrap_or(behind);
        if rest.len() == behind.len() && !rest.starts_with('}') {
            return Err("no comma between labels".to_owned());
        }
    }
}

/// Reads the value of a label up to its closing quote; returns it and the rest of the line.
fn read_text(rest: &str) -> Result<(String, &str), String> {
    let mut text = String::new();
    let mut letters = rest.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Ok((text, rest.get(at + 1..).unwrap_or_default())),
            '\\' => text.push(match letters.next() {
                Some((_, 'n')) => '\n',
                Some((_, escaped @ ('"' | '\\'))) => escaped,
                _ => return Err("not an escape".to_owned()),
            }),
            _ => text.push(letter),
        }
    }
    Err("a label does not end".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# HELP a_seconds Time.\n# TYPE a_seconds histogram\n\
        a_seconds_bucket{x=\"a\\\"\\\\\\n\",le=\"0.1\"} 1\n\
        a_seconds_bucket{x=\"a\\\"\\\\\\n\",le=\"+Inf\"} 2\n\
        a_seconds_sum{x=\"a\\\"\\\\\\n\"} 3.5e-7\na_seconds_count{x=\"a\\\"\\\\\\n\"} 2\n";

    #[test]
    fn a_histogram_is_parsed_with_escaped_labels() {
        let parsed = Exposition::parse(GOOD).unwrap();
        let labels = [("x", "a\"\\\n")];
        assert_eq!(parsed.value("a_seconds_sum", &labels), Some(3.5e-7));
        assert_eq!(parsed.count("a_seconds_bucket"), 2);
    }

    #[test]
    fn pages_that_break_a_rule_are_refused() {
        for (from, to, why) in [
            ("} 2\n", "} 2", "does not end"),
            ("# HELP a_seconds Time.\n", "", "no HELP"),
            ("histogram", "counter", "_total"),
            ("histogram", "gauge", "no family"),
            ("le=\"+Inf\"", "le=\"1\"", "+Inf"),
            ("le=\"0.1\"} 1", "le=\"0.1\"} 3", "cumulative"),
            (
                "_count{x=\"a\\\"\\\\\\n\"} 2",
                "_count{x=\"a\\\"\\\\\\n\"} 3",
                "not that of",
            ),
            ("} 3.5e-7", "} many", "not a number"),
            ("\\\"", "\\q", "not an escape"),
            (",le=\"0.1\"", ",le=\"+Inf\"", "second sample"),
            (",le=\"0.1\"", ",x=\"0.1\"", "twice"),
            (",le=\"0.1\"", " le=\"0.1\"", "comma"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let page = if why == "does not end" {
                GOOD.trim_end().to_owned()
            } else {
                GOOD.replacen(from, to, 1)
            };
            let error = Exposition::parse(&page).unwrap_err();
            assert!(error.contains(why), "{to}: {error}");
        }
    }
}
