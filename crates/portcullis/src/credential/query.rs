//! Values of the query, for browsers that cannot set header fields, and texts for logs without them.

use percent_encoding::percent_decode_str;

use crate::credential::request::RequestView;
use crate::error::InvalidRequest;

/// The methods of `EventSource` and of a WebSocket, also over HTTP/2 (RFC 8441 §4). Requests with other methods can set header
/// fields.
const METHODS: [&str; 2] = ["GET", "CONNECT"];

/// What replaces a value in a log.
const HIDDEN: &str = "hidden";

/// Returns the value of the parameter `name`, percent-decoded. A name that is itself percent-encoded does not count.
pub(crate) fn the_only_parameter(request: &dyn RequestView, name: &str) -> Result<Option<String>, InvalidRequest> {
    if !METHODS.contains(&&*request.method()) {
        return Ok(None);
    }
    let Some(query) = request.query() else { return Ok(None) };
    let mut values = pairs(&query).filter(|(found, _)| *found == name).map(|(_, value)| value);
    let first = values.next();
    if values.next().is_some() {
        return Err(InvalidRequest::RepeatedCredential);
    }
    let decoded = first.map(|value| percent_decode_str(value).decode_utf8().map(Into::into));
    decoded.transpose().map_err(|_| InvalidRequest::MalformedToken)
}

/// Returns a request target or URL for a log: the values of the parameters `names` in its query are replaced by `hidden`. Names
/// are compared percent-decoded, so a value is hidden also from a reader that decodes them.
///
/// ```
/// use portcullis::adapter::hide_parameters;
///
/// assert_eq!(hide_parameters("/events?room=7&ticket=4f2a", &["ticket"]), "/events?room=7&ticket=hidden");
/// ```
#[must_use]
pub fn hide_parameters(target: &str, names: &[&str]) -> String {
    let Some((path, query)) = target.split_once('?') else { return target.to_owned() };
    let is_named = |found: &str| {
        let found = found.replace('+', " ");
        names.iter().any(|name| percent_decode_str(&found).eq(name.bytes()))
    };
    let shown = pairs(query).map(|(name, value)| match value {
        "" => name.to_owned(),
        _ if is_named(name) => format!("{name}={HIDDEN}"),
        value => format!("{name}={value}"),
    });
    format!("{path}?{}", shown.collect::<Vec<_>>().join("&"))
}

fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::HeaderList;

    fn ticket(method: &str, query: &str) -> Result<Option<String>, InvalidRequest> {
        let request = HeaderList::new(method, [("host", "a.test")]).with_query(query);
        the_only_parameter(&request, "ticket")
    }

    #[test]
    fn parameter_appears_once_or_not() {
        for (query, expected) in [
            ("", None),
            ("ticket", Some("")),
            ("ticket=", Some("")),
            ("ticket=a.b-c_d~e", Some("a.b-c_d~e")),
            ("room=7&ticket=a%2Eb&x", Some("a.b")),
            ("ticket=a=b", Some("a=b")),
            ("Ticket=a&tickets=b&xticket=c&ti%63ket=d&x=ticket=e", None),
        ] {
            assert_eq!(ticket("GET", query), Ok(expected.map(str::to_owned)), "{query}");
        }
        for query in ["ticket=a&ticket=a", "ticket=a&ticket", "ticket&ticket=b"] {
            assert_eq!(ticket("GET", query), Err(InvalidRequest::RepeatedCredential), "{query}");
        }
        assert_eq!(ticket("GET", "ticket=%FF"), Err(InvalidRequest::MalformedToken));
    }

    #[test]
    fn other_methods_have_header_fields() {
        for (method, is_read) in [("GET", true), ("CONNECT", true), ("POST", false), ("HEAD", false), ("get", false)] {
            assert_eq!(ticket(method, "ticket=a"), Ok(is_read.then(|| "a".to_owned())), "{method}");
        }
        assert_eq!(the_only_parameter(&HeaderList::new("GET", [("host", "a.test")]), "ticket"), Ok(None));
    }

    #[test]
    fn log_shows_no_hidden_value() {
        for (target, expected) in [
            ("/", "/"),
            ("/?", "/?"),
            ("/ticket=a", "/ticket=a"),
            ("/?ticket=a", "/?ticket=hidden"),
            ("/?ticket=", "/?ticket"),
            ("/?x=1&ticket=a=b&ticket=c&access_token=d&y", "/?x=1&ticket=hidden&ticket=hidden&access_token=hidden&y"),
            ("/?ti%63ket=a&%74icket=b", "/?ti%63ket=hidden&%74icket=hidden"),
            ("/?x=?ticket=a", "/?x=?ticket=a"),
            ("https://a.test/b?ticket=a", "https://a.test/b?ticket=hidden"),
        ] {
            assert_eq!(hide_parameters(target, &["ticket", "access_token"]), expected, "{target}");
        }
    }
}
