//! Files and folders that go to a bucket before their stacks are deployed.
//!
//! The key of an asset carries the hash of its content, so an object that exists is the right one and is never sent again. A
//! folder becomes the same zip archive, byte for byte, wherever and whenever it is packed: entries are sorted, times are fixed,
//! and of the permissions only "executable" is kept.

use std::fs;
use std::io::{self, Cursor, Write};
use std::path::{Path, PathBuf};

use xacct_core::assembly::{FileAsset, Packaging, StackArtifact};
use xacct_core::asset::BOOTSTRAP_QUALIFIER;
use xacct_core::synthesizer::bucket_name;
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

use crate::cause::{Cause, CauseKind};
use crate::cloudformation::{ApiError, Clients};
use crate::retry::Caller;

/// The bucket for a stack's large template: the one that the assembly says, where its assets go, or that of CDK's default bootstrap.
pub(crate) fn bucket_of(artifact: &StackArtifact) -> String {
    let asset = artifact.assets.iter().find(|asset| asset.environment == artifact.environment);
    let said = artifact.bootstrap.template_bucket.clone().or_else(|| asset.map(|it| it.bucket.clone()));
    said.unwrap_or_else(|| bucket_name(BOOTSTRAP_QUALIFIER, &artifact.environment))
}

/// Uploads an object that is not there yet. The number of bytes sent.
pub(crate) async fn upload(
    caller: &Caller,
    clients: &Clients,
    bucket: &str,
    key: &str,
    content_type: &str,
    content: impl FnOnce() -> Result<Vec<u8>, Box<Cause>> + Send + 'static,
) -> Result<Option<u64>, Cause> {
    let exists = caller
        .call("HeadObject", || clients.objects.object_exists(bucket, key))
        .await
        .map_err(|error| refused(&error, bucket))?;
    if exists {
        return Ok(None);
    }
    // Packing is work for the processor; it must not hold up the stacks.
    let body = tokio::task::spawn_blocking(content)
        .await
        .map_err(|error| Cause::new(CauseKind::Asset, format!("packing failed: {error}")))?
        .map_err(|cause| *cause)?;
    let size = body.len() as u64;
    caller
        .call("PutObject", || clients.objects.put_object(bucket, key, body.clone(), content_type))
        .await
        .map_err(|error| refused(&error, bucket))?;
    Ok(Some(size))
}

fn refused(error: &ApiError, bucket: &str) -> Cause {
    let mut cause = Cause::from(error);
    cause.detail = Some(format!("it goes to the bucket `{bucket}`"));
    if error.code() == "NoSuchBucket" {
        cause.kind = CauseKind::Asset;
        cause.help = Some("run `bootstrap` for this account and region".to_owned());
    }
    cause
}

/// Uploads an asset of an assembly in `directory`.
pub(crate) async fn upload_asset(
    caller: &Caller,
    clients: &Clients,
    directory: &Path,
    asset: &FileAsset,
) -> Result<Option<u64>, Cause> {
    let path = directory.join(&asset.path);
    let packaging = asset.packaging;
    let content_type = match packaging {
        Packaging::Zip => "application/zip",
        Packaging::File => "application/octet-stream",
    };
    upload(caller, clients, &asset.bucket, &asset.key, content_type, move || {
        content(&path, packaging).map_err(|error| {
            let message = format!("cannot read the asset `{}`: {error}", path.display());
            Box::new(Cause::new(CauseKind::Asset, message).with_help("run synth again"))
        })
    })
    .await
}

fn content(path: &Path, packaging: Packaging) -> io::Result<Vec<u8>> {
    match packaging {
        Packaging::File => fs::read(path),
        // An archive that the program brought along is sent as it is.
        Packaging::Zip if path.is_file() => fs::read(path),
        Packaging::Zip => zip_folder(path),
    }
}

/// A folder as a zip archive: the same bytes for the same content.
pub fn zip_folder(folder: &Path) -> io::Result<Vec<u8>> {
    let mut files = Vec::new();
    collect(folder, String::new(), &mut files)?;
    files.sort();
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, path) in files {
        let mode = if is_executable(&path)? { 0o755 } else { 0o644 };
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(zip::DateTime::default())
            .unix_permissions(mode);
        archive.start_file(name, options)?;
        archive.write_all(&fs::read(&path)?)?;
    }
    Ok(archive.finish()?.into_inner())
}

/// All files below a folder, with their names in the archive: separated by `/` on every system.
fn collect(folder: &Path, prefix: String, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let path = entry.path();
        if fs::metadata(&path)?.is_dir() {
            collect(&path, format!("{name}/"), files)?;
        } else {
            files.push((name, path));
        }
    }
    Ok(())
}

#[cfg(unix)]
fn is_executable(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs::metadata(path)?.permissions().mode() & 0o100 != 0)
}

#[cfg(not(unix))]
fn is_executable(_: &Path) -> io::Result<bool> {
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(order: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in order {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("content of {name}")).unwrap();
        }
        folder
    }

    #[test]
    fn the_same_content_gives_the_same_archive() {
        let (a, b) = (folder(&["x", "d/y", "d/z"]), folder(&["d/z", "d/y", "x"]));
        fs::File::open(b.path().join("x")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        let archive = zip_folder(a.path()).unwrap();
        assert_eq!(archive, zip_folder(b.path()).unwrap());
        let mut archive = zip::ZipArchive::new(Cursor::new(archive)).unwrap();
        let names: Vec<_> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
        assert_eq!(names, ["d/y", "d/z", "x"]);
        let text = io::read_to_string(archive.by_name("d/y").unwrap()).unwrap();
        assert_eq!(text, "content of d/y");
    }

    #[test]
    #[cfg(unix)]
    fn a_script_stays_executable() {
        use std::os::unix::fs::PermissionsExt;
        let folder = folder(&["run.sh", "data"]);
        let script = folder.path().join("run.sh");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o775)).unwrap();
        let mut archive = zip::ZipArchive::new(Cursor::new(zip_folder(folder.path()).unwrap())).unwrap();
        assert_eq!(archive.by_name("run.sh").unwrap().unix_mode().unwrap() & 0o777, 0o755);
        assert_eq!(archive.by_name("data").unwrap().unix_mode().unwrap() & 0o777, 0o644);
    }
}
