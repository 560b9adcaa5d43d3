//! How the value of a flag replaces the value of the file.

/// Sets a list as [`set`] does, by [`without_blanks`].
pub(super) fn set_list(target: &mut Vec<String>, flag: &Option<Vec<String>>) {
    if let Some(values) = flag {
        *target = without_blanks(values);
    }
}

/// Returns the values without blanks around them, and without empty values.
pub(super) fn without_blanks(values: &[String]) -> Vec<String> {
    let trimmed = values.iter().map(|value| value.trim());
    let present = trimmed.filter(|value| !value.is_empty());
    present.map(String::from).collect()
}

/// Sets a value if the flag is given.
pub(super) fn set<T: Clone>(target: &mut T, flag: &Option<T>) {
    if let Some(value) = flag {
        target.clone_from(value);
    }
}
