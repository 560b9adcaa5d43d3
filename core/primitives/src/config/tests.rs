//! Forks, their order, compatibility, fork identifiers.
