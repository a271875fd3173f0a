//! The identity providers that flags name. Each sets issuer, audience rule and keys.

use std::sync::Arc;

use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{ConfigError, KeyProvider};
use portcullis_auth0::Auth0;
use portcullis_azure::Azure;
use portcullis_clerk::Clerk;
use portcullis_oidc::Authok;

use crate::args::CheckArgs;
use crate::machine::Machine;

/// The identity provider that a flag names.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Provider<'a> {
    Auth0 {
        domain: &'a str,
    },
    Authok {
        domain: &'a str,
    },
    Azure {
        tenant: &'a str,
        client_id: &'a str,
    },
    Clerk {
        frontend_api: &'a str,
        authorized_parties: &'a [String],
    },
    Machine(Machine<'a>),
    /// Any issuer that publishes metadata.
    Oidc {
        issuer: &'a str,
    },
}

impl<'a> Provider<'a> {
    /// Returns the identity provider that a flag names.
    pub(crate) fn named(args: &'a CheckArgs) -> Option<Self> {
        let provider = &args.provider;
        let client_id = args.of_provider.azure_client_id.as_deref();
        let auth0 = provider.auth0_domain.as_deref().map(|domain| Self::Auth0 { domain });
        let authok = || provider.authok_domain.as_deref().map(|domain| Self::Authok { domain });
        let azure = || Some(Self::Azure { tenant: provider.azure_tenant.as_deref()?, client_id: client_id? });
        let authorized_parties = &args.of_provider.authorized_party;
        let clerk = || {
            let frontend_api = provider.clerk_frontend_api.as_deref()?;
            Some(Self::Clerk { frontend_api, authorized_parties })
        };
        let oidc = || provider.oidc_issuer.as_deref().map(|issuer| Self::Oidc { issuer });
        let machine = || Machine::named(args).map(Self::Machine);
        auth0.or_else(authok).or_else(azure).or_else(clerk).or_else(machine).or_else(oidc)
    }

    /// Returns the flag that names it.
    pub(crate) fn flag(self) -> &'static str {
        match self {
            Self::Auth0 { .. } => "--auth0-domain",
            Self::Authok { .. } => "--authok-domain",
            Self::Azure { .. } => "--azure-tenant",
            Self::Clerk { .. } => "--clerk-frontend-api",
            Self::Machine(machine) => machine.flag(),
            Self::Oidc { .. } => "--oidc-issuer",
        }
    }

    /// Returns the flag that sets `field` of the preset.
    pub(crate) fn flag_of(self, field: &str) -> Option<&'static str> {
        match (self, field) {
            (Self::Auth0 { .. } | Self::Authok { .. }, "domain")
            | (Self::Azure { .. }, AZURE_TENANT)
            | (Self::Clerk { .. }, "frontend_api")
            | (Self::Oidc { .. }, "issuer") => Some(self.flag()),
            (Self::Azure { .. }, AZURE_CLIENT) => Some("--azure-client-id"),
            (Self::Clerk { .. }, "authorized_parties") => Some("--authorized-party"),
            (Self::Machine(machine), field) => machine.flag_of(field),
            _ => None,
        }
    }

    /// Whether it has its own audience rule, so that no audience has to be named.
    pub(crate) fn has_an_audience_rule(self) -> bool {
        match self {
            Self::Azure { .. } | Self::Clerk { .. } => true,
            Self::Machine(machine) => machine.has_an_audience_rule(),
            Self::Auth0 { .. } | Self::Authok { .. } | Self::Oidc { .. } => false,
        }
    }

    /// Returns the builder of its preset, with `keys` instead of the preset's keys if they are given. `None` means that it has no
    /// preset.
    ///
    /// # Errors
    /// [`ConfigError`], whose field [`Self::flag_of`] understands.
    pub(crate) fn builder(self, keys: Option<Arc<dyn KeyProvider>>) -> Option<Result<JwtVerifierBuilder, ConfigError>> {
        Some(match self {
            Self::Auth0 { domain } => with(Auth0::new(domain, NO_AUDIENCE), keys, Auth0::keys).builder(),
            Self::Authok { domain } => with(Authok::new(domain, NO_AUDIENCE), keys, Authok::keys).builder(),
            Self::Azure { tenant, client_id } => {
                azure(tenant, client_id).and_then(|azure| with(azure, keys, Azure::keys).builder())
            }
            Self::Clerk { frontend_api, authorized_parties } => {
                let clerk = Clerk::from_frontend_api(frontend_api);
                let clerk = match authorized_parties {
                    [] => clerk,
                    parties => clerk.authorized_parties(parties),
                };
                with(clerk, keys, Clerk::keys).builder()
            }
            Self::Machine(machine) => machine.builder(keys),
            Self::Oidc { .. } => return None,
        })
    }
}

/// The caller sets the audience.
pub(crate) const NO_AUDIENCE: &str = "";

const AZURE_TENANT: &str = "AZURE_TENANT_ID";
const AZURE_CLIENT: &str = "AZURE_CLIENT_ID";

/// Reads the tenant as the variables do, in all the forms that people write.
fn azure(tenant: &str, client_id: &str) -> Result<Azure, ConfigError> {
    Azure::from_variables(|name| match name {
        AZURE_TENANT => Some(tenant.to_owned()),
        AZURE_CLIENT => Some(client_id.to_owned()),
        _ => None,
    })
}

pub(crate) fn with<P>(
    preset: P,
    keys: Option<Arc<dyn KeyProvider>>,
    set: impl FnOnce(P, Arc<dyn KeyProvider>) -> P,
) -> P {
    match keys {
        Some(keys) => set(preset, keys),
        None => preset,
    }
}
