//! Which hosts are this machine, so that plain http to them does not leave it.
//!
//! A service names its own URL and its pages with [`is_this_machine`]. A client that connects to a server, for example to fetch
//! keys, uses the stricter [`is_loopback`].

use std::net::IpAddr;

/// Returns whether `host`, the host of a URL, is `localhost` or a loopback address. A connection to it does not leave the
/// machine.
///
/// ```
/// use portcullis::loopback::is_loopback;
///
/// assert!(is_loopback("localhost") && is_loopback("127.0.0.1") && is_loopback("[::1]"));
/// assert!(!is_loopback("app.localhost") && !is_loopback("localhost.example.com"));
/// ```
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Returns whether a browser finds `host`, the host of a URL, on its own machine: as [`is_loopback`], and also each name below
/// `localhost` (RFC 6761 §6.3).
///
/// Use it for URLs that a service has itself. Not every system resolves such a name without a name server, so a client that
/// connects uses [`is_loopback`].
///
/// ```
/// use portcullis::loopback::is_this_machine;
///
/// assert!(is_this_machine("app.localhost") && is_this_machine("localhost") && is_this_machine("127.0.0.1"));
/// assert!(!is_this_machine("localhost.example.com") && !is_this_machine("notlocalhost"));
/// ```
#[must_use]
pub fn is_this_machine(host: &str) -> bool {
    let below = |host: &str| host.rsplit_once('.').is_some_and(|(_, last)| last.eq_ignore_ascii_case("localhost"));
    is_loopback(host) || below(host)
}
