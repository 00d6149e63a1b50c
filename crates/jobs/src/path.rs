//! Where a job may be sent: users may create jobs, so a path must not lead out of the backend's address.

use url::Url;

/// The address of `path` behind `base`.
///
/// # Errors
/// Says why, if the path would lead to somewhere that does not begin with `base`.
pub(crate) fn join(base: &Url, path: &str) -> Result<Url, &'static str> {
    if !path.starts_with('/') {
        return Err("the path does not begin with `/`");
    }
    let prefix = base.path().trim_end_matches('/');
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path, None),
    };
    let mut url = base.clone();
    // Neither of the two can change the host; what they normalise, as `..`, is seen in what comes out.
    url.set_path(&format!("{prefix}{path}"));
    url.set_query(query);
    url.set_fragment(None);
    let behind = url.path().strip_prefix(prefix);
    if !behind.is_some_and(|behind| behind.starts_with('/')) {
        return Err("the path leads out of the backend's address");
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(base: &str, path: &str) -> Result<String, &'static str> {
        join(&base.parse().unwrap(), path).map(String::from)
    }

    #[test]
    fn a_path_goes_behind_the_address() {
        assert_eq!(joined("http://a:1", "/x/y?z=1").unwrap(), "http://a:1/x/y?z=1");
        assert_eq!(joined("http://a:1/api/", "/x").unwrap(), "http://a:1/api/x");
        assert_eq!(joined("http://a:1/api", "/x/../y").unwrap(), "http://a:1/api/y");
        assert_eq!(joined("http://a:1/api?k=1", "/x#f").unwrap(), "http://a:1/api/x%23f");
    }

    /// Catches a user's job that takes the backend's token somewhere else.
    #[test]
    fn no_path_leads_elsewhere() {
        for path in ["@evil.example/", "evil", "", "/../admin", "/%2e%2e/admin", "/x/../../admin", "/..", "/.%2E/admin"]
        {
            assert!(joined("http://a:1/api", path).is_err(), "{path}: {:?}", joined("http://a:1/api", path));
        }
        for path in ["//evil.example/", "/\\evil.example", "/@evil.example", "/:80@evil.example", "/\n//evil.example"] {
            let url = joined("http://a:1", path).unwrap();
            assert!(url.starts_with("http://a:1/"), "{path}: {url}");
        }
    }
}
