//! `cargo run -p xacct-codegen -- tables | actions | l1 | all`: writes generated files into the workspace.

use std::error::Error;
use std::fs;
use std::path::Path;

use xacct_codegen::GENERATORS;
use xacct_codegen::source::{Sources, workspace};

fn main() -> Result<(), Box<dyn Error>> {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let known = GENERATORS.map(|(name, _)| name);
    if wanted != "all" && !known.contains(&wanted.as_str()) {
        return Err(format!("unknown generator `{wanted}`: give one of {}, all", known.join(", ")).into());
    }
    let sources = Sources::open(&workspace().join("target/codegen-cache"))?;
    for (name, generate) in GENERATORS {
        if wanted == "all" || wanted == name {
            for (path, content) in generate(&sources)? {
                write_if_changed(&workspace().join(path), &content)?;
            }
        }
    }
    Ok(())
}

/// Leaves an unchanged file alone, so that cargo does not rebuild what depends on it.
fn write_if_changed(path: &Path, content: &[u8]) -> std::io::Result<()> {
    if fs::read(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, content)
}
