//! The command line as it is typed.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{Args, Parser, Subcommand};
use portcullis::jose::Algorithm;

/// Reads the command line.
///
/// # Errors
/// The exit status, where help or a usage error has been printed.
pub(crate) fn parse() -> Result<Command, ExitCode> {
    Cli::try_parse().map(|cli| cli.command).map_err(|error| {
        let error = without_tokens(error);
        // Nobody to tell when the stream is closed; the exit status says it all the same.
        let _ = error.print();
        if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS }
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
    /// Show what a key set holds, and why each key that can't be used can't be
    #[command(after_help = KEYS_AFTER_HELP, override_usage = "portcullis keys [--json] (URL | FILE | --oidc-issuer ISSUER)")]
    Keys(KeysArgs),
    /// Verify tokens: one JSON object for each on standard output
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
       portcullis verify --jws (--jwks FILE | --jwks-url URL | --public-key FILE | --secret FILE) [--alg ALG]…
                         [TOKEN | -]
       portcullis verify --config FILE [OPTIONS] [TOKEN | -]";

const AFTER_HELP: &str = "\
Output, one line for each token:
  {\"verdict\":\"accept\",\"claims\":{…}}               the claims as they were issued
  {\"verdict\":\"reject\",\"reason\":\"…\",\"detail\":\"…\"}  a stable reason, and which part, claim or check
  {\"verdict\":\"accept\",\"payload\":\"<base64url>\"}    with --jws

Exit status: 0 all accepted, 1 something rejected, 2 bad usage or configuration, or keys that can't be had (message on
standard error).

Examples:
  # One access token, against the issuer's keys in a file:
  portcullis verify --issuer https://issuer.example/ --audience https://api.example.com --jwks jwks.json eyJ…

  # Against the keys that the issuer's metadata names, or that are at a known URL; fetched once for all tokens:
  portcullis verify --oidc-issuer https://issuer.example/ --audience https://api.example.com eyJ…
  portcullis verify --issuer https://issuer.example/ --audience https://api.example.com \\
      --jwks-url https://issuer.example/.well-known/jwks.json eyJ…

  # An Auth0 tenant's access token for an API:
  portcullis verify --auth0-domain tenant.eu.auth0.com --audience https://api.example.com eyJ…

  # A session token of a Clerk instance, asked for by your application:
  portcullis verify --clerk-frontend-api clerk.example.com --authorized-party https://app.example.com eyJ…

  # An access token of Entra ID, with the tenant's keys in a file:
  portcullis verify --azure-tenant 8eaef023-2b34-4da1-9baa-8bc8c9d6a490 \\
      --azure-client-id 535fb089-9ff3-47b6-9bfb-4f1264799865 --jwks keys.json eyJ…

  # Many tokens, one per line; every line gets one verdict, an empty line too:
  portcullis verify --issuer https://issuer.example/ --audience api --public-key issuer.pem - < tokens.txt

  # Only tokens of one type and algorithm, with a claim of one's own, as of a date in the past:
  portcullis verify --issuer https://issuer.example/ --audience api --jwks jwks.json \\
      --typ at+jwt --alg ES256 --require client_id --at 1700000000 eyJ…

  # A shared secret, which nothing but --secret makes an HMAC key:
  portcullis verify --any-issuer --any-audience --secret secret.bin eyJ…

  # The signature alone, whatever the payload is:
  portcullis verify --jws --jwks jwks.json eyJ…

  # The same settings as a service, but for the audience:
  portcullis verify --config portcullis.toml --audience https://other.example.com eyJ…

  # A service of several issuers: the file has a list, issuers, and each token goes to the entry of its issuer:
  portcullis verify --config issuers.json --leeway 30 eyJ…
";

const KEYS_AFTER_HELP: &str = "\
Output: one line for each key, in the order of the set, and a summary:
  key 0: usable: kid \"2026-01\", RSA, RS256, thumbprint kPrK_q… (RFC 7638)
  key 1: not usable: kid \"2026-01-enc\", RSA, RSA-OAEP: its use or key_ops do not include verifying signatures
  1 of 2 keys can be used, for RS256

Exit status: 0 some key can be used, 1 none can, 2 the key set can't be had (message on standard error).

Examples:
  # What an issuer publishes, by the URL of its key set or by its metadata:
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
    /// An accepted issuer, exactly as tokens have it in iss; repeat for several
    #[arg(long, value_name = "ISSUER", conflicts_with = "any_issuer")]
    pub(crate) issuer: Vec<String>,
    /// Accept any issuer whose key signed: safe only where the keys belong to one
    #[arg(long)]
    pub(crate) any_issuer: bool,
    /// An accepted audience, exactly as tokens have it in aud; repeat for several
    #[arg(long, value_name = "AUDIENCE", conflicts_with = "any_audience")]
    pub(crate) audience: Vec<String>,
    /// Accept tokens for any audience
    #[arg(long)]
    pub(crate) any_audience: bool,
    #[command(flatten)]
    pub(crate) provider: ProviderArgs,
    #[command(flatten)]
    pub(crate) of_provider: OfProviderArgs,
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
    /// An allowed algorithm; repeat for several [default: all that the keys serve]
    #[arg(long, value_name = "ALG", value_parser = algorithm)]
    pub(crate) alg: Vec<Algorithm>,
    /// How far clocks may differ, 0 to 600 [default: 5]
    #[arg(long, value_name = "SECONDS", value_parser = leeway, allow_negative_numbers = true)]
    pub(crate) leeway: Option<u64>,
    /// An accepted token type (typ); repeat for several [default: absent, JWT or at+jwt]
    #[arg(long, value_name = "TYP", conflicts_with = "jws")]
    pub(crate) typ: Vec<String>,
    /// A claim that must be there; repeat for several
    #[arg(long, value_name = "CLAIM", conflicts_with = "jws")]
    pub(crate) require: Vec<String>,
    /// Accept tokens without exp
    #[arg(long)]
    pub(crate) allow_missing_exp: bool,
    /// Verify as of this date, in seconds since 1970 [default: now]
    #[arg(long, value_name = "UNIX_SECONDS", value_parser = date, allow_negative_numbers = true)]
    pub(crate) at: Option<i64>,
    /// Stop after the signature: issuer, audience, type and time are not looked at, and the payload may be anything
    #[arg(long, conflicts_with_all = ["issuer", "audience"])]
    pub(crate) jws: bool,
    /// A configuration file, .toml or .json; flags override its members, but not those of a list of issuers
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The token, or - to read one per line from standard input
    // Several are taken here and refused later: the parser's own message would repeat the second token.
    #[arg(value_name = "TOKEN")]
    pub(crate) tokens: Vec<OsString>,
}

/// Who issues: at most one of these, each for an issuer, its keys and its rules.
#[derive(Args)]
#[group(multiple = false, conflicts_with_all = ["issuer", "any_issuer"])]
pub(crate) struct ProviderArgs {
    /// An issuer whose metadata names its keys (OpenID Connect Discovery): stands for --issuer and the keys
    #[arg(long, value_name = "ISSUER")]
    pub(crate) oidc_issuer: Option<String>,
    /// The domain of an Auth0 tenant: stands for --issuer, the keys, and --alg RS256 --alg PS256
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) auth0_domain: Option<String>,
    /// The domain of an Authok tenant: stands for --issuer, the keys, and --alg RS256
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) authok_domain: Option<String>,
    /// A tenant of Entra ID: its ID, several with commas, common, organizations or consumers; with --azure-client-id it
    /// stands for issuer, audience, keys and Entra's rules
    #[arg(long, value_name = "TENANT", requires = "azure_client_id")]
    pub(crate) azure_tenant: Option<String>,
    /// The host of a Clerk instance's Frontend API: stands for issuer, keys and the rules for session tokens, which have
    /// no audience
    #[arg(long, value_name = "HOST")]
    pub(crate) clerk_frontend_api: Option<String>,
}

/// What belongs to one of the providers.
#[derive(Args)]
pub(crate) struct OfProviderArgs {
    /// The Application (client) ID of the API in Entra ID: tokens for it, or for api:// and it, are accepted
    #[arg(long, value_name = "ID", requires = "azure_tenant",
        conflicts_with_all = ["oidc_issuer", "auth0_domain", "authok_domain", "clerk_frontend_api"])]
    pub(crate) azure_client_id: Option<String>,
    /// An origin that may ask Clerk for tokens (azp), such as https://app.example.com; repeat for several [default: any]
    #[arg(long, value_name = "ORIGIN", requires = "clerk_frontend_api",
        conflicts_with_all = ["oidc_issuer", "auth0_domain", "authok_domain", "azure_tenant"])]
    pub(crate) authorized_party: Vec<String>,
}

/// Where the keys come from: at most one of these.
#[derive(Args)]
#[group(multiple = false)]
pub(crate) struct KeyArgs {
    /// A JWK Set, or one public JWK
    #[arg(long, value_name = "FILE")]
    pub(crate) jwks: Option<PathBuf>,
    /// The URL of a JWK Set, https or on this machine
    #[arg(long, value_name = "URL")]
    pub(crate) jwks_url: Option<String>,
    /// A public key or certificate, PEM or DER
    #[arg(long, value_name = "FILE")]
    pub(crate) public_key: Option<PathBuf>,
    /// A shared secret for HS256, HS384 and HS512: the file's bytes, an oct JWK, or a JWK Set of such
    #[arg(long, value_name = "FILE")]
    pub(crate) secret: Option<PathBuf>,
}

impl KeyArgs {
    pub(crate) fn is_given(&self) -> bool {
        self.jwks.is_some() || self.jwks_url.is_some() || self.public_key.is_some() || self.secret.is_some()
    }
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    name.parse().map_err(|error: portcullis::jose::UnknownAlgorithm| error.to_string())
}

fn leeway(text: &str) -> Result<u64, &'static str> {
    text.parse().map_err(|_| "not a whole number; write 0 to 600")
}

fn date(text: &str) -> Result<i64, &'static str> {
    text.parse().map_err(|_| "not a date; write whole seconds since 1970-01-01T00:00:00Z, such as 1700000000")
}

/// The parser repeats what it does not understand, and a token in the wrong place is among that.
fn without_tokens(mut error: clap::Error) -> clap::Error {
    const REPEATED: [ContextKind; 3] =
        [ContextKind::InvalidArg, ContextKind::InvalidSubcommand, ContextKind::InvalidValue];
    for kind in REPEATED {
        if let Some(ContextValue::String(text)) = error.get(kind)
            && may_be_a_token(text)
        {
            error.insert(kind, ContextValue::String("(withheld)".to_owned()));
            // The tips are made of the same text.
            error.remove(ContextKind::Suggested);
        }
    }
    error
}

/// No flag, subcommand or sensible value is this long, or starts as the header of every token does.
fn may_be_a_token(text: &str) -> bool {
    text.len() > 60 || text.contains("eyJ")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_may_be_a_token_is_not_repeated() {
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
    }
}
