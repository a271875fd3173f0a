//! The configuration of the service: from flags and a file, or from the environment.

use std::sync::Arc;

use portcullis::config::variables::{environment, given};
use portcullis::config::{KeySource, members};
use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{Config, ConfigError, JwtVerifier, Verifier};
use portcullis_auth0::Auth0;
use portcullis_azure::Azure;
use portcullis_clerk::Clerk;
use portcullis_oidc::Authok;
use portcullis_workload::{
    AwsAlb, AwsRole, Bitbucket, CloudflareAccess, EntraWorkload, GitHubActions, GitLab, GoogleIap,
    GoogleServiceAccount, Kubernetes, Spiffe, Vercel,
};
use url::Url;

use crate::args::CheckArgs;
use crate::doctor::step::Step;
use crate::failure::set_proxy_variable;
use crate::judge::{Judge, complete};
use crate::provider::Provider;
use crate::settings::Settings;

/// The field of the error that nothing is configured.
pub(super) const NOTHING: &str = "configuration";

/// What the service would start with.
pub(super) struct Configured {
    /// Where it comes from.
    source: String,
    pub(super) names: Names,
    pub(super) issuers: Vec<Issuer>,
    /// How tokens are judged.
    pub(super) judge: Judge,
    pub(super) proxy: Option<Url>,
    /// The file with a public key or a certificate.
    pub(super) public_key: Option<String>,
}

/// One issuer, and what verifies its tokens.
pub(super) struct Issuer {
    pub(super) verifier: Arc<JwtVerifier>,
    /// Whether the URL of the key set is configured, so that the metadata is not read.
    pub(super) names_key_set: bool,
}

/// How what the user writes is called.
#[derive(Clone)]
pub(super) struct Names {
    /// What names the issuer: a variable, a flag, or a member of a file.
    pub(super) issuer: String,
    pub(super) jwks_url: String,
    pub(super) root_certificates: String,
    pub(super) proxy: String,
    pub(super) leeway: String,
}

/// The identity providers with a preset: the variables that name each, and its verifier.
const PRESETS: [(&[&str], PresetBuilder); 16] = [
    (&["AUTH0_DOMAIN", "AUTH0_AUDIENCE"], || Auth0::from_env()?.builder()),
    (&["CLERK_PUBLISHABLE_KEY", "CLERK_JWT_KEY", "CLERK_AUTHORIZED_PARTIES"], || Clerk::from_env()?.builder()),
    (&["AZURE_TENANT_ID", "AZURE_CLIENT_ID"], || Azure::from_env()?.builder()),
    (&["AUTHOK_DOMAIN", "AUTHOK_AUDIENCE"], || Authok::from_env()?.builder()),
    (
        &[
            "PORTCULLIS_GITHUB_AUDIENCE",
            "PORTCULLIS_GITHUB_REPOSITORY_IDS",
            "PORTCULLIS_GITHUB_OWNER_IDS",
            "PORTCULLIS_GITHUB_REFS",
            "PORTCULLIS_GITHUB_ENVIRONMENTS",
            "PORTCULLIS_GITHUB_JOB_WORKFLOWS",
            "PORTCULLIS_GITHUB_HOST",
        ],
        || GitHubActions::from_env()?.builder(),
    ),
    (
        &[
            "PORTCULLIS_GITLAB_AUDIENCE",
            "PORTCULLIS_GITLAB_INSTANCE",
            "PORTCULLIS_GITLAB_PROJECT_IDS",
            "PORTCULLIS_GITLAB_NAMESPACE_IDS",
            "PORTCULLIS_GITLAB_BRANCHES",
            "PORTCULLIS_GITLAB_ENVIRONMENTS",
        ],
        || GitLab::from_env()?.builder(),
    ),
    (
        &[
            "PORTCULLIS_KUBERNETES_AUDIENCE",
            "PORTCULLIS_KUBERNETES_SERVICE_ACCOUNTS",
            "PORTCULLIS_KUBERNETES_NAMESPACES",
            "PORTCULLIS_KUBERNETES_ISSUER",
            "PORTCULLIS_KUBERNETES_JWKS_URL",
            "PORTCULLIS_KUBERNETES_TOKEN_FILE",
            "PORTCULLIS_KUBERNETES_CA_FILE",
        ],
        || Kubernetes::from_env()?.builder(),
    ),
    (&["PORTCULLIS_GOOGLE_AUDIENCE", "PORTCULLIS_GOOGLE_ACCOUNT_IDS"], || GoogleServiceAccount::from_env()?.builder()),
    (&["PORTCULLIS_AWS_ISSUER", "PORTCULLIS_AWS_AUDIENCE", "PORTCULLIS_AWS_ROLES"], || AwsRole::from_env()?.builder()),
    (
        &[
            "PORTCULLIS_ENTRA_TENANT_ID",
            "PORTCULLIS_ENTRA_CLIENT_ID",
            "PORTCULLIS_ENTRA_OBJECT_IDS",
            "PORTCULLIS_ENTRA_APPLICATION_IDS",
        ],
        || EntraWorkload::from_env()?.builder(),
    ),
    (
        &[
            "PORTCULLIS_SPIFFE_TRUST_DOMAIN",
            "PORTCULLIS_SPIFFE_AUDIENCE",
            "PORTCULLIS_SPIFFE_BUNDLE_URL",
            "PORTCULLIS_SPIFFE_BUNDLE_FILE",
            "PORTCULLIS_SPIFFE_IDS",
        ],
        || Spiffe::from_env()?.builder(),
    ),
    (
        &[
            "PORTCULLIS_VERCEL_TEAM",
            "PORTCULLIS_VERCEL_TEAM_ID",
            "PORTCULLIS_VERCEL_AUDIENCE",
            "PORTCULLIS_VERCEL_PROJECT_IDS",
            "PORTCULLIS_VERCEL_ENVIRONMENTS",
        ],
        || Vercel::from_env()?.builder(),
    ),
    (
        &[
            "PORTCULLIS_BITBUCKET_WORKSPACE",
            "PORTCULLIS_BITBUCKET_AUDIENCE",
            "PORTCULLIS_BITBUCKET_REPOSITORY_UUIDS",
            "PORTCULLIS_BITBUCKET_ENVIRONMENT_UUIDS",
            "PORTCULLIS_BITBUCKET_BRANCHES",
        ],
        || Bitbucket::from_env()?.builder(),
    ),
    (&["PORTCULLIS_CLOUDFLARE_TEAM_DOMAIN", "PORTCULLIS_CLOUDFLARE_AUDIENCE"], || {
        CloudflareAccess::from_env()?.builder()
    }),
    (&["PORTCULLIS_IAP_AUDIENCE", "PORTCULLIS_IAP_HOSTED_DOMAINS"], || GoogleIap::from_env()?.builder()),
    (&["PORTCULLIS_ALB_ARN", "PORTCULLIS_ALB_ISSUER", "PORTCULLIS_ALB_CLIENT_IDS"], || AwsAlb::from_env()?.builder()),
];

type PresetBuilder = fn() -> Result<JwtVerifierBuilder, ConfigError>;

/// Reads the configuration: flags and their file if there are any, or else the environment, as a service does.
///
/// # Errors
/// [`ConfigError`] names each flag, member or variable that is wrong. Its field is [`NOTHING`] if nothing is configured.
pub(super) fn read(args: &CheckArgs) -> Result<Configured, ConfigError> {
    if args.ask_for_checks() { of_flags(args) } else { of_environment(args) }
}

fn of_flags(args: &CheckArgs) -> Result<Configured, ConfigError> {
    let settings = Settings::resolve(args)?;
    // It says which flag or member is wrong.
    let judge = Judge::new(args, &settings)?;
    let mut issuers = Vec::new();
    for config in settings.issuers() {
        let builder = settings.builder_of(config)?;
        let verifier = Arc::new(complete(args, builder)?);
        let names_key_set = Provider::named(args).is_none() && matches!(config.key_source(), Ok(KeySource::JwksUrl(_)));
        issuers.push(Issuer { verifier, names_key_set });
    }
    let first = settings.issuers().first();
    let file = args.config.as_deref().map(|path| path.display().to_string());
    let of = |member: &str, flag: &str| match &file {
        Some(file) if !args.members.sets(member) => format!("{member} in {file}"),
        _ => flag.to_owned(),
    };
    let in_file = |member: &str| {
        file.as_ref().map_or_else(|| format!("{member} in a file (--config)"), |file| format!("{member} in {file}"))
    };
    let issuer = Provider::named(args).map_or_else(|| of("issuer", "--issuer"), |provider| provider.flag().to_owned());
    Ok(Configured {
        source: file.clone().map_or_else(|| "flags".to_owned(), |file| format!("flags and {file}")),
        names: Names {
            issuer,
            jwks_url: of("jwks_url", "--jwks-url"),
            root_certificates: in_file("root_certificates_file"),
            proxy: in_file("proxy"),
            leeway: of("leeway_seconds", "--leeway"),
        },
        proxy: first.and_then(|config| config.proxy.as_deref()).and_then(proxy_url),
        public_key: first.and_then(public_key),
        judge,
        issuers,
    })
}

fn of_environment(args: &CheckArgs) -> Result<Configured, ConfigError> {
    let of_presets = PRESETS.into_iter().map(|(variables, preset)| (Some(preset), variables.to_vec()));
    let of_any_issuer = members().filter(|member| !member.suits_any_issuer()).map(|member| member.variable());
    let mut named = of_presets.chain([(None, of_any_issuer.collect())]).filter_map(|(preset, variables)| {
        let set: Vec<_> = variables.into_iter().filter(|variable| given(environment, variable) != Ok(None)).collect();
        Some((preset, *set.first()?, set))
    });
    let (preset, variable, mut set) = match (named.next(), named.next()) {
        (None, _) => {
            return Err(ConfigError::new(
                NOTHING,
                "no variable of the service is set, and there are no flags",
                "set the variables of the service, for example PORTCULLIS_ISSUER and PORTCULLIS_AUDIENCE, or write --config FILE, or \
                 the flags of portcullis verify",
            ));
        }
        (Some(only), None) => only,
        (Some((_, first, _)), Some((_, second, _))) => {
            return Err(ConfigError::new(
                first,
                format!("set together with {second}, which belongs to another identity provider"),
                "set the variables of one identity provider",
            ));
        }
    };
    let of_options = members().filter(|member| member.suits_any_issuer()).map(|member| member.variable());
    set.extend(of_options.filter(|variable| given(environment, variable) != Ok(None)));
    let source = format!("the environment ({})", set.join(", "));
    let names = |issuer: &str| Names {
        issuer: issuer.to_owned(),
        jwks_url: "PORTCULLIS_JWKS_URL".to_owned(),
        root_certificates: "PORTCULLIS_ROOT_CERTIFICATES_FILE".to_owned(),
        proxy: "PORTCULLIS_PROXY".to_owned(),
        leeway: "PORTCULLIS_LEEWAY_SECONDS".to_owned(),
    };
    if let Some(preset) = preset {
        let options = Config::options_from_variables(environment);
        let (builder, options) = ConfigError::both(preset(), options)?;
        // The whole gate, so that its options are checked too.
        drop(options.gate_from(preset()?)?);
        let verifier = Arc::new(options.verifier_from(builder)?);
        let judge = Judge::of(Arc::clone(&verifier), args.at);
        let issuers = vec![Issuer { verifier, names_key_set: false }];
        return Ok(Configured { source, names: names(variable), issuers, judge, proxy: None, public_key: None });
    }
    let config = Config::from_env()?;
    drop(config.gate()?);
    let verifier = Arc::new(config.builder()?.build()?);
    let names_key_set = matches!(config.key_source(), Ok(KeySource::JwksUrl(_)));
    Ok(Configured {
        source,
        names: names("PORTCULLIS_ISSUER"),
        judge: Judge::of(Arc::clone(&verifier), args.at),
        issuers: vec![Issuer { verifier, names_key_set }],
        proxy: config.proxy.as_deref().and_then(proxy_url),
        public_key: public_key(&config),
    })
}

/// Reads the URL of a proxy. Without a scheme, the HTTP client takes it as http.
fn proxy_url(text: &str) -> Option<Url> {
    if text.contains("://") { Url::parse(text).ok() } else { Url::parse(&format!("http://{text}")).ok() }
}

fn public_key(config: &Config) -> Option<String> {
    match config.key_source() {
        Ok(KeySource::PublicKeyFile(path)) => std::fs::read_to_string(path).ok(),
        _ => None,
    }
}

impl Configured {
    /// Returns the step that says what is configured.
    pub(super) fn step(&self) -> Step {
        let issuers: Vec<_> = self.issuers.iter().flat_map(|issuer| Verifier::issuers(&*issuer.verifier)).collect();
        let issuers = if issuers.is_empty() { "any that a rule accepts".to_owned() } else { issuers.join(", ") };
        let audiences = self.issuers.iter().filter_map(|issuer| issuer.verifier.audience().accepted());
        let audiences: Vec<_> = audiences.flat_map(|(_, accepted)| accepted.iter().cloned()).collect();
        let audiences = if audiences.is_empty() { "by rule".to_owned() } else { audiences.join(", ") };
        Step::ok("configuration", format!("{}: issuer {issuers}; audience {audiences}", self.source))
    }

    /// Returns what is odd about the surroundings.
    pub(super) fn notes(&self) -> Vec<Step> {
        let variable = set_proxy_variable().filter(|_| self.proxy.is_none());
        let note = variable.map(|name| {
            let found = format!("{name} is set");
            let write =
                format!("if requests must go through the proxy, write {}; otherwise this is right", self.names.proxy);
            Step::note("proxy", found, "the service does not use it", write)
        });
        let with_proxy = self.proxy.as_ref().map(|url| {
            Step::ok(
                "proxy",
                format!(
                    "all requests go through {}:{}",
                    url.host_str().unwrap_or_default(),
                    url.port_or_known_default().unwrap_or_default()
                ),
            )
        });
        note.into_iter().chain(with_proxy).collect()
    }
}
