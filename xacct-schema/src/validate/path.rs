//! Where in a template something is; text only when it is shown.

/// One step of a path.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step<'t> {
    Key(&'t str),
    Index(usize),
}

/// Such as `Tags[0].Key`.
pub(super) fn render(steps: &[Step<'_>]) -> String {
    let mut text = String::new();
    for step in steps {
        match step {
            Step::Key(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(key);
            }
            Step::Index(index) => {
                text.push('[');
                text.push_str(&index.to_string());
                text.push(']');
            }
        }
    }
    text
}
