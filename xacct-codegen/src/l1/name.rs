//! Rust names for CloudFormation's: snake case for setters and modules, camel case for types and variants.

/// Words that CloudFormation spells in ways that the rules below would tear apart.
const SPELLINGS: [(&str, &str); 9] = [
    ("IPv4", "Ipv4"),
    ("IPv6", "Ipv6"),
    ("IpV4", "Ipv4"),
    ("IpV6", "Ipv6"),
    ("DBv2", "DbV2"),
    ("OAuth", "Oauth"),
    ("IoT", "Iot"),
    ("MySQL", "Mysql"),
    ("GitHub", "Github"),
];

const KEYWORDS: &str = " abstract as async await become box break const continue crate do dyn else enum extern false final fn for gen if impl \
     in let loop macro match mod move mut override priv pub ref return self static struct super trait true try type typeof unsafe unsized use \
     virtual where while yield ";

/// `VPCSecurityGroupIDs` becomes `vpc_security_group_ids`.
pub(super) fn snake(name: &str) -> String {
    let mut spelled = name.to_owned();
    for (theirs, ours) in SPELLINGS {
        spelled = spelled.replace(theirs, ours);
    }
    let letters: Vec<char> = plural_acronyms(&spelled).chars().collect();
    let mut snake = String::new();
    for (index, &letter) in letters.iter().enumerate() {
        if !letter.is_ascii_alphanumeric() {
            push_underscore(&mut snake);
            continue;
        }
        let before = index.checked_sub(1).map(|it| letters[it]);
        let after = letters.get(index + 1);
        let starts_word = letter.is_ascii_uppercase()
            && before.is_some_and(|before| {
                before.is_ascii_lowercase()
                    || before.is_ascii_digit()
                    || (before.is_ascii_uppercase() && after.is_some_and(char::is_ascii_lowercase))
            });
        if starts_word {
            push_underscore(&mut snake);
        }
        snake.push(letter.to_ascii_lowercase());
    }
    let snake = snake.trim_end_matches('_');
    if snake.starts_with(|it: char| it.is_ascii_digit()) {
        return format!("n{snake}");
    }
    if KEYWORDS.contains(&format!(" {snake} ")) {
        return format!("{snake}_");
    }
    snake.to_owned()
}

fn push_underscore(snake: &mut String) {
    if !snake.is_empty() && !snake.ends_with('_') {
        snake.push('_');
    }
}

/// `ARNs` becomes `Arns`, so that its `s` does not begin a word.
fn plural_acronyms(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut result = letters.clone();
    for (index, &letter) in letters.iter().enumerate() {
        let ends = letters.get(index + 1).is_none_or(char::is_ascii_uppercase);
        let acronym = index >= 2 && letters[index - 1].is_ascii_uppercase() && letters[index - 2].is_ascii_uppercase();
        if letter == 's' && ends && acronym {
            let start = (0..index).rev().take_while(|&it| letters[it].is_ascii_uppercase()).last().unwrap_or(index);
            for it in start + 1..index {
                result[it] = letters[it].to_ascii_lowercase();
            }
        }
    }
    result.into_iter().collect()
}

/// The name of a nested type or resource: as CloudFormation has it, with a capital first.
pub(super) fn camel(name: &str) -> String {
    let mut camel = String::new();
    for word in name.split(|it: char| !it.is_ascii_alphanumeric()).filter(|it| !it.is_empty()) {
        camel.push_str(&word[..1].to_ascii_uppercase());
        camel.push_str(&word[1..]);
    }
    if camel.starts_with(|it: char| it.is_ascii_digit()) { format!("N{camel}") } else { camel }
}

/// The variant for one of the texts that a property allows.
pub(super) fn variant(text: &str) -> String {
    let mut name = String::new();
    for word in text.split(|it: char| !it.is_ascii_alphanumeric()).filter(|it| !it.is_empty()) {
        let digits_meet =
            name.ends_with(|it: char| it.is_ascii_digit()) && word.starts_with(|it: char| it.is_ascii_digit());
        if digits_meet {
            name.push('_');
        }
        let shouts = word.len() > 1 && !word.contains(|it: char| it.is_ascii_lowercase());
        name.push_str(&word[..1].to_ascii_uppercase());
        name.push_str(&if shouts { word[1..].to_ascii_lowercase() } else { word[1..].to_owned() });
    }
    if name.is_empty() {
        name = text.chars().map(symbol).collect();
    }
    match name.as_str() {
        "" => "Empty".to_owned(),
        "Self" => "Self_".to_owned(),
        _ if name.starts_with(|it: char| it.is_ascii_digit()) => format!("V{name}"),
        _ => name,
    }
}

fn symbol(symbol: char) -> &'static str {
    match symbol {
        '<' => "Less",
        '>' => "Greater",
        '=' => "Equal",
        '*' => "Any",
        '+' => "Plus",
        '-' => "Minus",
        '!' => "Not",
        '/' => "Slash",
        _ => "Other",
    }
}

/// The first of `name`, `name2`, `name3` … that is not taken; takes it.
pub(super) fn unique(name: String, taken: &mut std::collections::BTreeSet<String>) -> String {
    let mut candidate = name.clone();
    let mut number = 2;
    while !taken.insert(candidate.clone()) {
        candidate = format!("{name}{number}");
        number += 1;
    }
    candidate
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snake_case_keeps_acronyms_together() {
        for (theirs, ours) in [
            ("BucketName", "bucket_name"),
            ("VPCSecurityGroupIDs", "vpc_security_group_ids"),
            ("KMSKeyArn", "kms_key_arn"),
            ("SubscriptionARNs", "subscription_arns"),
            ("EnableIPv6", "enable_ipv6"),
            ("Type", "type_"),
            ("DBInstance", "db_instance"),
            ("s3BackupMode", "s3_backup_mode"),
            ("MetadataConfiguration.Destination", "metadata_configuration_destination"),
        ] {
            assert_eq!(snake(theirs), ours);
        }
    }

    #[test]
    fn variants_are_camel_case_and_tell_versions_apart() {
        for (text, ours) in [
            ("BUILD_GENERAL1_SMALL", "BuildGeneral1Small"),
            ("aws:kms", "AwsKms"),
            ("Enabled", "Enabled"),
            ("python3.12", "Python3_12"),
            ("1.2", "V1_2"),
            (">=", "GreaterEqual"),
            ("", "Empty"),
        ] {
            assert_eq!(variant(text), ours);
        }
    }
}
