//! Whose tokens: the tenant in `tid`, the one in `iss`, and the one that the key is for.

use portcullis::checks::{ClaimCheck, TokenView};
use portcullis::error::InvalidToken;
use portcullis::keys::VerifyingKey;
use serde_json::Value;

use crate::guid;

/// What stands for the tenant in the metadata and the keys of `common` and `organizations`.
const TEMPLATE: &str = "{tenantid}";

/// Which versions of access tokens are accepted. The API's registration chooses, with `requestedAccessTokenVersion` in
/// its manifest; the endpoint that a client called does not.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum TokenVersions {
    /// Either: a change of the manifest refuses nobody.
    #[default]
    Both,
    /// 1.0 alone, from `https://sts.windows.net/{tenant}/`.
    V1,
    /// 2.0 alone, from `https://login.microsoftonline.com/{tenant}/v2.0`.
    V2,
}

/// The names that tenants go by.
#[derive(Clone, Debug)]
pub(crate) struct IssuerForms {
    /// What `iss` of version 1.0 begins with.
    pub(crate) v1: String,
    /// What `iss` of version 2.0 begins with.
    pub(crate) v2: String,
    /// What `iss` of version 2.0 begins with where the keys are published, if that is somewhere else.
    pub(crate) of_keys: String,
    pub(crate) versions: TokenVersions,
}

impl IssuerForms {
    /// All names of one tenant.
    pub(crate) fn issuers(&self, tenant: &str) -> Vec<String> {
        self.forms().map(|(base, end)| format!("{base}{tenant}{end}")).collect()
    }

    /// Whether `issuer` is a name of `tenant`, which must be a GUID.
    fn has(&self, issuer: &str, tenant: &str) -> bool {
        self.forms().any(|(base, end)| is_made_of(issuer, base, tenant, end))
    }

    /// What stands before a tenant in its names, and what behind it.
    fn forms(&self) -> impl Iterator<Item = (&str, &'static str)> {
        let v1 = (self.versions != TokenVersions::V2).then_some((self.v1.as_str(), "/"));
        let v2 = (self.versions != TokenVersions::V1).then_some((self.v2.as_str(), END_OF_V2));
        v2.into_iter().chain(v1)
    }
}

const END_OF_V2: &str = "/v2.0";

fn is_made_of(issuer: &str, base: &str, tenant: &str, end: &str) -> bool {
    issuer.strip_prefix(base).and_then(|rest| rest.strip_prefix(tenant)) == Some(end)
}

/// Which tenants are accepted.
#[derive(Clone, Debug)]
pub(crate) enum AcceptedTenants {
    /// All, personal accounts included.
    Any,
    /// These.
    OneOf(Vec<String>),
    /// All organisations: the tenant of personal accounts is none.
    Organizations,
}

impl AcceptedTenants {
    fn has(&self, tenant: &str) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(tenants) => tenants.iter().any(|accepted| accepted == tenant),
            Self::Organizations => tenant != guid::CONSUMERS,
        }
    }
}

/// The issuer rule for many tenants, whose keys are published together: `tid` is a GUID, `iss` is the name of that
/// tenant, the key is for that tenant, and the tenant is accepted.
/// <https://learn.microsoft.com/en-us/entra/identity-platform/access-tokens#multi-tenant-applications>
#[derive(Clone, Debug)]
pub(crate) struct MultiTenantCheck {
    pub(crate) names: IssuerForms,
    pub(crate) accepted: AcceptedTenants,
}

impl ClaimCheck for MultiTenantCheck {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        let issuer = token.claims().issuer().ok_or_else(|| InvalidToken::missing("iss"))?;
        let tenant = token.claims().required::<String>("tid")?;
        if !guid::is_guid(&tenant) {
            return Err(InvalidToken::invalid("tid"));
        }
        if !self.names.has(issuer, &tenant) {
            return Err(InvalidToken::WrongIssuer);
        }
        key_is_for(token.key(), issuer, &tenant, &[&self.names.v2, &self.names.of_keys])?;
        if self.accepted.has(&tenant) { Ok(()) } else { Err(InvalidToken::WrongTenant) }
    }
}

/// The same for one tenant, whose name has been compared already.
#[derive(Clone, Debug)]
pub(crate) struct SingleTenantCheck {
    pub(crate) tenant: String,
    /// Whether tokens may do without `tid`, as those of B2C.
    pub(crate) tid_optional: bool,
    /// What the names that keys are published under begin with.
    pub(crate) of_keys: Vec<String>,
}

impl ClaimCheck for SingleTenantCheck {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        match token.claims().get::<String>("tid")? {
            Some(tenant) if tenant != self.tenant => return Err(InvalidToken::WrongTenant),
            None if !self.tid_optional => return Err(InvalidToken::missing("tid")),
            _ => {}
        }
        let issuer = token.claims().issuer().ok_or_else(|| InvalidToken::missing("iss"))?;
        key_is_for(token.key(), issuer, &self.tenant, &self.of_keys)
    }
}

/// Whether the key may sign for `tenant`. Its member `issuer` is a name of that tenant, or the template of all; it is
/// the name of version 2.0 for tokens of version 1.0 too, and keys that are published for version 1.0 have none.
fn key_is_for(key: &VerifyingKey, issuer: &str, tenant: &str, bases: &[impl AsRef<str>]) -> Result<(), InvalidToken> {
    match key.member::<Value>("issuer") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(published)) => {
            let published = published.replace(TEMPLATE, tenant);
            let is_of_keys = |base: &_| is_made_of(&published, AsRef::as_ref(base), tenant, END_OF_V2);
            if published == issuer || bases.iter().any(is_of_keys) { Ok(()) } else { Err(InvalidToken::WrongIssuer) }
        }
        Some(_) => Err(InvalidToken::WrongIssuer),
    }
}
