//! A world in a file: JSON, with a version, written atomically. Secrets are in it as keyed hashes only.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::state::State;
use super::{World, WorldBuilder};

/// Changes with the format.
const VERSION: u32 = 1;

/// Why a world cannot be kept or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The file cannot be read or written.
    #[error("cannot use `{path}`")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is damaged.
    #[error("`{path}` is no state of a local deployment: remove it to start anew")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// Another version of this program wrote the file.
    #[error("`{path}` has version {found}, this program knows version {VERSION}: remove it to start anew")]
    Version {
        /// The file.
        path: PathBuf,
        /// The version in the file.
        found: u32,
    },
}

#[derive(Serialize)]
struct Out<'a> {
    version: u32,
    state: &'a State,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

#[derive(Deserialize)]
struct In {
    state: State,
}

impl World {
    /// Writes the world to a file, in place of what is there. Operations in progress are kept too.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), FileError> {
        let text = self.with(|service| {
            service.state.drop_unused_templates();
            serde_json::to_vec(&Out { version: VERSION, state: &service.state })
        });
        let io = |source| FileError::Io { path: path.to_owned(), source };
        let text = text.map_err(|error| io(error.into()))?;
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}.tmp", std::process::id()));
        let beside = PathBuf::from(beside);
        let written = std::fs::File::create(&beside).and_then(|mut file| {
            file.write_all(&text)?;
            file.sync_all()?;
            std::fs::rename(&beside, path)
        });
        if written.is_err() {
            // The error that is reported is the one of writing; there may be nothing to remove.
            let _ = std::fs::remove_file(&beside);
        }
        written.map_err(io)
    }
}

impl WorldBuilder {
    /// The world in a file, or an empty one if there is no such file.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, or has another version.
    pub fn load(self, path: &Path) -> Result<World, FileError> {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(self.build()),
            Err(source) => return Err(FileError::Io { path: path.to_owned(), source }),
        };
        let damaged = |source| FileError::Damaged { path: path.to_owned(), source };
        let Version { version } = serde_json::from_slice(&text).map_err(damaged)?;
        if version != VERSION {
            return Err(FileError::Version { path: path.to_owned(), found: version });
        }
        let In { state } = serde_json::from_slice(&text).map_err(damaged)?;
        Ok(self.with_state(state))
    }
}
