//! Finds the name that the user most likely meant.

/// The candidate most like `name`, if one is like it.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    let allowed = (wanted.chars().count() / 3).clamp(1, 6);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len().abs_diff(name.len()) <= allowed)
        .map(|candidate| {
            let distance = strsim::osa_distance(&wanted, &candidate.to_lowercase());
            (distance, candidate)
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_is_mended_and_a_stranger_is_not() {
        let names = ["BucketName", "BucketEncryption", "Tags"];
        assert_eq!(nearest("bucketname", names), Some("BucketName"));
        assert_eq!(nearest("BuckteName", names), Some("BucketName"));
        assert_eq!(nearest("Tag", names), Some("Tags"));
        assert_eq!(nearest("Completely", names), None);
    }
}
