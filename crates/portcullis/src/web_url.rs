//! URLs of services on the web.

use crate::loopback::is_loopback;

/// Splits a URL into its origin and the rest: its path, with the query.
///
/// `None` unless it is an absolute https URL, or an http URL of this machine, without user information and fragment.
pub(crate) fn split(url: &str) -> Option<(&str, &str)> {
    let (scheme, after_scheme) = url.split_once("://")?;
    let printable = url.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\#<>".contains(&byte));
    let host_end = after_scheme.find(['/', '?']).unwrap_or(after_scheme.len());
    let authority = after_scheme.get(..host_end)?;
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let is_private = scheme == "https" || scheme == "http" && is_loopback(host);
    if host.is_empty() || !is_private || !printable || authority.contains('@') {
        return None;
    }
    url.split_at_checked(url.len() - after_scheme.len() + host_end)
}
