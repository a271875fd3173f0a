//! Reads variables and collects what is wrong with them, so that all faults are reported at once.

use portcullis_axum::ConfigError;
use portcullis_axum::config::variables;

type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

pub(super) struct Reader<'a> {
    lookup: Lookup<'a>,
    faults: Vec<ConfigError>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(lookup: Lookup<'a>) -> Self {
        Self { lookup, faults: Vec::new() }
    }

    /// Returns whether the variable, or its twin that names a file, is set.
    pub(super) fn is_set(&self, name: &'static str) -> bool {
        !matches!(variables::given(self.lookup, name), Ok(None))
    }

    /// Returns the text of the variable, or of the file that its twin with `_FILE` names. A blank variable is not set.
    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        let text = self.result(|lookup| variables::given(lookup, name)).flatten();
        text.map(|text| text.trim().to_owned())
    }

    /// Returns the variable as `parse` reads it, or `default` if it is not set.
    pub(super) fn value<T>(
        &mut self,
        name: &'static str,
        default: T,
        hint: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> T {
        let Some(text) = self.text(name) else { return default };
        parse(&text).unwrap_or_else(|| {
            self.fault(ConfigError::new(name, "cannot be read, or is out of range", hint));
            default
        })
    }

    /// Returns the variable, which restricts what is accepted, as `parse` reads it. A blank variable is an error.
    pub(super) fn restriction<T>(
        &mut self,
        name: &'static str,
        hint: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.result(|lookup| variables::restriction(lookup, name, hint)).flatten()?;
        let value = parse(text.trim());
        if value.is_none() {
            self.fault(ConfigError::new(name, "cannot be read", hint));
        }
        value
    }

    /// Checks a value that another part of the service can also refuse.
    pub(super) fn check<T>(&mut self, name: &'static str, result: Result<T, ConfigError>) {
        if let Err(error) = result {
            self.fault(error.with_field(name));
        }
    }

    /// Returns what `read` makes of the variables.
    pub(super) fn result<T>(&mut self, read: impl FnOnce(Lookup<'a>) -> Result<T, ConfigError>) -> Option<T> {
        read(self.lookup).map_err(|error| self.fault(error)).ok()
    }

    pub(super) fn fault(&mut self, error: ConfigError) {
        self.faults.push(error);
    }

    /// Reports all faults.
    pub(super) fn finish(self) -> Result<(), ConfigError> {
        ConfigError::all(self.faults)
    }
}
