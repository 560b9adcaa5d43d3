//! Options of one group that the command line gives, to be merged into the group's configuration.

use std::marker::PhantomData;

use clap::{ArgMatches, Args, Command, Error, FromArgMatches, Id, parser::ValueSource};

/// Arguments of the group `T` that were given explicitly. A struct `T` is both the section of the
/// TOML file and the group of flags: its value is that of the file, or else its default, and
/// [`Given::apply`] overwrites the fields whose flags were given.
#[derive(Debug, Clone)]
pub struct Given<T> {
    /// `None`: no command line was parsed.
    matches: Option<ArgMatches>,
    group: PhantomData<fn() -> T>,
}

impl<T> Default for Given<T> {
    fn default() -> Self {
        Self {
            matches: None,
            group: PhantomData,
        }
    }
}

impl<T: Args> Given<T> {
    /// Overwrites the fields of `config` whose flags were given.
    ///
    /// # Errors
    /// Fails if clap finds a given value missing, which it has checked while parsing.
    pub fn apply(&self, config: &mut T) -> Result<(), Error> {
        match &self.matches {
            Some(matches) => config.update_from_arg_matches(matches),
            None => Ok(()),
        }
    }
}

impl<T: Args> Args for Given<T> {
    fn group_id() -> Option<Id> {
        T::group_id()
    }

    // For an update no flag is required, although the fields are no options.
    fn augment_args(command: Command) -> Command {
        T::augment_args_for_update(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        T::augment_args_for_update(command)
    }
}

impl<T: Args> FromArgMatches for Given<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut given = Self::default();
        given.update_from_arg_matches(matches)?;
        Ok(given)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        let mut matches = matches.clone();
        // A switch that is not given has the default `false`, which must not override the file.
        let ids: Vec<Id> = matches.ids().cloned().collect();
        for id in ids {
            if matches.value_source(id.as_str()) == Some(ValueSource::DefaultValue) {
                let _was_present = matches.try_clear_id(id.as_str());
            }
        }
        self.matches = Some(matches);
        Ok(())
    }
}

#[cfg(test)]
impl<T: Args> Given<T> {
    /// Parses flags of this group alone.
    pub fn parse<'a>(flags: impl IntoIterator<Item = &'a str>) -> Self {
        let command = Self::augment_args(Command::new("test").no_binary_name(true));
        let matches = command.try_get_matches_from(flags).unwrap();
        Self::from_arg_matches(&matches).unwrap()
    }
}
