//! Files and folders that travel with the templates, named by the hash of their content.
//!
//! A node records only where the content is; the assembly's writer copies it. `deploy` uploads it to the asset bucket of
//! the stack's environment before the stack.

use std::path::{Path, PathBuf};

use crate::diagnostic::Diagnostic;
use crate::tree::{Construct, Node};
use crate::value::Value;

/// A file, or a folder that is uploaded as a zip archive.
///
/// The content is read when the construct is made: the hash is part of the template.
#[derive(Clone, Debug)]
pub struct Asset {
    node: Node,
    hash: String,
    bucket: String,
    key: String,
}

#[derive(Clone, Debug)]
pub(crate) struct AssetData {
    pub(crate) hash: String,
    pub(crate) source: PathBuf,
    pub(crate) is_folder: bool,
    pub(crate) extension: String,
}

/// The name of CDK's default bootstrap qualifier, whose bucket names are used so that an environment which CDK has
/// bootstrapped needs nothing more.
pub const BOOTSTRAP_QUALIFIER: &str = "hnb659fds";

impl Asset {
    /// The content at `path`, relative to the folder in which the program runs, or absolute.
    ///
    /// In a folder, what is named `.git`, `.terraform`, `target`, `node_modules` or `.DS_Store` is left out.
    #[track_caller]
    pub fn new(scope: &dyn Construct, id: &str, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        let node = scope.node().child(id);
        let (hash, is_folder) = match fingerprint(path) {
            Ok(found) => found,
            Err(error) => {
                node.report(
                    Diagnostic::error("asset", format!("the asset `{}` cannot be read: {error}", path.display()))
                        .help("give the path of a file or folder that exists, relative to where the program runs"),
                );
                (String::new(), false)
            }
        };
        let extension = match path.extension().and_then(|it| it.to_str()) {
            _ if is_folder => ".zip".to_owned(),
            Some(extension) => format!(".{extension}"),
            None => String::new(),
        };
        let bucket = bucket_of(&node);
        let key = format!("{hash}{extension}");
        let data = AssetData { hash: hash.clone(), source: path.to_owned(), is_folder, extension };
        node.with(|tree| tree[node.id()].asset = Some(data));
        Self { node, hash, bucket, key }
    }

    /// The SHA-256 of the content, in hexadecimal digits.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The bucket that the content will be in.
    pub fn bucket(&self) -> Value<str> {
        Value::from_expr(self.bucket.clone().into())
    }

    /// The object's key in the bucket.
    pub fn key(&self) -> Value<str> {
        Value::from_expr(self.key.clone().into())
    }
}

impl Construct for Asset {
    fn node(&self) -> &Node {
        &self.node
    }
}

/// The bucket that the bootstrap of the node's stack has. Without one, that is reported.
#[track_caller]
fn bucket_of(node: &Node) -> String {
    let found = node.with(|tree| tree.stack(node.id()).map(|it| it.synthesizer().bucket(&it.environment)));
    let problem = match found {
        Some(Some(bucket)) => return bucket,
        Some(None) => Diagnostic::error("asset", "an asset is in a stack that is deployed without a bootstrap")
            .help("give the stack another `StackSynthesizer`: assets go to the bucket of the bootstrap"),
        None => Diagnostic::error("no-stack", "an asset is in no stack").help("give it a scope within a stack"),
    };
    node.report(problem);
    String::new()
}

/// What a folder asset leaves out: local state and what tools make again.
const LEFT_OUT: [&str; 5] = [".git", ".terraform", "target", "node_modules", ".DS_Store"];

/// The files of a folder that belong to an asset, relative to it, sorted.
pub(crate) fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![PathBuf::new()];
    while let Some(relative) = open.pop() {
        for entry in std::fs::read_dir(folder.join(&relative))? {
            let entry = entry?;
            if LEFT_OUT.iter().any(|it| entry.file_name() == *it) {
                continue;
            }
            let path = relative.join(entry.file_name());
            // Follows links: a zip archive holds content, not links that lead out of it.
            if std::fs::metadata(entry.path())?.is_dir() {
                open.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The hash of the content: of a folder, over names, modes and content of its files.
fn fingerprint(path: &Path) -> std::io::Result<(String, bool)> {
    use sha2::{Digest, Sha256};
    if !std::fs::metadata(path)?.is_dir() {
        return Ok((crate::name::hex(&Sha256::digest(std::fs::read(path)?)), false));
    }
    let mut hash = Sha256::new();
    for file in files(path)? {
        let whole = path.join(&file);
        let content = std::fs::read(&whole)?;
        let name = file.to_string_lossy().replace('\\', "/");
        hash.update(format!("{}\0{}\0{}\0", name, u8::from(is_executable(&whole)?), content.len()));
        hash.update(&content);
    }
    Ok((crate::name::hex(&hash.finalize()), true))
}

#[cfg(unix)]
fn is_executable(path: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(std::fs::metadata(path)?.permissions().mode() & 0o100 != 0)
}

#[cfg(not(unix))]
fn is_executable(_: &Path) -> std::io::Result<bool> {
    Ok(false)
}
