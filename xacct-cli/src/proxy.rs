//! The proxies that the environment names, for those who wonder why AWS does not answer.

/// As the HTTP client reads them: capital letters first.
const VARIABLES: [&str; 4] = ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"];

/// A variable, and what it says.
pub(crate) struct ProxyVariable {
    pub(crate) name: String,
    value: String,
}

impl ProxyVariable {
    /// Those that are set.
    pub(crate) fn all() -> Vec<Self> {
        let set = |name: String| {
            let value = std::env::var(&name).ok().filter(|it| !it.is_empty())?;
            Some(Self { name, value })
        };
        let first = |name: &str| set(name.to_owned()).or_else(|| set(name.to_lowercase()));
        VARIABLES.into_iter().filter_map(first).collect()
    }

    /// Whether it names a proxy, and not what is reached without one.
    pub(crate) fn is_proxy(&self) -> bool {
        !self.name.eq_ignore_ascii_case("NO_PROXY")
    }

    /// What it says, without a password.
    pub(crate) fn shown(&self) -> String {
        match self.password() {
            Some(password) => self.value.replace(&format!(":{password}@"), ":****@"),
            None => self.value.clone(),
        }
    }

    /// The password in `http://user:password@proxy:8080`.
    pub(crate) fn password(&self) -> Option<&str> {
        let rest = self.value.split_once("://").map_or(self.value.as_str(), |(_, rest)| rest);
        let authority = rest.split('/').next().unwrap_or_default();
        let (user, _) = authority.rsplit_once('@')?;
        user.split_once(':').map(|(_, password)| password).filter(|it| !it.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::ProxyVariable;

    #[test]
    fn a_password_is_not_shown() {
        let check = |value: &str, shown: &str| {
            let variable = ProxyVariable { name: "HTTPS_PROXY".into(), value: value.into() };
            assert_eq!(variable.shown(), shown);
        };
        check("http://proxy:8080", "http://proxy:8080");
        check("http://me:s3cr3t@proxy:8080/", "http://me:****@proxy:8080/");
        check("me:p@ss@proxy:8080", "me:****@proxy:8080");
        check("http://me@proxy", "http://me@proxy");
    }
}
