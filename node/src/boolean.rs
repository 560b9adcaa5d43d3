//! Booleans in Go's syntax.

/// Parses the boolean value of a flag, in Go's spellings.
pub fn parse(text: &str) -> Result<bool, String> {
    go_bool(text).ok_or_else(|| format!("{text:?} is no boolean; use true or false"))
}

/// Parses a boolean as Go's flag package does.
pub fn go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
