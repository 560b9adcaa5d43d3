//! Suggestions for mistyped words.

/// Largest edit distance at which a word is suggested.
const MAX_DISTANCE: usize = 2;

/// Returns the one of `words` that is nearest to `word`, if it is near enough to be a typing
/// mistake: at most two letters, and at most a fourth of the word (rounded up).
pub fn nearest<'a>(word: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count().div_ceil(4)).min(MAX_DISTANCE);
    let measured = words.into_iter().map(|it| (distance(word, it), it));
    let near = measured.filter(|(distance, _)| *distance <= limit);
    near.min_by_key(|(distance, _)| *distance).map(|(_, it)| it)
}

/// Returns the Levenshtein distance of two words, ignoring case: the number of letters to insert,
/// remove or replace.
fn distance(one: &str, other: &str) -> usize {
    let letters = |word: &str| -> Vec<char> { word.to_lowercase().chars().collect() };
    let (one, other) = (letters(one), letters(other));
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.iter().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        let mut next = vec![left];
        for (above, wanted) in row.iter().skip(1).zip(&other) {
            let changed = diagonal + usize::from(letter != wanted);
            diagonal = *above;
            left = changed.min(above + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_near_words_are_suggested() {
        let flags = ["datadir", "mine", "http.port", "port"];
        assert_eq!(nearest("datadri", flags), Some("datadir"));
        assert_eq!(nearest("htp.port", flags), Some("http.port"));
        assert_eq!(nearest("HTTP.Port", flags), Some("http.port"));
        for other in ["mainnet", "dim", "fork", ""] {
            assert_eq!(nearest(other, flags), None, "{other}");
        }
        assert_eq!((distance("", "abc"), distance("kitten", "sitting")), (3, 3));
    }
}
