//! The preset: tenants, client and options of a verifier.

use std::sync::Arc;

use portcullis::jose::Algorithm;
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Audience, ConfigError, Issuer, JwtVerifier, KeyProvider};

use crate::caller::{Caller, CallerCheck};
use crate::cloud::{Cloud, parse_authority};
use crate::grants::AzureGrants;
use crate::keys::KeySource;
use crate::policy::PolicyCheck;
use crate::tenancy::{AcceptedTenants, IssuerForms, MultiTenantCheck, SingleTenantCheck, TokenVersions};
use crate::{explain, graph, guid};

pub(crate) const TENANT_HINT: &str =
    "write the Directory (tenant) ID, a GUID, from the overview of the app registration";
pub(crate) const CLIENT_HINT: &str =
    "write the API's Application (client) ID, a GUID; an Application ID URI goes to audience()";

/// Settings of a verifier for the access tokens that Entra ID issues for one API.
///
/// ```
/// use portcullis::Gate;
/// use portcullis_azure::Azure;
///
/// # const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
/// # const CLIENT_ID: &str = "535fb089-9ff3-47b6-9bfb-4f1264799865";
/// // One organization.
/// let gate = Gate::new(Azure::single_tenant(TENANT, CLIENT_ID).verifier()?);
/// // Known customers, each with its own tenant, and only daemons.
/// let gate = Gate::new(Azure::tenants([TENANT], CLIENT_ID).app_only().verifier()?);
/// // Any organization, with an option of the general builder.
/// let verifier = Azure::organizations(CLIENT_ID).builder()?.require_claims(["oid"]).build()?;
/// # Ok::<(), portcullis::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "call verifier() or builder()"]
pub struct Azure {
    tenancy: Tenancy,
    client_id: String,
    cloud: Cloud,
    authority: Option<String>,
    audiences: Vec<String>,
    versions: TokenVersions,
    claims_mapping: bool,
    callers: CallerCheck,
    keys: Option<Arc<dyn KeyProvider>>,
}

#[derive(Clone, Debug)]
enum Tenancy {
    B2c { name: String, tenant: String, policy: String },
    Common,
    Consumers,
    ExternalId { name: String, tenant: String },
    Organizations,
    Single(String),
    Tenants(Vec<String>),
}

impl Azure {
    /// Accepts the tokens of one organization.
    ///
    /// `tenant` is its Directory (tenant) ID, `client_id` the Application (client) ID of the API. [`Self::builder`]
    /// returns an error when one of them is invalid.
    pub fn single_tenant(tenant: impl Into<String>, client_id: impl Into<String>) -> Self {
        Self::of(Tenancy::Single(tenant.into()), client_id)
    }

    /// Accepts the tokens of any organization and of personal Microsoft accounts.
    ///
    /// Anyone can create a tenant, so the service must decide which callers may do what.
    /// [`AzureClaims::tid`](crate::AzureClaims::tid) is part of every identity.
    pub fn common(client_id: impl Into<String>) -> Self {
        Self::of(Tenancy::Common, client_id)
    }

    /// Accepts the tokens of any organization, but not of personal accounts. Anyone can create a tenant.
    pub fn organizations(client_id: impl Into<String>) -> Self {
        Self::of(Tenancy::Organizations, client_id)
    }

    /// Accepts only tokens of personal Microsoft accounts.
    pub fn consumers(client_id: impl Into<String>) -> Self {
        Self::of(Tenancy::Consumers, client_id)
    }

    /// Accepts the tokens of these tenants, given by their Directory (tenant) IDs.
    pub fn tenants<S: Into<String>>(tenants: impl IntoIterator<Item = S>, client_id: impl Into<String>) -> Self {
        Self::of(Tenancy::Tenants(tenants.into_iter().map(Into::into).collect()), client_id)
    }

    /// Accepts the tokens that one user flow or custom policy of an Azure AD B2C tenant issues.
    ///
    /// `name` is the first part of `{name}.onmicrosoft.com`, `tenant` the Directory (tenant) ID. `policy` is the name of
    /// the user flow or policy, for example `B2C_1_susi`. The policy must use the default issuer, without `tfp` in it.
    pub fn b2c(
        name: impl Into<String>,
        tenant: impl Into<String>,
        policy: impl Into<String>,
        client_id: impl Into<String>,
    ) -> Self {
        Self::of(Tenancy::B2c { name: name.into(), tenant: tenant.into(), policy: policy.into() }, client_id)
    }

    /// Accepts the tokens of an external tenant (Entra External ID).
    ///
    /// `name` is the first part of `{name}.ciamlogin.com`, `tenant` the Directory (tenant) ID.
    pub fn external_id(name: impl Into<String>, tenant: impl Into<String>, client_id: impl Into<String>) -> Self {
        Self::of(Tenancy::ExternalId { name: name.into(), tenant: tenant.into() }, client_id)
    }

    /// Reads the tenants from a text: a GUID, several GUIDs separated by commas, `common`, `organizations` or `consumers`.
    ///
    /// # Errors
    /// [`ConfigError`] for any other text. A tenant's domain is an error, too, because tokens contain only the GUID.
    pub fn from_tenant(tenant: &str, client_id: impl Into<String>) -> Result<Self, ConfigError> {
        let tenants: Vec<&str> = tenant.split(',').map(str::trim).collect();
        let tenancy = match tenants.as_slice() {
            ["common"] => Tenancy::Common,
            ["consumers"] => Tenancy::Consumers,
            ["organizations"] => Tenancy::Organizations,
            [one] => Tenancy::Single(tenant_id(one)?),
            several => Tenancy::Tenants(several.iter().map(|each| tenant_id(each)).collect::<Result<_, _>>()?),
        };
        Ok(Self::of(tenancy, client_id))
    }

    fn of(tenancy: Tenancy, client_id: impl Into<String>) -> Self {
        Self {
            tenancy,
            client_id: client_id.into(),
            cloud: Cloud::default(),
            authority: None,
            audiences: Vec::new(),
            versions: TokenVersions::default(),
            claims_mapping: false,
            callers: CallerCheck::default(),
            keys: None,
        }
    }

    /// Selects a national cloud. For B2C and External ID, use [`Self::authority`] instead.
    pub fn cloud(mut self, cloud: Cloud) -> Self {
        self.cloud = cloud;
        self
    }

    /// Replaces the cloud's host, for example by a custom domain of B2C or External ID, or by a test server on loopback
    /// (only there plain http is allowed).
    ///
    /// The keys are fetched from this host, and `iss` of version 2.0 must name it. Tokens of External ID keep the
    /// tenant's own host in `iss`.
    pub fn authority(mut self, authority: impl Into<String>) -> Self {
        self.authority = Some(authority.into());
        self
    }

    /// Also accepts tokens with this `aud`, for example a custom Application ID URI. The client ID and
    /// `api://{client id}` are always accepted.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Accepts only tokens of these versions. Default: both. B2C and External ID have only version 2.0.
    pub fn versions(mut self, versions: TokenVersions) -> Self {
        self.versions = versions;
        self
    }

    /// Fetches the application's own keys, from `?appid={client id}`.
    ///
    /// An application with a claims-mapping policy needs this, because its tokens are signed with its own keys.
    /// <https://learn.microsoft.com/en-us/entra/identity-platform/access-tokens#validate-the-signature>
    pub fn claims_mapping(mut self) -> Self {
        self.claims_mapping = true;
        self
    }

    /// Also accepts access tokens without any scope or role.
    ///
    /// Every client of the tenant can get such a token for any API that does not require assignment. Check the caller by
    /// [`AzureClaims::client_id`](crate::AzureClaims::client_id). Default: they are refused as `wrong_token_class`.
    pub fn allow_tokens_without_grants(mut self) -> Self {
        self.callers.without_grants = true;
        self
    }

    /// Accepts only applications ([`Caller::Application`]). Other callers are refused as `wrong_token_class`.
    pub fn app_only(mut self) -> Self {
        self.callers.only = Some(Caller::Application);
        self
    }

    /// Accepts only users ([`Caller::User`]). Other callers are refused as `wrong_token_class`.
    pub fn delegated_only(mut self) -> Self {
        self.callers.only = Some(Caller::User);
        self
    }

    /// Refuses guests: users of another organization that an administrator invited into the tenant. They are refused as
    /// `check_failed`. Default: guests are accepted like members.
    ///
    /// Add the optional claim `acct` to the API (*Token configuration*). It is 0 for a member and 1 for a guest. A user's
    /// token without it is refused as `missing_claim`. Applications have no such claim and are accepted.
    /// <https://learn.microsoft.com/en-us/entra/identity-platform/optional-claims-reference>
    pub fn members_only(mut self) -> Self {
        self.callers.members_only = true;
        self
    }

    /// Takes the keys from this key provider. Default: they are fetched from Microsoft.
    ///
    /// Where several tenants are accepted, each key needs the member `issuer`, as Microsoft publishes it. Without it a key
    /// verifies no token, because nothing says for which tenants it is. Keys from PEM have no such member.
    pub fn keys(mut self, keys: impl KeyProvider + 'static) -> Self {
        self.keys = Some(Arc::new(keys));
        self
    }

    /// Returns the general builder, to change further options.
    ///
    /// It has the algorithm RS256, the token type `JWT`, the issuers, the audiences, the keys, a required `sub`, the
    /// checks of tenant, key, policy and caller, and the claims in which policies find scopes and roles.
    ///
    /// # Errors
    /// [`ConfigError`] names the invalid field and says what to write instead.
    pub fn builder(&self) -> Result<JwtVerifierBuilder, ConfigError> {
        let client_id = guid::parse("client_id", &self.client_id, CLIENT_HINT)?;
        let audience = Audience::any_of(self.accepted_audiences(&client_id)?);
        let plan = self.plan()?;
        let keys: Arc<dyn KeyProvider> = match &self.keys {
            Some(keys) => Arc::clone(keys),
            None => plan.source.remote_keys(self.claims_mapping.then_some(client_id.as_str()))?,
        };
        let issuers = plan.issuers;
        let mut builder = JwtVerifier::builder(plan.issuer, audience, keys)
            .algorithms([Algorithm::Rs256])
            .token_types(["JWT"])
            .require_claims(["sub"])
            .grants(AzureGrants)
            .explain(move |token, found| explain::explain(&issuers, token, found));
        if let Some(tenant) = plan.tenant {
            builder = builder.check(tenant);
        }
        if let Some(policy) = plan.policy {
            builder = builder.check(policy);
        }
        Ok(builder.check(self.callers))
    }

    /// Builds the verifier.
    ///
    /// # Errors
    /// [`ConfigError`] names the invalid field and says what to write instead.
    pub fn verifier(&self) -> Result<JwtVerifier, ConfigError> {
        self.builder()?.build()
    }

    fn accepted_audiences(&self, client_id: &str) -> Result<Vec<String>, ConfigError> {
        if let Some(graph) = self.audiences.iter().find(|audience| graph::is_graph(audience)) {
            return Err(ConfigError::new(
                "audience",
                format!("{graph} is Microsoft Graph, and only Graph can verify its tokens"),
                "write the Application ID URI of the API, and let clients ask for a scope of it",
            ));
        }
        let usual = [client_id.to_owned(), format!("api://{client_id}")];
        Ok(usual.into_iter().chain(self.audiences.iter().cloned()).collect())
    }

    fn plan(&self) -> Result<TenancyRules, ConfigError> {
        match &self.tenancy {
            Tenancy::B2c { name, tenant, policy } => self.b2c_plan(name, tenant, policy),
            Tenancy::Common => self.many_tenants("common", AcceptedTenants::Any),
            Tenancy::Consumers => {
                self.many_tenants("consumers", AcceptedTenants::OneOf(vec![guid::CONSUMERS.to_owned()]))
            }
            Tenancy::ExternalId { name, tenant } => self.external_id_plan(name, tenant),
            Tenancy::Organizations => self.many_tenants("organizations", AcceptedTenants::Organizations),
            Tenancy::Single(tenant) => self.one_tenant(&tenant_id(tenant)?),
            Tenancy::Tenants(tenants) => {
                let tenants = tenants.iter().map(|tenant| tenant_id(tenant)).collect::<Result<Vec<_>, _>>()?;
                if tenants.is_empty() {
                    return Err(ConfigError::new("tenant", "missing", TENANT_HINT));
                }
                // `common` publishes the keys of organizations and of personal accounts.
                self.many_tenants("common", AcceptedTenants::OneOf(tenants))
            }
        }
    }

    fn one_tenant(&self, tenant: &str) -> Result<TenancyRules, ConfigError> {
        let names = self.names()?;
        Ok(TenancyRules {
            issuer: Issuer::any_of(names.issuers(tenant)),
            issuers: names.issuers(tenant),
            tenant: Some(SingleTenantCheck {
                tenant: tenant.to_owned(),
                tid_optional: false,
                of_keys: vec![names.v2.clone(), names.of_keys.clone()],
            }),
            policy: None,
            source: self.published(&names, tenant),
        })
    }

    /// Returns the place of the keys of one tenant.
    fn published(&self, names: &IssuerForms, tenant: &str) -> KeySource {
        let version = if self.versions == TokenVersions::V1 { "" } else { "v2.0/" };
        KeySource::Keys(format!("{}{tenant}/discovery/{version}keys", names.v2))
    }

    fn many_tenants(&self, published_for: &str, accepted: AcceptedTenants) -> Result<TenancyRules, ConfigError> {
        let names = self.names()?;
        // Only the keys of version 2.0 say for which tenants they are. They also sign tokens of version 1.0.
        let source = KeySource::Keys(format!("{}{published_for}/discovery/v2.0/keys", names.v2));
        Ok(TenancyRules {
            issuer: Issuer::by_rule(MultiTenantCheck { names, accepted }),
            issuers: Vec::new(),
            tenant: None,
            policy: None,
            source,
        })
    }

    fn b2c_plan(&self, name: &str, tenant: &str, policy: &str) -> Result<TenancyRules, ConfigError> {
        self.has_no_other_version_or_cloud()?;
        let (name, tenant) = (tenant_name(name)?, tenant_id(tenant)?);
        let is_policy_byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if policy.is_empty() || !policy.bytes().all(is_policy_byte) {
            return Err(ConfigError::new(
                "policy",
                "not the name of a user flow or policy",
                "write it exactly as in the portal, such as B2C_1_susi",
            ));
        }
        let base = self.authority_or(format!("https://{name}.b2clogin.com"))?;
        Ok(TenancyRules {
            issuer: format!("{base}{tenant}/v2.0/").into(),
            issuers: vec![format!("{base}{tenant}/v2.0/")],
            tenant: Some(SingleTenantCheck { tenant: tenant.clone(), tid_optional: true, of_keys: vec![base.clone()] }),
            policy: Some(PolicyCheck(policy.to_owned())),
            source: KeySource::Metadata {
                url: format!("{base}{name}.onmicrosoft.com/{policy}/v2.0/.well-known/openid-configuration"),
                issuer: format!("{base}{tenant}/v2.0/"),
            },
        })
    }

    fn external_id_plan(&self, name: &str, tenant: &str) -> Result<TenancyRules, ConfigError> {
        self.has_no_other_version_or_cloud()?;
        let (name, tenant) = (tenant_name(name)?, tenant_id(tenant)?);
        let base = self.authority_or(format!("https://{name}.ciamlogin.com"))?;
        // The host of the metadata has the tenant's name. The host of the issuer has its identifier.
        let issuer = format!("https://{tenant}.ciamlogin.com/{tenant}/v2.0");
        Ok(TenancyRules {
            issuer: issuer.as_str().into(),
            issuers: vec![issuer.clone()],
            tenant: Some(SingleTenantCheck {
                tenant: tenant.clone(),
                tid_optional: false,
                of_keys: vec![base.clone(), self.cloud.login().to_owned()],
            }),
            policy: None,
            source: KeySource::Metadata {
                url: format!("{base}{tenant}/v2.0/.well-known/openid-configuration"),
                issuer,
            },
        })
    }

    fn names(&self) -> Result<IssuerForms, ConfigError> {
        Ok(IssuerForms {
            v1: self.cloud.sts().to_owned(),
            v2: self.authority_or(self.cloud.login().to_owned())?,
            of_keys: self.cloud.login().to_owned(),
            versions: self.versions,
        })
    }

    fn authority_or(&self, usual: String) -> Result<String, ConfigError> {
        parse_authority(self.authority.as_ref().unwrap_or(&usual))
    }

    fn has_no_other_version_or_cloud(&self) -> Result<(), ConfigError> {
        if self.versions == TokenVersions::V1 {
            return Err(ConfigError::new("versions", "B2C and External ID issue version 2.0", "leave versions() out"));
        }
        if self.cloud != Cloud::Public {
            return Err(ConfigError::new("cloud", "B2C and External ID have their own hosts", "call authority()"));
        }
        Ok(())
    }
}

/// The settings of the verifier that follow from the tenancy.
struct TenancyRules {
    issuer: Issuer,
    /// The accepted issuers, or none if a rule decides.
    issuers: Vec<String>,
    tenant: Option<SingleTenantCheck>,
    policy: Option<PolicyCheck>,
    source: KeySource,
}

fn tenant_id(tenant: &str) -> Result<String, ConfigError> {
    match tenant {
        "common" | "consumers" | "organizations" => Err(ConfigError::new(
            "tenant",
            "it means many tenants",
            "call Azure::common(), Azure::organizations() or Azure::consumers(), or write one GUID",
        )),
        domain if domain.contains('.') => {
            Err(ConfigError::new("tenant", "a domain, but tokens contain only the GUID", TENANT_HINT))
        }
        tenant => guid::parse("tenant", tenant, TENANT_HINT),
    }
}

/// Checks the first part of a tenant's `onmicrosoft.com` domain.
fn tenant_name(name: &str) -> Result<String, ConfigError> {
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_name {
        return Ok(name.to_ascii_lowercase());
    }
    Err(ConfigError::new("name", "not the name of a tenant", "write the part before .onmicrosoft.com, such as contoso"))
}
