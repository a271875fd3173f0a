//! The gate of a configuration.

use crate::config::{Config, GateOptions, IssuersConfig};
use crate::credential::{PublicUrl, TokenSource};
use crate::cross_site::AllowedOrigins;
use crate::error::ConfigError;
use crate::gate::Gate;
use crate::verifier::{JwtVerifierBuilder, Verifier};

impl Config {
    /// Builds the verifier and the gate around it.
    ///
    /// ```
    /// use portcullis::Config;
    ///
    /// let config: Config = serde_json::from_str(
    ///     r#"{
    ///         "issuer": "https://issuer.example",
    ///         "audience": "api",
    ///         "realm": "orders",
    ///         "token_sources": ["authorization", "cookie:session"],
    ///         "allowed_origins": ["https://app.example.com"]
    ///     }"#,
    /// )?;
    /// let gate = config.gate()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`] names each field that is wrong, and what to write instead.
    pub fn gate(&self) -> Result<Gate, ConfigError> {
        self.gate.build(self.verifier_of_all()).map_err(|error| self.named(error))
    }

    /// Builds the verifier of `builder`, for example that of a preset, and the gate around it, with the options that are
    /// set here.
    ///
    /// # Errors
    /// [`ConfigError`]. If it is about an option that is set here, it has the name of the field.
    pub fn gate_from(&self, builder: JwtVerifierBuilder) -> Result<Gate, ConfigError> {
        self.gate.build(self.verifier_from(builder)).map_err(|error| self.named_if_set(error))
    }
}

impl IssuersConfig {
    /// Builds the verifier and the gate around it.
    ///
    /// # Errors
    /// [`ConfigError`] names each member that is wrong, and what to write instead.
    pub fn gate(&self) -> Result<Gate, ConfigError> {
        self.gate_options().build(self.verifier())
    }
}

impl GateOptions {
    /// Builds the gate around `verifier`, or returns its faults together with those of the options.
    fn build(&self, verifier: Result<impl Verifier + 'static, ConfigError>) -> Result<Gate, ConfigError> {
        let public_url = self.public_url.as_deref();
        let origins = self.allowed_origins.as_deref();
        let valid_origins = origins.map(|origins| AllowedOrigins::default().and(origins)).transpose();
        let of_gate = ConfigError::both(public_url.map(PublicUrl::new).transpose(), valid_origins);
        let of_gate = ConfigError::both(of_gate, self.dpop());
        let (verifier, (_, dpop)) = ConfigError::both(verifier, of_gate)?;
        let mut gate = Gate::new(verifier);
        if let Some(realm) = &self.realm {
            gate = gate.with_realm(realm);
        }
        if let Some(sources) = &self.token_sources {
            gate = gate.with_token_sources(sources.iter().map(TokenSource::from));
        }
        if let Some(url) = public_url {
            gate = gate.with_public_url(url)?;
        }
        if let Some(origins) = origins {
            gate = gate.with_allowed_origins(origins)?;
        }
        match dpop {
            Some(dpop) => gate.with_dpop(dpop),
            None => Ok(gate),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::HeaderList;
    use crate::keys::FixedKeys;
    use crate::policy::Policy;
    use crate::verifier::JwtVerifier;

    fn builder() -> JwtVerifierBuilder {
        JwtVerifier::builder("i", "a", FixedKeys::secret(&[7; 32]).unwrap())
    }

    #[tokio::test]
    async fn gate_options_are_applied() {
        let config = |members: &str| -> Config {
            serde_json::from_str(&format!(r#"{{"issuer":"i","audience":"a",{members}}}"#)).unwrap()
        };
        let config =
            config(r#""realm":"orders","token_sources":["cookie:session"],"public_url":"https://a.example/b""#);
        let gate = config.gate_from(builder()).unwrap();
        let challenge = |error| gate.refuse(&error).headers.remove(0).1;
        for (header, code) in [("authorization", "missing_token"), ("cookie", "invalid_token")] {
            let request = HeaderList::new("GET", [(header, if header == "cookie" { "session=x" } else { "Bearer x" })]);
            let error = gate.admit(&request, &Policy::authenticated()).await.unwrap_err();
            assert_eq!(error.code(), code);
            assert!(challenge(error).starts_with(r#"Bearer realm="orders""#));
        }
    }

    #[test]
    fn faults_of_gate_and_verifier_are_reported_together() {
        let mut config = Config::new("", "a");
        config.gate.public_url = Some("http://api.example".to_owned());
        config.gate.allowed_origins = Some(vec!["*".to_owned(), "http://app.example".to_owned()]);
        config.leeway_seconds = Some(601);
        let error = config.gate_from(builder()).unwrap_err();
        let fields = ["leeway_seconds", "public_url", "allowed_origins", "allowed_origins"];
        assert_eq!(error.fields().collect::<Vec<_>>(), fields);
    }
}
