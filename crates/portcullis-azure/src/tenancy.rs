//! The checks of the tenant: in `tid`, in `iss`, and of the key.

use portcullis::checks::{CheckAbout, ClaimCheck, TokenView};
use portcullis::error::InvalidToken;
use portcullis::keys::VerifyingKey;
use serde_json::Value;

use crate::guid;

/// The placeholder for the tenant in the metadata and keys of `common` and `organizations`.
const TEMPLATE: &str = "{tenantid}";

/// The accepted versions of access tokens.
///
/// `requestedAccessTokenVersion` in the manifest of the API's registration chooses the version. The endpoint that the
/// client called does not.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum TokenVersions {
    /// Versions 1.0 and 2.0. The API keeps working when its manifest changes.
    #[default]
    Both,
    /// Only version 1.0, with the issuer `https://sts.windows.net/{tenant}/`.
    V1,
    /// Only version 2.0, with the issuer `https://login.microsoftonline.com/{tenant}/v2.0`.
    V2,
}

/// The forms that the issuer of a tenant can have.
#[derive(Clone, Debug)]
pub(crate) struct IssuerForms {
    /// The beginning of `iss` in version 1.0.
    pub(crate) v1: String,
    /// The beginning of `iss` in version 2.0.
    pub(crate) v2: String,
    /// The beginning of the member `issuer` in published keys. It differs from `v2` if a custom host is set.
    pub(crate) of_keys: String,
    pub(crate) versions: TokenVersions,
}

impl IssuerForms {
    /// Returns all issuers of one tenant.
    pub(crate) fn issuers(&self, tenant: &str) -> Vec<String> {
        self.forms().map(|(base, end)| format!("{base}{tenant}{end}")).collect()
    }

    /// Tells whether `issuer` is an issuer of `tenant`, which must be a GUID.
    fn has(&self, issuer: &str, tenant: &str) -> bool {
        self.forms().any(|(base, end)| is_made_of(issuer, base, tenant, end))
    }

    /// Returns the parts of each form: before the tenant, and after it.
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

/// The accepted tenants.
#[derive(Clone, Debug)]
pub(crate) enum AcceptedTenants {
    /// All organizations and personal accounts.
    Any,
    /// The listed tenants.
    OneOf(Vec<String>),
    /// All organizations, but no personal accounts.
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

/// The issuer rule for many tenants, whose keys are published together.
///
/// `tid` must be a GUID, `iss` must name that tenant, the key must say that it is for that tenant, and the tenant must be
/// accepted.
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
        if key_issuer(token.key()) == KeyIssuer::Absent {
            // Nothing else says for which tenants the key is: it was published together with the keys of all tenants.
            return Err(InvalidToken::WrongIssuer);
        }
        key_is_for(token.key(), issuer, &tenant, &[&self.names.v2, &self.names.of_keys])?;
        if self.accepted.has(&tenant) { Ok(()) } else { Err(InvalidToken::WrongTenant) }
    }

    fn about(&self) -> CheckAbout {
        let about = CheckAbout::claim("iss").reading("tid");
        match &self.accepted {
            AcceptedTenants::Any => about.expecting("the issuer of the tenant in tid, which is also that of the key"),
            AcceptedTenants::OneOf(tenants) => {
                about.expecting(format!("the issuer of tenant {}", tenants.join(" or ")))
            }
            AcceptedTenants::Organizations => about.expecting("the issuer of an organization's tenant in tid"),
        }
    }
}

/// Checks `tid` and the key for a single tenant. The verifier has already compared `iss`.
#[derive(Clone, Debug)]
pub(crate) struct SingleTenantCheck {
    pub(crate) tenant: String,
    /// Tokens without `tid` are accepted, because tokens of B2C may lack it.
    pub(crate) tid_optional: bool,
    /// The accepted beginnings of the member `issuer` in published keys.
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

    fn about(&self) -> CheckAbout {
        CheckAbout::claim("tid").expecting_any_of([&self.tenant])
    }
}

/// The member `issuer` of a published key.
#[derive(Debug, Eq, PartialEq)]
enum KeyIssuer {
    Absent,
    Named(String),
    Unreadable,
}

fn key_issuer(key: &VerifyingKey) -> KeyIssuer {
    match key.member::<Value>("issuer") {
        None | Some(Value::Null) => KeyIssuer::Absent,
        Some(Value::String(published)) => KeyIssuer::Named(published),
        Some(_) => KeyIssuer::Unreadable,
    }
}

/// Checks that the key may sign for `tenant`.
///
/// The key's member `issuer` must name that tenant or be the template for all tenants. It is the name of version 2.0,
/// even for tokens of version 1.0. A key without the member passes: it is bound to its tenant by the URL that it was
/// fetched from.
fn key_is_for(key: &VerifyingKey, issuer: &str, tenant: &str, bases: &[impl AsRef<str>]) -> Result<(), InvalidToken> {
    let published = match key_issuer(key) {
        KeyIssuer::Absent => return Ok(()),
        KeyIssuer::Named(published) => published.replace(TEMPLATE, tenant),
        KeyIssuer::Unreadable => return Err(InvalidToken::WrongIssuer),
    };
    let is_of_keys = |base: &_| is_made_of(&published, AsRef::as_ref(base), tenant, END_OF_V2);
    if published == issuer || bases.iter().any(is_of_keys) { Ok(()) } else { Err(InvalidToken::WrongIssuer) }
}
