//! DPoP of a configuration.

use std::path::Path;
use std::time::Duration;

use crate::config::{DpopMode, GateOptions, read_file};
use crate::error::ConfigError;
use crate::possession::{Dpop, DpopNonces};

impl GateOptions {
    /// Returns the rules for DPoP proofs; `None` means that DPoP is off.
    ///
    /// An option that would silently do nothing is an error, and so is DPoP without a public URL.
    pub(super) fn dpop(&self) -> Result<Option<Dpop>, ConfigError> {
        let Some(mode) = self.dpop else {
            let hint = "also set dpop (PORTCULLIS_DPOP) to required or accepted, or leave this out";
            let unused = |field, is_set: bool| is_set.then(|| ConfigError::new(field, "set without dpop", hint));
            let unused = [
                unused("dpop_nonce", self.dpop_nonce == Some(true)),
                unused("dpop_nonce_keys_file", self.dpop_nonce_keys_file.is_some()),
                unused("dpop_window_seconds", self.dpop_window_seconds.is_some()),
            ];
            return ConfigError::all(unused.into_iter().flatten()).map(|()| None);
        };
        let without_effect = (self.dpop_nonce == Some(true) && self.dpop_window_seconds.is_some()).then(|| {
            let hint = "leave it out: with nonces, the time of the service decides, and not that of the proof";
            ConfigError::new("dpop_window_seconds", "set next to dpop_nonce", hint)
        });
        ConfigError::all(without_effect)?;
        let without_url = self.public_url.is_none().then(|| {
            let hint = "also set public_url (PORTCULLIS_PUBLIC_URL) to the URL under which clients know this service";
            ConfigError::new("dpop", "set without public_url, and a proof names the URI of its request", hint)
        });
        let dpop = match mode {
            DpopMode::Accepted => Dpop::accepted(),
            DpopMode::Required => Dpop::required(),
        };
        let dpop = match self.dpop_window_seconds {
            Some(seconds) => dpop.with_window(Duration::from_secs(seconds)),
            None => dpop,
        };
        let ((), nonces) = ConfigError::both(ConfigError::all(without_url), self.nonces())?;
        let dpop = match nonces {
            Some(nonces) => dpop.with_nonces(nonces),
            None => dpop,
        };
        dpop.validate().map(Some)
    }

    fn nonces(&self) -> Result<Option<DpopNonces>, ConfigError> {
        match (self.dpop_nonce, self.dpop_nonce_keys_file.as_deref()) {
            (Some(true), Some(path)) => read_keys(path).map(Some),
            (Some(true), None) => DpopNonces::generate().map(Some),
            (_, None) => Ok(None),
            (_, Some(_)) => {
                let hint = "also set dpop_nonce (PORTCULLIS_DPOP_NONCE) to true, or leave this out";
                Err(ConfigError::new("dpop_nonce_keys_file", "set without dpop_nonce", hint))
            }
        }
    }
}

/// Reads a file with one key in each line. Empty lines do not matter.
fn read_keys(path: &Path) -> Result<DpopNonces, ConfigError> {
    let text = read_file("dpop_nonce_keys_file", path)?;
    DpopNonces::shared(text.lines().filter(|line| !line.trim().is_empty()))
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::keys::FixedKeys;
    use crate::verifier::JwtVerifier;

    /// The fields of the faults.
    fn faults(members: &str) -> Vec<String> {
        let config: Config = serde_json::from_str(&format!(r#"{{"issuer":"i","audience":"a",{members}}}"#)).unwrap();
        let builder = JwtVerifier::builder("i", "a", FixedKeys::secret(&[7; 32]).unwrap());
        match config.gate_from(builder) {
            Ok(_) => Vec::new(),
            Err(error) => error.fields().map(str::to_owned).collect(),
        }
    }

    #[test]
    fn options_of_dpop_need_each_other() {
        const URL: &str = r#""public_url":"https://api.example.com""#;
        let path = std::env::temp_dir().join(format!("portcullis-dpop-keys-{}", std::process::id()));
        std::fs::write(&path, "3kTJ8mQxvJ3hTnD0o1yPZyZPqk8yH2Jm6T4xZ8mB1lA=\n\n").unwrap();
        let file = format!(r#""dpop_nonce_keys_file":{path:?}"#);
        for (members, expected) in [
            (format!(r#"{URL},"dpop":"required""#), &[][..]),
            (format!(r#"{URL},"dpop":"accepted","dpop_nonce":true"#), &[]),
            (format!(r#"{URL},"dpop":"accepted","dpop_nonce":true,{file}"#), &[]),
            (format!(r#"{URL},"dpop":"required","dpop_nonce":false,"dpop_window_seconds":300"#), &[]),
            (r#""dpop_nonce":false"#.to_owned(), &[]),
            (r#""dpop":"required""#.to_owned(), &["dpop"]),
            (r#""dpop":"accepted","dpop_nonce":true"#.to_owned(), &["dpop"]),
            (format!(r#"{URL},"dpop_nonce":true"#), &["dpop_nonce"]),
            (
                format!(r#"{URL},"dpop_nonce":true,{file},"dpop_window_seconds":9"#),
                &["dpop_nonce", "dpop_nonce_keys_file", "dpop_window_seconds"],
            ),
            (format!(r#"{URL},"dpop":"required",{file}"#), &["dpop_nonce_keys_file"]),
            (format!(r#"{URL},"dpop":"required","dpop_nonce":true,"dpop_window_seconds":9"#), &["dpop_window_seconds"]),
            (format!(r#"{URL},"dpop":"required","dpop_window_seconds":0"#), &["dpop_window_seconds"]),
            (format!(r#"{URL},"dpop":"required","dpop_window_seconds":301"#), &["dpop_window_seconds"]),
            (
                format!(r#"{URL},"dpop":"required","dpop_nonce":true,"dpop_nonce_keys_file":"/nonexistent""#),
                &["dpop_nonce_keys_file"],
            ),
        ] {
            assert_eq!(faults(&members), expected, "{members}");
        }
        std::fs::write(&path, "a passphrase").unwrap();
        let members = format!(r#"{URL},"dpop":"required","dpop_nonce":true,{file}"#);
        assert_eq!(faults(&members), ["dpop_nonce_keys_file"]);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn faults_name_the_variables() {
        let builder = || JwtVerifier::builder("i", "a", FixedKeys::secret(&[7; 32]).unwrap());
        for (set, field) in [
            ([("PORTCULLIS_DPOP", "required"), ("PORTCULLIS_DPOP_NONCE", "true")], "PORTCULLIS_DPOP"),
            (
                [("PORTCULLIS_PUBLIC_URL", "https://a.example"), ("PORTCULLIS_DPOP_NONCE", "true")],
                "PORTCULLIS_DPOP_NONCE",
            ),
        ] {
            let lookup =
                |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            let error = Config::options_from_variables(lookup).unwrap().gate_from(builder()).unwrap_err();
            assert_eq!(error.field(), field, "{error}");
        }
    }

    #[test]
    fn mode_is_required_or_accepted() {
        for mode in ["off", "true", "Required", "optional", ""] {
            let text = format!(r#"{{"issuer":"i","audience":"a","dpop":"{mode}"}}"#);
            let error = serde_json::from_str::<Config>(&text).unwrap_err().to_string();
            assert!(error.contains("write required or accepted"), "{error}");
        }
    }

    #[test]
    fn blank_variable_does_not_switch_proofs_off() {
        for value in ["", " "] {
            let lookup = |name: &str| (name == "PORTCULLIS_DPOP").then(|| value.to_owned());
            let error = Config::options_from_variables(lookup).unwrap_err();
            assert_eq!(error.field(), "PORTCULLIS_DPOP");
        }
    }
}
