//! What the engine remembers between runs: one record a stack.
//!
//! A record is written before each call that starts something, so that a run that was killed can be taken up where AWS stands.
//! Records hold names, ids, tokens and a fingerprint of what was asked for; never a value of a parameter.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cloudformation::{Environment, Timestamp};
use crate::event::OperationKind;

/// Names a stack: its environment and its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StackKey {
    /// Where it is.
    pub environment: Environment,
    /// The name in CloudFormation.
    pub stack_name: String,
}

/// What is remembered about a stack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackRecord {
    /// The operation that was started, or is about to be, and whose end was not seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<InFlight>,
    /// What was deployed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployed: Option<Deployed>,
}

/// An operation whose end was not seen yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InFlight {
    /// The run that started it.
    pub run: String,
    /// What it does.
    pub kind: OperationKind,
    /// How far it is known to have come.
    pub step: Step,
    /// The client token of the call that starts it.
    pub token: String,
    /// A fingerprint of what was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// The name of the change set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_set: Option<String>,
    /// The ARN of the change set, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_set_id: Option<String>,
    /// The ARN of the stack, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack_id: Option<String>,
    /// The service's time before the operation: its events are later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// How far an operation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// A change set may have been made; nothing was executed.
    Preparing,
    /// The call that starts the operation may have been made.
    Executing,
}

/// What was deployed last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployed {
    /// The ARN of the stack.
    pub stack_id: String,
    /// When its last creation or update began, as the service says.
    pub changed: Timestamp,
    /// A fingerprint of template, parameters and tags.
    pub fingerprint: String,
}

/// Where records are kept.
pub trait Store: Send + Sync {
    /// Makes sure that no other run uses the records until the guard is dropped, or says who does.
    fn lock(&self) -> Result<Box<dyn Send + Sync>, StateError>;
    /// Who holds the lock now.
    fn holder(&self) -> Option<Holder>;
    /// The record of a stack, empty if there is none.
    fn load(&self, key: &StackKey) -> Result<StackRecord, StateError>;
    /// Replaces the record of a stack, whole or not at all.
    fn save(&self, key: &StackKey, record: &StackRecord) -> Result<(), StateError>;
    /// Forgets a stack.
    fn remove(&self, key: &StackKey) -> Result<(), StateError>;
}

/// A run that is active.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The id of its process, where that is known.
    pub process: Option<u32>,
}

/// Why state could not be read or written.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The file system refused.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: Arc<io::Error>,
    },
    /// A file is not a record.
    #[error("`{}` cannot be read as a record: mend it; or move it away, if `status` shows that nothing runs on the stack", path.display())]
    Format {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Arc<serde_json::Error>,
    },
    /// A record is of a newer release, which may keep more in it.
    #[error("`{}` was written by a newer release, in version {version} of records where this one knows {RECORD_VERSION}: use that release", path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// Another run is active.
    #[error("another run{} uses `{}`: wait for it, or stop it", called(*process), path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// The id of the process, where that is known.
        process: Option<u32>,
    },
}

fn called(process: Option<u32>) -> String {
    process.map(|it| format!(" (process {it})")).unwrap_or_default()
}

/// The version of records in files: raised when an older release would lose something of them.
pub const RECORD_VERSION: u32 = 1;

/// A record as a file has it. One without a version is of the first.
#[derive(Serialize)]
struct Versioned<'a> {
    version: u32,
    #[serde(flatten)]
    record: &'a StackRecord,
}

#[derive(Deserialize)]
struct Version {
    #[serde(default)]
    version: u32,
}

/// A file that one process at a time holds. The operating system drops the lock with the process, however it ends.
#[derive(Debug)]
pub struct FileLock {
    _file: File,
}

impl FileLock {
    /// Takes the lock, and writes the id of the process into the file. An error if another process holds it.
    pub fn acquire(path: &Path) -> Result<Self, StateError> {
        let parent = path.parent().filter(|it| !it.as_os_str().is_empty());
        parent.map_or(Ok(()), fs::create_dir_all).map_err(io_error("create", parent.unwrap_or(path)))?;
        let opened = OpenOptions::new().create(true).truncate(false).write(true).open(path);
        let mut file = opened.map_err(io_error("open", path))?;
        let mut looks = 0;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                // Whoever looks for a holder shares the lock for a moment.
                Err(TryLockError::WouldBlock) if looks < LOOKS => {
                    looks += 1;
                    std::thread::sleep(LOOK);
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(StateError::Locked { path: path.to_owned(), process: process_in(path) });
                }
                Err(TryLockError::Error(error)) => return Err(io_error("lock", path)(error)),
            }
        }
        let id = format!("{}\n", std::process::id());
        file.set_len(0).and_then(|()| file.write_all(id.as_bytes())).map_err(io_error("write", path))?;
        Ok(Self { _file: file })
    }

    /// Who holds it now.
    pub fn holder(path: &Path) -> Option<Holder> {
        let file = File::open(path).ok()?;
        let is_held = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
        is_held.then(|| Holder { process: process_in(path) })
    }
}

/// How often a lock that is held is tried again, and after which time.
const LOOKS: u32 = 3;
const LOOK: Duration = Duration::from_millis(10);

fn process_in(path: &Path) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Records in a directory, one file a stack.
#[derive(Clone, Debug)]
pub struct FileStore {
    directory: PathBuf,
}

impl FileStore {
    /// Keeps records in a directory, which is made when the first one is written.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    fn lock_file(&self) -> PathBuf {
        self.directory.join("lock")
    }

    fn path(&self, key: &StackKey) -> PathBuf {
        let Environment { account, region } = &key.environment;
        self.directory.join(format!("{account}.{region}.{}.json", key.stack_name))
    }
}

impl Store for FileStore {
    fn lock(&self) -> Result<Box<dyn Send + Sync>, StateError> {
        Ok(Box::new(FileLock::acquire(&self.lock_file())?))
    }

    fn holder(&self) -> Option<Holder> {
        FileLock::holder(&self.lock_file())
    }

    fn load(&self, key: &StackKey) -> Result<StackRecord, StateError> {
        let path = self.path(key);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(StackRecord::default());
            }
            Err(error) => return Err(io_error("read", &path)(error)),
        };
        let broken = |error| StateError::Format { path: path.clone(), source: Arc::new(error) };
        let Version { version } = serde_json::from_slice(&text).map_err(broken)?;
        if version > RECORD_VERSION {
            return Err(StateError::Newer { path, version });
        }
        serde_json::from_slice(&text).map_err(broken)
    }

    fn save(&self, key: &StackKey, record: &StackRecord) -> Result<(), StateError> {
        let path = self.path(key);
        fs::create_dir_all(&self.directory).map_err(io_error("create", &self.directory))?;
        let text = serde_json::to_vec_pretty(&Versioned { version: RECORD_VERSION, record })
            .map_err(|error| StateError::Format { path: path.clone(), source: Arc::new(error) })?;
        write_atomically(&path, &text)
    }

    fn remove(&self, key: &StackKey) -> Result<(), StateError> {
        let path = self.path(key);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", &path)(error)),
            _ => Ok(()),
        }
    }
}

/// A reader sees the old file or the new one, never a part.
fn write_atomically(path: &Path, text: &[u8]) -> Result<(), StateError> {
    let fresh = path.with_extension("json.new");
    let written = File::create(&fresh).and_then(|mut file| {
        file.write_all(text)?;
        file.sync_all()
    });
    written.map_err(io_error("write", &fresh))?;
    fs::rename(&fresh, path).map_err(io_error("replace", path))
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StateError {
    let path = path.to_owned();
    move |error| StateError::Io { action, path, source: Arc::new(error) }
}

/// Records in memory, for runs that are not to be resumed by another process.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    records: Arc<Mutex<BTreeMap<StackKey, StackRecord>>>,
}

impl Store for MemoryStore {
    fn lock(&self) -> Result<Box<dyn Send + Sync>, StateError> {
        Ok(Box::new(()))
    }

    fn holder(&self) -> Option<Holder> {
        None
    }

    fn load(&self, key: &StackKey) -> Result<StackRecord, StateError> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(records.get(key).cloned().unwrap_or_default())
    }

    fn save(&self, key: &StackKey, record: &StackRecord) -> Result<(), StateError> {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.insert(key.clone(), record.clone());
        Ok(())
    }

    fn remove(&self, key: &StackKey) -> Result<(), StateError> {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.remove(key);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> StackKey {
        StackKey {
            environment: Environment { account: "111111111111".into(), region: "eu-west-1".into() },
            stack_name: "Prod".into(),
        }
    }

    #[test]
    fn a_record_survives_and_can_be_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let store = FileStore::new(directory.path().join("state"));
        assert_eq!(store.load(&key()).unwrap(), StackRecord::default());
        let record = StackRecord {
            deployed: Some(Deployed { stack_id: "arn".into(), changed: Timestamp(5), fingerprint: "f".into() }),
            in_flight: None,
        };
        store.save(&key(), &record).unwrap();
        assert_eq!(store.load(&key()).unwrap(), record);
        store.remove(&key()).unwrap();
        store.remove(&key()).unwrap();
        assert_eq!(store.load(&key()).unwrap(), StackRecord::default());
    }

    #[test]
    fn a_second_run_is_refused_while_the_first_is_active() {
        let directory = tempfile::tempdir().unwrap();
        let store = FileStore::new(directory.path());
        let guard = store.lock().unwrap();
        let refused = store.lock().err().unwrap().to_string();
        assert!(refused.starts_with(&format!("another run (process {}) uses `", std::process::id())), "{refused}");
        assert_eq!(store.holder(), Some(Holder { process: Some(std::process::id()) }));
        drop(guard);
        assert_eq!(store.holder(), None);
        assert!(store.lock().is_ok());
    }

    #[test]
    fn a_broken_file_is_an_error_and_not_an_empty_record() {
        let directory = tempfile::tempdir().unwrap();
        let store = FileStore::new(directory.path());
        fs::write(store.path(&key()), "{").unwrap();
        assert!(matches!(store.load(&key()), Err(StateError::Format { .. })));
    }

    #[test]
    fn a_record_of_a_newer_release_is_left_alone_and_one_without_a_version_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let store = FileStore::new(directory.path());
        let newer = r#"{"version": 2, "in_flight": "something else"}"#;
        fs::write(store.path(&key()), newer).unwrap();
        let refused = store.load(&key()).unwrap_err();
        assert!(matches!(refused, StateError::Newer { version: 2, .. }), "{refused}");
        assert_eq!(fs::read_to_string(store.path(&key())).unwrap(), newer);
        fs::write(store.path(&key()), "{}").unwrap();
        assert_eq!(store.load(&key()).unwrap(), StackRecord::default());
    }
}
