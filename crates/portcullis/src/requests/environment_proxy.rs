//! The proxy variables of the environment, which are not used, and the log event that says so.

use std::ffi::OsString;
use std::sync::atomic::{AtomicBool, Ordering};

/// Logs one warning per process if the environment names a proxy, which other programs would use.
pub(crate) fn warn_once() {
    // No `Once`: it would be locked while the event is emitted.
    static WARNED: AtomicBool = AtomicBool::new(false);
    if let Some(variable) = set_variable(|name| std::env::var_os(name))
        && !WARNED.swap(true, Ordering::Relaxed)
    {
        tracing::warn!(
            variable,
            "proxy variable is set and not used for keys; set the option proxy (PORTCULLIS_PROXY) to use a proxy"
        );
    }
}

/// The variables that other HTTP clients use for https URLs, in their order.
const VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

fn set_variable(lookup: impl Fn(&str) -> Option<OsString>) -> Option<&'static str> {
    VARIABLES.into_iter().find(|name| lookup(name).is_some_and(|value| !value.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxy_variable_is_found_by_any_name() {
        let set = |name: &str, value: &str| set_variable(|asked| (asked == name).then(|| value.into()));
        for name in VARIABLES {
            assert_eq!(set(name, "http://proxy:3128"), Some(name));
        }
        assert_eq!(set("HTTPS_PROXY", ""), None);
        assert_eq!(set("NO_PROXY", "*"), None);
    }
}
