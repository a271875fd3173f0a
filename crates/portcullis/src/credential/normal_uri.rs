//! The normal form of http URIs: two URIs with one normal form are equivalent (RFC 3986 §6.2.2, §6.2.3).

/// Returns the normal form of an http or https URI, without its query and fragment. `None` if it is another text, or has user
/// information.
///
/// Scheme and host are in lower case, percent-encoding is in upper case and only where it is needed, dot segments and the
/// default port are removed, and an empty path is `/`.
pub(crate) fn normalize(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let default_port = match scheme.as_str() {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    if !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_at_checked(rest.find('/').unwrap_or(rest.len()))?;
    let (host, port) = match authority.rsplit_once(':') {
        // The colons of an IPv6 address are in brackets.
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (authority, ""),
    };
    if host.is_empty() || authority.contains('@') || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
        return None;
    }
    let port = if port.is_empty() { default_port } else { port.parse::<u16>().ok()? };
    let host = normalize_percent_encoding(&host.to_ascii_lowercase(), true);
    let port = if port == default_port { String::new() } else { format!(":{port}") };
    Some(format!("{scheme}://{host}{port}{}", normalize_path(path)))
}

/// Returns the normal form of a path, which is empty or starts with a slash.
pub(super) fn normalize_path(path: &str) -> String {
    remove_dot_segments(&normalize_percent_encoding(path, false))
}

/// Decodes what needs no percent-encoding (RFC 3986 §6.2.2.2), and writes the rest in upper case (§6.2.2.1). What is not
/// percent-encoding stays.
fn normalize_percent_encoding(text: &str, is_host: bool) -> String {
    let mut pieces = text.split('%');
    let mut normal = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let byte = piece.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match byte.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                normal.push(char::from(if is_host { byte.to_ascii_lowercase() } else { byte }));
            }
            Some(byte) => normal.push_str(&format!("%{byte:02X}")),
            None => {
                normal.push('%');
                normal.push_str(piece);
                continue;
            }
        }
        normal.push_str(piece.get(2..).unwrap_or_default());
    }
    normal
}

/// RFC 3986 §5.2.4, for a path that is empty or starts with a slash.
fn remove_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_with_slash = false;
    for segment in path.split('/').skip(1) {
        ends_with_slash = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    let mut normal: String = kept.iter().flat_map(|segment| ["/", segment]).collect();
    if ends_with_slash || normal.is_empty() {
        normal.push('/');
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equivalent_uris_have_one_normal_form() {
        for (uri, normal) in [
            ("https://api.example.com/orders", "https://api.example.com/orders"),
            ("HTTPS://API.Example.COM/orders", "https://api.example.com/orders"),
            ("https://api.example.com:443/orders", "https://api.example.com/orders"),
            ("https://api.example.com:/orders", "https://api.example.com/orders"),
            ("https://api.example.com:0443/orders", "https://api.example.com/orders"),
            ("http://localhost:80/orders", "http://localhost/orders"),
            ("http://localhost:443/orders", "http://localhost:443/orders"),
            ("https://api.example.com:8443/orders", "https://api.example.com:8443/orders"),
            ("https://api.example.com", "https://api.example.com/"),
            ("https://api.example.com?a=b", "https://api.example.com/"),
            ("https://api.example.com/orders?a=/b#c", "https://api.example.com/orders"),
            ("https://api.example.com/orders#c?d", "https://api.example.com/orders"),
            ("https://api.example.com/%7eme/%6frders", "https://api.example.com/~me/orders"),
            ("https://api.example.com/a%2fb", "https://api.example.com/a%2Fb"),
            ("https://api.example.com/a%zz%4", "https://api.example.com/a%zz%4"),
            ("https://api.example.com/a/./b/../c", "https://api.example.com/a/c"),
            ("https://api.example.com/a/%2e%2E/c/..", "https://api.example.com/"),
            ("https://api.example.com/../../a/.", "https://api.example.com/a/"),
            ("https://api.example.com//a//b/", "https://api.example.com//a//b/"),
            ("https://%61PI.example.com/", "https://api.example.com/"),
            ("https://[2001:DB8::1]:443/a", "https://[2001:db8::1]/a"),
            ("https://[2001:db8::1]/a", "https://[2001:db8::1]/a"),
        ] {
            assert_eq!(normalize(uri).as_deref(), Some(normal), "{uri}");
            assert_eq!(normalize(normal).as_deref(), Some(normal), "a normal form stays");
        }
    }

    #[test]
    fn different_resources_stay_different() {
        let base = normalize("https://api.example.com/orders").unwrap();
        for other in [
            "http://api.example.com/orders",
            "https://api.example.com/Orders",
            "https://api.example.com/orders/",
            "https://api.example.com//orders",
            "https://api.example.com/orders;v=1",
            "https://api.example.com/orders%2F",
            "https://api.example.com:8443/orders",
            "https://api.example.com./orders",
            "https://example.com/orders",
        ] {
            assert_ne!(normalize(other).unwrap(), base, "{other}");
        }
    }

    #[test]
    fn other_texts_have_no_normal_form() {
        for text in [
            "",
            "/orders",
            "api.example.com/orders",
            "//api.example.com/orders",
            "https:/api.example.com",
            "https:///orders",
            "https://:443/orders",
            "https://user@api.example.com/orders",
            "https://api.example.com:port/orders",
            "https://api.example.com:8443:443/orders",
            "https://api.example.com:8443:/orders",
            "https://2001:db8::1/orders",
            "https://api.example.com:65536/orders",
            "https://api.example.com/a b",
            "https://api.example.com/\u{e9}",
            "ftp://api.example.com/orders",
            "https://api.example.com\n/orders",
        ] {
            assert_eq!(normalize(text), None, "{text}");
        }
    }
}
