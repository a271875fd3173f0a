//! Opaque tokens of a configuration.

use std::sync::Arc;

use crate::config::Config;
use crate::config::member::{Member, MemberGroup};
use crate::config::members::MEMBERS;
use crate::error::ConfigError;
use crate::verifier::{JwtVerifier, Verifier};

/// The members about requests that apply to introspection too.
pub(super) const REQUEST_OPTIONS: [&str; 5] =
    ["proxy", "root_certificates_file", "request_headers_file", "dangerous_allow_http_hosts", "fetch_timeout_seconds"];

impl Config {
    /// Builds the verifier of all tokens that the configuration accepts.
    pub(super) fn verifier_of_all(&self) -> Result<Arc<dyn Verifier>, ConfigError> {
        self.with_introspection(self.jwt_verifier())
    }

    /// Puts the verifier of opaque tokens next to that of JWTs, if the configuration has one.
    pub(super) fn with_introspection(
        &self,
        jwts: Result<JwtVerifier, ConfigError>,
    ) -> Result<Arc<dyn Verifier>, ConfigError> {
        let (jwts, ()) = ConfigError::both(jwts, ConfigError::all(self.faults_of_introspection()))?;
        match &self.introspection_url {
            None => Ok(Arc::new(jwts)),
            #[cfg(feature = "remote")]
            Some(url) => {
                let opaque = self.introspection(url).map_err(|error| self.named(error))?;
                Ok(Arc::new(crate::verifier::ByForm::builder().jwt(jwts).opaque(opaque).build()?))
            }
            #[cfg(not(feature = "remote"))]
            Some(_) => Err(ConfigError::new(
                self.name("introspection_url"),
                "nothing can be requested without the feature remote",
                "leave it out, or enable the feature remote",
            )),
        }
    }

    /// Refuses the members about introspection, where only JWTs can be verified.
    pub(super) fn refuse_introspection(&self) -> Result<(), ConfigError> {
        let set = introspection_members().filter(|member| self.is_set(member.name));
        ConfigError::all(set.map(|member| {
            ConfigError::new(
                self.name(member.name),
                "only JWTs are verified here, and an opaque token does not name its issuer",
                "build the gate of this configuration, with one issuer and without further options; otherwise, combine \
                 verifiers with ByForm",
            )
        }))
    }

    /// Returns the faults of members that would silently do nothing, or that do not suffice.
    pub(super) fn faults_of_introspection(&self) -> Vec<ConfigError> {
        let url = self.name("introspection_url");
        if self.introspection_url.is_none() {
            let unused = introspection_members().filter(|member| self.is_set(member.name));
            let fault = |member: &Member| {
                ConfigError::new(
                    self.name(member.name),
                    format!("{url} is not set"),
                    format!("set {url} too, or leave it out"),
                )
            };
            return unused.map(fault).collect();
        }
        let missing = introspection_members().filter(|member| !self.is_set(member.name));
        let mut faults: Vec<_> = missing
            .map(|member| ConfigError::new(self.name(member.name), format!("not set, and {url} needs it"), member.hint))
            .collect();
        if self.issuer.len() > 1 {
            faults.push(ConfigError::new(
                url,
                "there are several issuers, and an opaque token does not name its issuer",
                "write one issuer, or combine verifiers with ByForm",
            ));
        }
        faults
    }

    #[cfg(feature = "remote")]
    fn introspection(&self, url: &str) -> Result<crate::introspection::IntrospectionVerifier, ConfigError> {
        use std::time::Duration;

        use crate::checks::Audience;
        use crate::introspection::{ClientAuthentication, IntrospectionVerifier};

        let secret = match &self.client_secret_file {
            Some(path) => crate::config::read_file("client_secret_file", path)?,
            None => String::new(),
        };
        let secret = secret.strip_suffix('\n').map_or(secret.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
        let client = ClientAuthentication::client_secret_basic(self.client_id.clone().unwrap_or_default(), secret);
        let issuer = self.issuer.first().cloned().unwrap_or_default();
        let requests = self.remote_keys()?.request_options().clone();
        let mut builder = IntrospectionVerifier::builder(issuer, Audience::any_of(self.audience.clone()), client)
            .endpoint(url)
            .requests(requests);
        if let Some(seconds) = self.fetch_timeout_seconds {
            builder = builder.timeout(Duration::from_secs(seconds));
        }
        if let Some(seconds) = self.leeway_seconds {
            builder = builder.leeway(Duration::from_secs(seconds));
        }
        if let Some(claims) = &self.required_claims {
            builder = builder.require_claims(claims.clone());
        }
        builder.build()
    }
}

fn introspection_members() -> impl Iterator<Item = &'static Member> {
    MEMBERS.iter().filter(|member| member.group == MemberGroup::Introspection)
}
