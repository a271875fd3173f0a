//! Reads the variables of presets.

use portcullis::ConfigError;
use portcullis::config::variables;

/// Reads a variable that has to be set.
pub(crate) fn required(
    lookup: impl Fn(&str) -> Option<String>,
    name: &'static str,
    instead: &'static str,
) -> Result<String, ConfigError> {
    let text = variables::given(lookup, name)?.ok_or_else(|| ConfigError::new(name, "not set", instead))?;
    Ok(text.trim().to_owned())
}

/// Reads a variable that may be absent.
pub(crate) fn optional(
    lookup: impl Fn(&str) -> Option<String>,
    name: &'static str,
) -> Result<Option<String>, ConfigError> {
    Ok(variables::given(lookup, name)?.map(|text| text.trim().to_owned()))
}

/// Reads a list, separated by commas, that restricts what is accepted. It may be absent, but not blank.
pub(crate) fn list(
    lookup: impl Fn(&str) -> Option<String>,
    name: &'static str,
    instead: &'static str,
) -> Result<Vec<String>, ConfigError> {
    let text = variables::restriction(lookup, name, instead)?;
    let items: Vec<String> = text.iter().flat_map(|text| text.split(',')).map(|item| item.trim().to_owned()).collect();
    if items.iter().any(String::is_empty) {
        return Err(ConfigError::new(name, "an item of the list is empty", instead));
    }
    Ok(items)
}

/// Combines two lists, of which at least one has to be set. Otherwise the error is `missing`.
pub(crate) fn at_least_one<A, B>(
    first: Result<Vec<A>, ConfigError>,
    second: Result<Vec<B>, ConfigError>,
    missing: ConfigError,
) -> Result<(Vec<A>, Vec<B>), ConfigError> {
    let (first, second) = ConfigError::both(first, second)?;
    if first.is_empty() && second.is_empty() { Err(missing) } else { Ok((first, second)) }
}

/// Reads a list of numbers. It may be absent, but not blank.
pub(crate) fn ids(
    lookup: impl Fn(&str) -> Option<String>,
    name: &'static str,
    instead: &'static str,
) -> Result<Vec<u64>, ConfigError> {
    let items = list(lookup, name, instead)?;
    items.iter().map(|item| item.parse().map_err(|_| ConfigError::new(name, "not a number", instead))).collect()
}
