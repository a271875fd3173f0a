//! Tests the `_FILE` twins of all variables, for configurations and for each preset that reads variables.

use std::path::PathBuf;

use portcullis::config::members;
use portcullis::{Config, ConfigError};
use portcullis_auth0::Auth0;
use portcullis_azure::Azure;
use portcullis_clerk::Clerk;
use portcullis_oidc::Authok;
use portcullis_testing::TestIssuer;
use portcullis_workload::{
    AwsAlb, AwsRole, Bitbucket, CloudflareAccess, EntraWorkload, GitHubActions, GitLab, GoogleIap,
    GoogleServiceAccount, Kubernetes, Spiffe, Vercel,
};

/// Variables and a folder with their values in files.
struct Variables {
    folder: PathBuf,
    values: Vec<(&'static str, String)>,
}

impl Variables {
    fn new(test: &str, values: &[(&'static str, &str)]) -> Self {
        let folder = std::env::temp_dir().join(format!("portcullis-twins-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for (name, value) in values {
            std::fs::write(folder.join(name), format!("{value}\n")).unwrap();
        }
        let values = values.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { folder, values }
    }

    /// Returns the value of `name`. The variables `in_files` are set by their `_FILE` twins.
    fn lookup(&self, name: &str, in_files: &[&str]) -> Option<String> {
        if let Some(twin) = name.strip_suffix("_FILE").filter(|twin| in_files.contains(twin)) {
            return Some(self.folder.join(twin).to_str().unwrap().to_owned());
        }
        let value = self.values.iter().find(|(known, _)| *known == name && !in_files.contains(known));
        value.map(|(_, value)| value.clone())
    }

    /// Checks `read` with no variable, each single variable and all variables in files.
    ///
    /// Also checks that a variable together with its twin is refused.
    fn check<T>(&self, read: impl Fn(&dyn Fn(&str) -> Option<String>) -> Result<T, ConfigError>) {
        let names: Vec<_> = self.values.iter().map(|(name, _)| *name).collect();
        let mut choices: Vec<Vec<&str>> = names.iter().map(|name| vec![*name]).collect();
        choices.extend([Vec::new(), names.clone()]);
        for in_files in choices {
            let result = read(&|name| self.lookup(name, &in_files));
            assert!(result.is_ok(), "{in_files:?}: {:?}", result.err());
        }
        for name in names {
            let both = |asked: &str| self.lookup(asked, &[]).or_else(|| self.lookup(asked, &[name]));
            let error = read(&both).err().unwrap();
            assert_eq!(error.to_string(), format!("{name}: set together with {name}_FILE; set only one of them"));
        }
    }
}

impl Drop for Variables {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).unwrap();
    }
}

#[test]
fn presets_read_twins() {
    let api = "https://api.example.com";
    let auth0 = Variables::new("auth0", &[("AUTH0_DOMAIN", "tenant.eu.auth0.com"), ("AUTH0_AUDIENCE", api)]);
    auth0.check(|lookup| Auth0::from_variables(lookup)?.verifier());
    let authok = Variables::new("authok", &[("AUTHOK_DOMAIN", "tenant.us.authok.cn"), ("AUTHOK_AUDIENCE", api)]);
    authok.check(|lookup| Authok::from_variables(lookup)?.verifier());
    let azure = Variables::new(
        "azure",
        &[
            ("AZURE_TENANT_ID", "8eaef023-2b34-4da1-9baa-8bc8c9d6a490"),
            ("AZURE_CLIENT_ID", "535fb089-9ff3-47b6-9bfb-4f1264799865"),
            ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.us"),
        ],
    );
    azure.check(|lookup| Azure::from_variables(lookup)?.verifier());
    let pem = TestIssuer::clerk("clerk.example.com").public_key_pem();
    let clerk = Variables::new(
        "clerk",
        &[
            ("CLERK_PUBLISHABLE_KEY", "pk_test_Y2xlcmsuZXhhbXBsZS5jb20k"),
            ("CLERK_JWT_KEY", &pem),
            ("CLERK_AUTHORIZED_PARTIES", "https://app.example.com"),
        ],
    );
    clerk.check(|lookup| Clerk::from_variables(lookup)?.verifier());
}

#[test]
fn presets_of_machines_read_twins() {
    let api = "https://api.example.com";
    let github = Variables::new(
        "github",
        &[
            ("PORTCULLIS_GITHUB_AUDIENCE", api),
            ("PORTCULLIS_GITHUB_REPOSITORY_IDS", "1, 2"),
            ("PORTCULLIS_GITHUB_OWNER_IDS", "3"),
            ("PORTCULLIS_GITHUB_REFS", "refs/heads/main"),
            ("PORTCULLIS_GITHUB_ENVIRONMENTS", "production"),
            ("PORTCULLIS_GITHUB_JOB_WORKFLOWS", "o/r/.github/workflows/w.yml@refs/heads/main"),
            ("PORTCULLIS_GITHUB_HOST", "github.example.com"),
        ],
    );
    github.check(|lookup| GitHubActions::from_variables(lookup)?.verifier());
    let gitlab = Variables::new(
        "gitlab",
        &[
            ("PORTCULLIS_GITLAB_AUDIENCE", api),
            ("PORTCULLIS_GITLAB_INSTANCE", "https://gitlab.example.com"),
            ("PORTCULLIS_GITLAB_PROJECT_IDS", "1"),
            ("PORTCULLIS_GITLAB_NAMESPACE_IDS", "2"),
            ("PORTCULLIS_GITLAB_BRANCHES", "main"),
            ("PORTCULLIS_GITLAB_ENVIRONMENTS", "production"),
        ],
    );
    gitlab.check(|lookup| GitLab::from_variables(lookup)?.verifier());
    let kubernetes = Variables::new(
        "kubernetes",
        &[
            ("PORTCULLIS_KUBERNETES_AUDIENCE", api),
            ("PORTCULLIS_KUBERNETES_SERVICE_ACCOUNTS", "shop:web"),
            ("PORTCULLIS_KUBERNETES_NAMESPACES", "infra"),
            ("PORTCULLIS_KUBERNETES_ISSUER", "https://issuer.example"),
            ("PORTCULLIS_KUBERNETES_JWKS_URL", "https://issuer.example/keys"),
        ],
    );
    kubernetes.check(|lookup| Kubernetes::from_variables(lookup)?.verifier());
}

#[test]
fn presets_of_clouds_read_twins() {
    let api = "https://api.example.com";
    let google = [("PORTCULLIS_GOOGLE_AUDIENCE", api), ("PORTCULLIS_GOOGLE_ACCOUNT_IDS", "1, 2")];
    Variables::new("google", &google).check(|lookup| GoogleServiceAccount::from_variables(lookup)?.verifier());
    let aws = [
        ("PORTCULLIS_AWS_ISSUER", "https://a.tokens.sts.global.api.aws"),
        ("PORTCULLIS_AWS_AUDIENCE", api),
        ("PORTCULLIS_AWS_ROLES", "arn:aws:iam::123456789012:role/a, arn:aws:iam::123456789012:role/b"),
    ];
    Variables::new("aws", &aws).check(|lookup| AwsRole::from_variables(lookup)?.verifier());
    let entra = [
        ("PORTCULLIS_ENTRA_TENANT_ID", "8eaef023-2b34-4da1-9baa-8bc8c9d6a490"),
        ("PORTCULLIS_ENTRA_CLIENT_ID", "535fb089-9ff3-47b6-9bfb-4f1264799865"),
        ("PORTCULLIS_ENTRA_OBJECT_IDS", "b4e7d2a1-5c3f-4a88-8e6d-0f9c1b2a3d44"),
        ("PORTCULLIS_ENTRA_APPLICATION_IDS", "b4e7d2a1-5c3f-4a88-8e6d-0f9c1b2a3d44"),
    ];
    Variables::new("entra", &entra).check(|lookup| EntraWorkload::from_variables(lookup)?.verifier());
    let spiffe = [
        ("PORTCULLIS_SPIFFE_TRUST_DOMAIN", "example.org"),
        ("PORTCULLIS_SPIFFE_AUDIENCE", api),
        ("PORTCULLIS_SPIFFE_BUNDLE_URL", "https://spire.example.org/bundle.json"),
        ("PORTCULLIS_SPIFFE_IDS", "spiffe://example.org/a, spiffe://example.org/b"),
    ];
    Variables::new("spiffe", &spiffe).check(|lookup| Spiffe::from_variables(lookup)?.verifier());
    let vercel = [
        ("PORTCULLIS_VERCEL_TEAM", "acme"),
        ("PORTCULLIS_VERCEL_TEAM_ID", "team_1"),
        ("PORTCULLIS_VERCEL_AUDIENCE", api),
        ("PORTCULLIS_VERCEL_PROJECT_IDS", "prj_1, prj_2"),
        ("PORTCULLIS_VERCEL_ENVIRONMENTS", "production"),
    ];
    Variables::new("vercel", &vercel).check(|lookup| Vercel::from_variables(lookup)?.verifier());
    let bitbucket = [
        ("PORTCULLIS_BITBUCKET_WORKSPACE", "acme"),
        ("PORTCULLIS_BITBUCKET_AUDIENCE", api),
        ("PORTCULLIS_BITBUCKET_REPOSITORY_UUIDS", "c1e0d3a2-9f3b-4b52-8a55-0d5f6a7b8c9d"),
        ("PORTCULLIS_BITBUCKET_ENVIRONMENT_UUIDS", "{5a4b3c2d-1e0f-4a9b-8c7d-6e5f4a3b2c1d}"),
        ("PORTCULLIS_BITBUCKET_BRANCHES", "main"),
    ];
    Variables::new("bitbucket", &bitbucket).check(|lookup| Bitbucket::from_variables(lookup)?.verifier());
}

#[test]
fn presets_of_proxies_read_twins() {
    let tag = "32eafc7626e974616deaf0dc3ce63d7bcbed58a2731e84d06bc3cdf1b53c4228";
    let access =
        [("PORTCULLIS_CLOUDFLARE_TEAM_DOMAIN", "acme.cloudflareaccess.com"), ("PORTCULLIS_CLOUDFLARE_AUDIENCE", tag)];
    Variables::new("cloudflare", &access).check(|lookup| CloudflareAccess::from_variables(lookup)?.verifier());
    let iap = [
        ("PORTCULLIS_IAP_AUDIENCE", "/projects/1/global/backendServices/2"),
        ("PORTCULLIS_IAP_HOSTED_DOMAINS", "example.com"),
    ];
    Variables::new("iap", &iap).check(|lookup| GoogleIap::from_variables(lookup)?.verifier());
    let alb = [
        (
            "PORTCULLIS_ALB_ARN",
            "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/lb/0123456789abcdef",
        ),
        ("PORTCULLIS_ALB_ISSUER", "https://issuer.example"),
        ("PORTCULLIS_ALB_CLIENT_IDS", "c1, c2"),
    ];
    Variables::new("alb", &alb).check(|lookup| AwsAlb::from_variables(lookup)?.verifier());
}

#[test]
fn members_read_twins() {
    let values = [
        ("PORTCULLIS_ISSUER", "https://issuer.example/"),
        ("PORTCULLIS_AUDIENCE", "api, other"),
        ("PORTCULLIS_JWKS_URL", "https://issuer.example/keys"),
        ("PORTCULLIS_PROXY", "http://user:secret@proxy.example:3128"),
        ("PORTCULLIS_LEEWAY_SECONDS", "30"),
        ("PORTCULLIS_TOKEN_SOURCES", "authorization, cookie:session"),
    ];
    let variables = Variables::new("members", &values);
    variables.check(|lookup| Config::from_variables(lookup));
    let names: Vec<_> = values.iter().map(|(name, _)| *name).collect();
    let of_files = Config::from_variables(|name| variables.lookup(name, &names)).unwrap();
    assert_eq!(of_files, Config::from_variables(|name| variables.lookup(name, &[])).unwrap());
}

#[test]
fn path_variable_has_no_twin() {
    for member in members().filter(|member| member.variable().ends_with("_FILE")) {
        let twin = format!("{}_FILE", member.variable());
        let config = Config::from_variables(|name| match name {
            "PORTCULLIS_ISSUER" | "PORTCULLIS_AUDIENCE" => Some("a".to_owned()),
            name => (name == twin).then(|| "/nonexistent".to_owned()),
        });
        assert!(config.is_ok(), "{twin}: {config:?}");
    }
}
