//! `init`: a new app in a folder of its own, that compiles and deploys locally as it is.

use std::fs;
use std::path::{Path, PathBuf};

use crate::args::InitArgs;
use crate::config::SAMPLE;
use crate::exit::Exit;
use crate::problem::{Failure, Problem, io_reason};
use crate::session::Session;

const MAIN: &str = include_str!("init/main.rs");

pub(crate) fn run(session: &Session<'_>, args: &InitArgs) -> Result<Exit, Failure> {
    let folder = &args.folder;
    let is_taken = fs::read_dir(folder).is_ok_and(|mut it| it.next().is_some()) || folder.is_file();
    if is_taken {
        let problem = Problem::error(format!("`{}` exists and is not empty", folder.display()));
        return Err(Failure::new(Exit::Usage, problem.help("name a folder that does not exist yet")));
    }
    let name = package_name(folder);
    let files = [
        ("Cargo.toml", manifest(&name)),
        ("src/main.rs", MAIN.to_owned()),
        ("xacct.toml", SAMPLE.to_owned()),
        (".gitignore", "/target\n/cdk.out\n/.xacct\n".to_owned()),
    ];
    for (file, text) in files {
        let path = folder.join(file);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, text))
            .map_err(|error| cannot_write(&path, &error))?;
        session.terminal.json("file", serde_json::json!({ "path": path }))?;
        session.terminal.say(&format!("  {}", path.display()));
    }
    session.terminal.say(&format!("{} next:", session.terminal.err.green("✓")));
    session.terminal.say(&format!("  cd {}", folder.display()));
    session.terminal.say("  cargo run -- deploy --local --yes");
    Ok(Exit::Done)
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    let problem = Problem::error(format!("cannot write `{}`", path.display())).note(io_reason(error));
    Failure::new(Exit::Internal, problem)
}

/// A name that cargo takes.
fn package_name(folder: &Path) -> String {
    let name = folder.file_name().and_then(|it| it.to_str()).unwrap_or("app").to_lowercase();
    let name: String = name.chars().map(|it| if it.is_ascii_alphanumeric() || it == '_' { it } else { '-' }).collect();
    let name = name.trim_matches('-');
    match name.chars().next() {
        Some(first) if first.is_ascii_digit() => format!("app-{name}"),
        None => "app".to_owned(),
        _ => name.to_owned(),
    }
}

fn manifest(name: &str) -> String {
    let dependency = |package: &str, features: &str| {
        let source = match sources().map(|it| it.join(package)).filter(|it| it.is_dir()) {
            Some(path) => format!("path = {:?}", path.display().to_string()),
            None => format!("version = {:?}", env!("CARGO_PKG_VERSION")),
        };
        format!("{package} = {{ {source}{features} }}\n")
    };
    format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\npublish = false\n\n[dependencies]\n{}{}{}\n\
         # A workspace of its own, wherever the folder is.\n[workspace]\n",
        dependency("xacct-cli", ""),
        dependency("xacct-constructs", ", features = [\"sqs\"]"),
        dependency("xacct-core", ""),
    )
}

/// Where the crates are, if this program was built from a checkout that is still there.
fn sources() -> Option<PathBuf> {
    fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_makes_a_package_name() {
        for (folder, name) in
            [("my-app", "my-app"), ("a/My App", "my-app"), ("7up", "app-7up"), ("/", "app"), ("..", "app")]
        {
            assert_eq!(package_name(Path::new(folder)), name, "{folder}");
        }
    }
}
