//! The names of this machine in URLs.

use std::net::IpAddr;

/// Whether `host`, the host of a URL, is this machine. Plain HTTP to it does not leave the machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
