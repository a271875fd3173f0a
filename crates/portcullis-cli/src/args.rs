//! The command line and its help.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{Args, Parser, Subcommand};

use crate::flags::MemberFlags;
use crate::printable::printable;

/// Reads the command line.
///
/// # Errors
/// The exit status, where help or a usage error has been printed.
pub(crate) fn parse() -> Result<Command, ExitCode> {
    Cli::try_parse().map(|cli| cli.command).map_err(|error| {
        let error = without_tokens(error);
        // If the stream is closed, the exit status still says it.
        if !error.use_stderr() {
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        // The message repeats arguments, which may be pasted text.
        for line in error.render().to_string().lines() {
            let _ = writeln!(io::stderr(), "{}", printable(line));
        }
        ExitCode::from(2)
    })
}

/// Verifies bearer tokens and says what is wrong with them.
#[derive(Parser)]
#[command(name = "portcullis", version, subcommand_required = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make, list and revoke API keys in an SQL database
    #[cfg(feature = "apikey")]
    #[command(subcommand, after_help = crate::apikey::AFTER_HELP)]
    Apikey(crate::apikey::ApikeyCommand),
    /// Walk from the configuration of a service to its keys, and say at each step what is wrong and what to write
    #[command(after_help = DOCTOR_AFTER_HELP, override_usage = DOCTOR_USAGE)]
    Doctor(Box<DoctorArgs>),
    /// Say what a token is, without trusting it, and with the flags of verify every check that it passes or fails
    #[command(after_help = EXPLAIN_AFTER_HELP, override_usage = EXPLAIN_USAGE)]
    Explain(Box<ExplainArgs>),
    /// Show what a key set contains, and why a key cannot be used
    #[command(after_help = KEYS_AFTER_HELP, override_usage = "portcullis keys [--json] (URL | FILE | --oidc-issuer ISSUER)")]
    Keys(KeysArgs),
    /// Verify tokens, with one JSON object for each on standard output
    #[command(after_help = AFTER_HELP, override_usage = USAGE)]
    Verify(Box<VerifyArgs>),
}

const USAGE: &str = "\
portcullis verify (--issuer ISSUER… | --any-issuer) (--audience AUDIENCE… | --any-audience)
                         (--jwks FILE | --jwks-url URL | --public-key FILE | --secret FILE) [OPTIONS] [TOKEN | -]
       portcullis verify (--oidc-issuer ISSUER | --auth0-domain DOMAIN | --authok-domain DOMAIN)
                         (--audience AUDIENCE… | --any-audience) [OPTIONS] [TOKEN | -]
       portcullis verify --azure-tenant TENANT --azure-client-id ID [OPTIONS] [TOKEN | -]
       portcullis verify --clerk-frontend-api HOST [--authorized-party ORIGIN]… [OPTIONS] [TOKEN | -]
       portcullis verify (--github-repository ID | --gitlab-project ID | --bitbucket-workspace WORKSPACE |
                         --kubernetes-issuer ISSUER | --google-account ID | --aws-issuer ISSUER |
                         --spiffe-trust-domain DOMAIN | --cloudflare-team-domain DOMAIN | --google-iap)
                         (--audience AUDIENCE… | --any-audience) [OPTIONS] [TOKEN | -]
       portcullis verify (--vercel-team SLUG --vercel-team-id ID | --alb-arn ARN --alb-issuer ISSUER |
                         --entra-workload-tenant TENANT --entra-client-id ID) [OPTIONS] [TOKEN | -]
       portcullis verify --jws (--jwks FILE | --jwks-url URL | --public-key FILE | --secret FILE) [--alg ALG]…
                         [TOKEN | -]
       portcullis verify --config FILE [OPTIONS] [TOKEN | -]";

const AFTER_HELP: &str = "\
Output, one line for each token:
  {\"verdict\":\"accept\",\"claims\":{…}}               the claims as they were issued
  {\"verdict\":\"reject\",\"reason\":\"…\",\"detail\":\"…\"}  a stable reason; then which part, claim or check, what was expected,
                                                   and what the token has
  {\"verdict\":\"accept\",\"payload\":\"<base64url>\"}    with --jws

Exit status: 0 all accepted, 1 something rejected, 2 bad usage or configuration, or no keys (message on standard error).

Examples:
  # One access token, against the issuer's keys in a file:
  portcullis verify --issuer https://issuer.example/ --audience https://api.example.com --jwks jwks.json eyJ…

  # With keys that the issuer's metadata names, or from a known URL; they are fetched once for all tokens:
  portcullis verify --oidc-issuer https://issuer.example/ --audience https://api.example.com eyJ…
  portcullis verify --issuer https://issuer.example/ --audience https://api.example.com \\
      --jwks-url https://issuer.example/.well-known/jwks.json eyJ…

  # An Auth0 tenant's access token for an API:
  portcullis verify --auth0-domain tenant.eu.auth0.com --audience https://api.example.com eyJ…

  # A session token of a Clerk instance that your application asked for:
  portcullis verify --clerk-frontend-api clerk.example.com --authorized-party https://app.example.com eyJ…

  # An access token of Entra ID, with the tenant's keys in a file:
  portcullis verify --azure-tenant 8eaef023-2b34-4da1-9baa-8bc8c9d6a490 \\
      --azure-client-id 535fb089-9ff3-47b6-9bfb-4f1264799865 --jwks keys.json eyJ…

  # The token of a job in GitHub Actions, or of a pod:
  portcullis verify --github-repository 456789 --audience https://api.example.com eyJ…
  portcullis verify --kubernetes-issuer https://oidc.eks.eu-west-1.amazonaws.com/id/EX \\
      --service-account shop:web --audience https://orders.example.com eyJ…

  # Many tokens, one per line. Each line gets one verdict, even an empty line:
  portcullis verify --issuer https://issuer.example/ --audience api --public-key issuer.pem - < tokens.txt

  # Only tokens of one type and algorithm, with a claim of your own, as of a date in the past:
  portcullis verify --issuer https://issuer.example/ --audience api --jwks jwks.json \\
      --typ at+jwt --alg ES256 --require client_id --at 1700000000 eyJ…

  # A shared secret. Only --secret makes an HMAC key:
  portcullis verify --any-issuer --any-audience --secret secret.bin eyJ…

  # Only the signature, with any payload:
  portcullis verify --jws --jwks jwks.json eyJ…

  # The settings of a service, with another audience:
  portcullis verify --config portcullis.toml --audience https://other.example.com eyJ…

  # A service with several issuers. The file has a list, issuers, and each token goes to the entry of its issuer:
  portcullis verify --config issuers.json --leeway 30 eyJ…
";

const DOCTOR_USAGE: &str = "\
portcullis doctor [--json] [--config FILE | FLAGS OF VERIFY] [TOKEN | -]";

const DOCTOR_AFTER_HELP: &str = "\
Without flags it reads the environment as the service does: PORTCULLIS_ISSUER and the others, or AUTH0_DOMAIN, AZURE_TENANT_ID,
CLERK_PUBLISHABLE_KEY, AUTHOK_DOMAIN and theirs, or those of machines and proxies, for example PORTCULLIS_GITHUB_AUDIENCE. Run it
where the service runs, for example in its container.

Steps: configuration, proxy, DNS, TCP, TLS with the certificates, metadata, key set, each key, clock, and the token if there is one.
The keys are fetched by the code of the service.

Output, one line for each step: ok, note or FAULT, what was found, what is wrong, and after -> what to write. With --json:
  {\"step\":\"metadata\",\"status\":\"fault\",\"found\":\"…\",\"wrong\":\"…\",\"write\":\"…\"}

Exit status: 0 healthy, 1 a fault, 2 bad usage, or nothing is configured.

Examples:
  # The environment of the service, and a token that it refuses:
  portcullis doctor - < token.txt

  # A configuration file, in a pipeline:
  portcullis doctor --json --config portcullis.toml

  # An Auth0 tenant, before there is a service:
  portcullis doctor --auth0-domain tenant.eu.auth0.com --audience https://api.example.com
";

const EXPLAIN_USAGE: &str = "\
portcullis explain [--json] [FLAGS OF VERIFY] [TOKEN | -]";

const EXPLAIN_AFTER_HELP: &str = "\
The token may be pasted with what surrounds it: the word Bearer, quotes, line breaks, a header field, a whole curl command.
Nothing is sent anywhere, unless a flag names keys that have to be fetched.

Output: text, with colors on a terminal unless NO_COLOR is set. With --json, one JSON object:
  {\"form\":\"jwt\",\"kind\":\"access\",\"provider\":\"Auth0\",\"header\":{…},\"claims\":{…},\"removed\":[\"the word Bearer\"],
   \"checks\":[{\"check\":\"aud\",\"expected\":\"\\\"api\\\"\",\"actual\":\"\\\"web\\\"\",\"ok\":false}]}
  form: jwt, jws, jwe, opaque. kind: access, id, refresh, opaque, encrypted, event, proof, assertion, unknown

Exit status: as verify. Without flags the token is only decoded, and the status is 0.

Examples:
  # Paste the token, then press Ctrl-D. It does not appear in the shell's history:
  portcullis explain

  # Every check of a service that is configured by a file:
  portcullis explain --config portcullis.toml < token.txt

  # Every check for an API of an Auth0 tenant, as of a date in the past:
  portcullis explain --auth0-domain tenant.eu.auth0.com --audience https://api.example.com --at 1700000000 < token.txt
";

const KEYS_AFTER_HELP: &str = "\
Output: one line for each key, in the order of the set, and a summary:
  key 0: usable: kid \"2026-01\", RSA, RS256, thumbprint kPrK_q… (RFC 7638)
  key 1: not usable: kid \"2026-01-enc\", RSA, RSA-OAEP: its use or key_ops do not include verifying signatures
  1 of 2 keys can be used, for RS256

Exit status: 0 some key can be used, 1 none can, 2 there is no key set (message on standard error).

Examples:
  # The keys of an issuer, by the URL of its key set or by its metadata:
  portcullis keys https://issuer.example/.well-known/jwks.json
  portcullis keys --oidc-issuer https://issuer.example/

  # A file, as JSON for a script:
  portcullis keys --json jwks.json
";

#[derive(Args)]
pub(crate) struct KeysArgs {
    /// The URL of a JWK Set, or a file with a JWK Set or one public JWK
    #[arg(value_name = "URL | FILE", conflicts_with = "oidc_issuer")]
    pub(crate) place: Option<PathBuf>,
    /// Find the key set by this issuer's metadata (OpenID Connect Discovery)
    #[arg(long, value_name = "ISSUER")]
    pub(crate) oidc_issuer: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub(crate) checks: CheckArgs,
    /// The token, or - to read one per line from standard input
    // Several tokens are read here and refused later, because the parser's own message would repeat the second one.
    #[arg(value_name = "TOKEN")]
    pub(crate) tokens: Vec<OsString>,
}

#[derive(Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) checks: CheckArgs,
    /// Print one JSON object for each step
    #[arg(long)]
    pub(crate) json: bool,
    /// A token to check at the end, or - for standard input
    #[arg(value_name = "TOKEN")]
    pub(crate) tokens: Vec<OsString>,
}

#[derive(Args)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    pub(crate) checks: CheckArgs,
    /// Print one JSON object for each token, instead of text
    #[arg(long)]
    pub(crate) json: bool,
    /// The token, or - for standard input, which is also the default. A token on the command line stays in the shell's history
    #[arg(value_name = "TOKEN")]
    pub(crate) tokens: Vec<OsString>,
}

/// How tokens are checked.
#[derive(Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) members: MemberFlags,
    /// Accept any issuer whose key signed: safe only if the keys belong to one issuer
    #[arg(long, conflicts_with = "issuer")]
    pub(crate) any_issuer: bool,
    /// Accept tokens for any audience
    #[arg(long, conflicts_with = "audience")]
    pub(crate) any_audience: bool,
    #[command(flatten)]
    pub(crate) provider: ProviderArgs,
    #[command(flatten)]
    pub(crate) of_provider: OfProviderArgs,
    /// Accept tokens without exp
    #[arg(long)]
    pub(crate) allow_missing_exp: bool,
    /// Verify as of this date, in seconds since 1970 [default: now]
    #[arg(long, value_name = "UNIX_SECONDS", value_parser = date, allow_negative_numbers = true)]
    pub(crate) at: Option<i64>,
    /// Stop after the signature: issuer, audience, type and time are not checked, and the payload may be anything
    #[arg(long, conflicts_with_all = ["issuer", "audience", "typ", "required_claims"])]
    pub(crate) jws: bool,
    /// A configuration file, .toml or .json. Flags override its members; with a list of issuers, only flags for any issuer are
    /// allowed
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

impl CheckArgs {
    /// Whether a flag asks for a verdict. `--at` only sets the clock.
    pub(crate) fn ask_for_checks(&self) -> bool {
        // The flags of an identity provider need the flag that names it.
        let Self { members, any_issuer, any_audience, provider, of_provider: _, allow_missing_exp, at: _, jws, config } =
            self;
        let flags = [*any_issuer, *any_audience, *allow_missing_exp, *jws, config.is_some(), provider.is_named()];
        !members.set().is_empty() || flags.contains(&true)
    }
}

/// The identity provider: at most one of these. Each sets the issuer, its keys and its rules.
#[derive(Args)]
#[group(multiple = false, conflicts_with_all = ["issuer", "any_issuer"])]
pub(crate) struct ProviderArgs {
    /// An issuer whose metadata names its keys (OpenID Connect Discovery): sets --issuer and the keys
    #[arg(long, value_name = "ISSUER")]
    pub(crate) oidc_issuer: Option<String>,
    /// The domain of an Auth0 tenant: sets --issuer, the keys, and --alg RS256 --alg PS256
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) auth0_domain: Option<String>,
    /// The domain of an Authok tenant: sets --issuer, the keys, and --alg RS256
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) authok_domain: Option<String>,
    /// A tenant of Entra ID: its ID, several IDs with commas, common, organizations or consumers. With --azure-client-id
    /// it sets issuer, audience, keys and Entra's rules
    #[arg(long, value_name = "TENANT", requires = "azure_client_id")]
    pub(crate) azure_tenant: Option<String>,
    /// The host of a Clerk instance's Frontend API: sets issuer, keys and the rules for session tokens, which have no
    /// audience
    #[arg(long, value_name = "HOST")]
    pub(crate) clerk_frontend_api: Option<String>,
    /// A repository on GitHub, by its number: sets issuer, keys and the rules for tokens of its jobs, without pull requests
    #[arg(long, value_name = "ID")]
    pub(crate) github_repository: Option<u64>,
    /// A project on GitLab, by its number: sets issuer, keys and the rules for tokens of its jobs, without merge requests
    #[arg(long, value_name = "ID")]
    pub(crate) gitlab_project: Option<u64>,
    /// The issuer of a Kubernetes cluster: sets --issuer, the keys and the rules for tokens of service accounts
    #[arg(long, value_name = "ISSUER")]
    pub(crate) kubernetes_issuer: Option<String>,
    /// The ARN of an Application Load Balancer of AWS: with --alb-issuer it sets issuer, keys and the rules for X-Amzn-Oidc-Data
    #[arg(long, value_name = "ARN", requires = "alb_issuer")]
    pub(crate) alb_arn: Option<String>,
    /// The issuer of an AWS account's outbound identity federation: sets --issuer, the keys and the rules for tokens of roles
    #[arg(long, value_name = "ISSUER")]
    pub(crate) aws_issuer: Option<String>,
    /// A workspace of Bitbucket: sets issuer, keys and the rules for tokens of its pipelines
    #[arg(long, value_name = "WORKSPACE")]
    pub(crate) bitbucket_workspace: Option<String>,
    /// A team domain of Cloudflare Access: sets issuer, keys and the rules for application tokens; --audience is the AUD tag
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) cloudflare_team_domain: Option<String>,
    /// A tenant of Entra ID: with --entra-client-id it sets issuer, audience, keys and the rules for tokens of applications
    #[arg(long, value_name = "TENANT", requires = "entra_client_id")]
    pub(crate) entra_workload_tenant: Option<String>,
    /// A service account of Google Cloud, by its unique ID: sets issuer, keys and the rules for its ID tokens
    #[arg(long, value_name = "ID")]
    pub(crate) google_account: Option<String>,
    /// Google's Identity-Aware Proxy: sets issuer, keys and the rules for X-Goog-IAP-JWT-Assertion
    #[arg(long)]
    pub(crate) google_iap: bool,
    /// A SPIFFE trust domain: sets the rules for JWT-SVIDs; the bundle is --jwks or --jwks-url
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) spiffe_trust_domain: Option<String>,
    /// A team on Vercel, by its slug: with --vercel-team-id it sets issuer, audience, keys and the rules for production
    #[arg(long, value_name = "SLUG", requires = "vercel_team_id")]
    pub(crate) vercel_team: Option<String>,
}

impl ProviderArgs {
    fn is_named(&self) -> bool {
        let Self {
            oidc_issuer,
            auth0_domain,
            authok_domain,
            azure_tenant,
            clerk_frontend_api,
            github_repository,
            gitlab_project,
            kubernetes_issuer,
            alb_arn,
            aws_issuer,
            bitbucket_workspace,
            cloudflare_team_domain,
            entra_workload_tenant,
            google_account,
            google_iap,
            spiffe_trust_domain,
            vercel_team,
        } = self;
        let texts = [
            oidc_issuer,
            auth0_domain,
            authok_domain,
            azure_tenant,
            clerk_frontend_api,
            kubernetes_issuer,
            alb_arn,
            aws_issuer,
            bitbucket_workspace,
            cloudflare_team_domain,
            entra_workload_tenant,
            google_account,
            spiffe_trust_domain,
            vercel_team,
        ];
        let is_number = github_repository.is_some() || gitlab_project.is_some();
        texts.into_iter().any(Option::is_some) || is_number || *google_iap
    }
}

/// The flags that belong to one identity provider.
#[derive(Args)]
pub(crate) struct OfProviderArgs {
    /// The Application (client) ID of the API in Entra ID: tokens for this ID, or for api:// with this ID, are accepted
    #[arg(long, value_name = "ID", requires = "azure_tenant",
        conflicts_with_all = ["oidc_issuer", "auth0_domain", "authok_domain", "clerk_frontend_api"])]
    pub(crate) azure_client_id: Option<String>,
    /// An origin that may ask Clerk for tokens (azp), for example https://app.example.com; repeat for several
    /// [default: any]
    #[arg(long, value_name = "ORIGIN", requires = "clerk_frontend_api",
        conflicts_with_all = ["oidc_issuer", "auth0_domain", "authok_domain", "azure_tenant"])]
    pub(crate) authorized_party: Vec<String>,
    /// The host of a GitHub Enterprise Server [default: github.com]
    #[arg(long, value_name = "HOST", requires = "github_repository")]
    pub(crate) github_host: Option<String>,
    /// The GitLab instance [default: https://gitlab.com]
    #[arg(long, value_name = "URL", requires = "gitlab_project")]
    pub(crate) gitlab_instance: Option<String>,
    /// A service account of Kubernetes; repeat for several [default: any]
    #[arg(long, value_name = "NAMESPACE:NAME", requires = "kubernetes_issuer", value_parser = service_account)]
    pub(crate) service_account: Vec<(String, String)>,
    /// The issuer of the rule that authenticates users
    #[arg(long, value_name = "ISSUER", requires = "alb_arn")]
    pub(crate) alb_issuer: Option<String>,
    /// The ARN of a role in AWS; repeat for several [default: any]
    #[arg(long, value_name = "ARN", requires = "aws_issuer")]
    pub(crate) aws_role: Vec<String>,
    /// The Application (client) ID of the API in Entra ID
    #[arg(long, value_name = "ID", requires = "entra_workload_tenant")]
    pub(crate) entra_client_id: Option<String>,
    /// The ID of the team on Vercel
    #[arg(long, value_name = "ID", requires = "vercel_team")]
    pub(crate) vercel_team_id: Option<String>,
}

fn service_account(text: &str) -> Result<(String, String), &'static str> {
    let names = text.split_once(':').map(|(namespace, name)| (namespace.to_owned(), name.to_owned()));
    names.ok_or("not a service account; write NAMESPACE:NAME, for example shop:web")
}

fn date(text: &str) -> Result<i64, &'static str> {
    text.parse().map_err(|_| "not a date; write whole seconds since 1970-01-01T00:00:00Z, for example 1700000000")
}

/// Withholds what may be a token from the parser's message, which repeats what the parser does not understand.
fn without_tokens(mut error: clap::Error) -> clap::Error {
    const REPEATED: [ContextKind; 3] =
        [ContextKind::InvalidArg, ContextKind::InvalidSubcommand, ContextKind::InvalidValue];
    for kind in REPEATED {
        if let Some(ContextValue::String(text)) = error.get(kind)
            && may_be_a_token(text)
        {
            error.insert(kind, ContextValue::String("(withheld)".to_owned()));
            // The suggestions are made from the same text.
            error.remove(ContextKind::Suggested);
        }
    }
    error
}

/// Whether `text` may be a token or an API key: flags, subcommands and sensible values are shorter, do not have the first
/// letters of a token's header, and have fewer letters and digits in a row.
fn may_be_a_token(text: &str) -> bool {
    let mut rows = text.split(|char: char| !char.is_ascii_alphanumeric());
    text.len() > 60 || text.contains("eyJ") || rows.any(|row| row.len() >= 40)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn possible_token_is_not_repeated() {
        for arguments in [
            &["portcullis", "eyJhbGciOiJFUzI1NiJ9.e30.c2ln"][..],
            &["portcullis", "verify", "--eyJhbGciOiJFUzI1NiJ9.e30.c2ln"],
            &["portcullis", "verify", "--alg", "eyJhbGciOiJFUzI1NiJ9.e30.c2ln"],
            &["portcullis", "verify", "--at", "eyJhbGciOiJFUzI1NiJ9.e30.c2ln"],
            &["portcullis", "verify", "--jws=eyJhbGciOiJFUzI1NiJ9.e30.c2ln"],
        ] {
            let error = Cli::try_parse_from(arguments).err().unwrap();
            assert!(error.to_string().contains("eyJ"), "the premise: {error}");
            let message = without_tokens(error).to_string();
            assert!(!message.contains("eyJ") && message.contains("(withheld)"), "{message}");
        }
        let key = "pk_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg3VqCUe";
        for arguments in [&["portcullis", key][..], &["portcullis", "verify", "--at", key]] {
            let error = Cli::try_parse_from(arguments).err().unwrap();
            assert!(error.to_string().contains(key), "the premise: {error}");
            assert!(!without_tokens(error).to_string().contains(key));
        }
    }
}
