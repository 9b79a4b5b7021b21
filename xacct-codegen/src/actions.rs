//! Not filled yet.

use crate::Output;
use crate::source::{SourceError, Sources};

/// Writes nothing yet.
pub fn generate(_sources: &Sources) -> Result<Output, SourceError> {
    Ok(Output::new())
}
