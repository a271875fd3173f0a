//! This machine, by its names in URLs.

use std::net::IpAddr;

/// Whether `host`, as it stands in a URL, is this machine: plain HTTP to it passes through no network.
pub(crate) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
