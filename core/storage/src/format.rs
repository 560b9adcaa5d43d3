//! The format file, which records the version and the engine that wrote the folder.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use crate::StorageError;
use crate::db::Engine;

/// The format that this version writes, and the newest that it reads. Format 1 had no checksums on
/// redb's values; this version reads it and does not convert it.
pub const FORMAT_VERSION: u32 = 2;

/// Checks that the folder has a supported format and the configured engine. A new folder gets a
/// format file.
pub(crate) fn check_or_write(folder: &Path, engine: Engine) -> Result<(), StorageError> {
    let path = folder.join("FORMAT");
    let io = |error| StorageError::io(&path, error);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let temporary = folder.join("FORMAT.new");
            let mut file = File::create(&temporary).map_err(io)?;
            writeln!(file, "format {FORMAT_VERSION}\nengine {}", engine.name()).map_err(io)?;
            file.sync_all().map_err(io)?;
            std::fs::rename(&temporary, &path).map_err(io)?;
            return File::open(folder)
                .and_then(|folder| folder.sync_all())
                .map_err(io);
        }
        Err(error) => return Err(io(error)),
    };
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
            .ok_or_else(|| StorageError::Corrupt(format!("{} has no {name}", path.display())))
    };
    let unreadable = |_| StorageError::Corrupt(format!("{} is unreadable", path.display()));
    let found: u32 = field("format")?.parse().map_err(unreadable)?;
    if found > FORMAT_VERSION {
        return Err(StorageError::NewerFormat {
            found,
            supported: FORMAT_VERSION,
        });
    }
    let found = field("engine")?;
    if found != engine.name() {
        let (found, wanted) = (found.to_owned(), engine.name().to_owned());
        return Err(StorageError::OtherEngine { found, wanted });
    }
    Ok(())
}

/// Returns the engine of the database in `folder`, if there is a database.
pub fn engine_of(folder: &Path) -> Option<Engine> {
    let text = std::fs::read_to_string(folder.join("FORMAT")).ok()?;
    text.lines()
        .find_map(|line| line.strip_prefix("engine ")?.parse().ok())
}
