//! Verifies the tokens of machines with portcullis: of CI jobs, pods and cloud accounts, and the
//! signed headers of proxies.
//!
//! Each preset knows the issuer, the key location and the algorithms of its tokens, and the checks that they need beyond
//! issuer and audience. Most of these issuers give a token for any audience to every customer, so a preset has to be told
//! who may call: the repository, the project, the service account.
//!
//! ```
//! # fn main() -> Result<(), portcullis::ConfigError> {
//! use portcullis::Gate;
//! use portcullis_workload::GitHubActions;
//!
//! let gate = Gate::new(GitHubActions::new("https://api.example.com").repository(456789).verifier()?);
//! # Ok(()) }
//! ```
//!
//! Pass the gate to the extractors or the guard of `portcullis-axum` or `portcullis-actix`:
//!
//! ```
#![doc = include_str!("../docs/first_route_actix.rs")]
//! ```
//!
//! | preset | tokens | who may call | claims |
//! |---|---|---|---|
//! | [`GitHubActions`] | ID tokens of jobs | repositories or owners, by number | [`GitHubClaims`] |
//! | [`GitLab`] | ID tokens of jobs | projects or groups, by number | [`GitLabClaims`] |
//! | [`Bitbucket`] | OIDC tokens of steps | repositories of a workspace, by UUID | [`BitbucketClaims`] |
//! | [`Vercel`] | OIDC tokens of deployments | projects of a team, by ID | [`VercelClaims`] |
//! | [`Kubernetes`] | projected tokens of service accounts | service accounts or namespaces | [`KubernetesClaims`] |
//! | [`Spiffe`] | JWT-SVIDs | workloads of a trust domain | [`SpiffeClaims`] |
//! | [`AwsRole`] | tokens of outbound identity federation | roles of an account | [`AwsClaims`] |
//! | [`EntraWorkload`] | access tokens of applications | applications of a tenant that have a role | those of `portcullis-azure` |
//! | [`GoogleServiceAccount`] | ID tokens of service accounts | service accounts, by number | [`GoogleClaims`] |
//!
//! A proxy in front of the service can sign a header for each request, so that the service need not trust the network. These
//! presets make a gate that reads only that header:
//!
//! | preset | header field | who may call | claims |
//! |---|---|---|---|
//! | [`CloudflareAccess`] | `Cf-Access-Jwt-Assertion` | users and service tokens of an application | [`CloudflareClaims`] |
//! | [`GoogleIap`] | `X-Goog-IAP-JWT-Assertion` | users of a back end | [`IapClaims`] |
//! | [`AwsAlb`] | `X-Amzn-Oidc-Data` | users that a load balancer authenticated | [`AlbClaims`] |
//!
//! The page of each preset has a first route, and says what to configure there, what a token looks like, which trap others
//! fell into, and what happens to each kind of token. Each preset reads its settings from variables, too (`from_env`).
//!
//! The tokens have no scopes. A policy for routes is a check of typed claims, or one gate for each kind of caller. To accept
//! machines and users with one gate, put both verifiers into `portcullis::verifier::ByIssuer`:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use portcullis::Gate;
//! use portcullis::verifier::ByIssuer;
//! use portcullis_testing::TestIssuer;
//! use portcullis_workload::{GitHubActions, GitHubClaims, GitLab};
//!
//! const API: &str = "https://api.example.com";
//! # let (github, gitlab) = (TestIssuer::github_actions(API), TestIssuer::gitlab("https://gitlab.com", API));
//! let both = ByIssuer::new([
//!     GitHubActions::new(API).repository(456789).keys(github.keys()).verifier()?,
//!     GitLab::new("https://gitlab.com", API).project(22).keys(gitlab.keys()).verifier()?,
//! ])?;
//! let gate = Gate::new(both);
//! let job = gate.verify(&github.token().sign()).await?;
//! assert_eq!(job.claims::<GitHubClaims>()?.repository_id, "456789");
//! assert!(gate.verify(&gitlab.token().sign()).await.is_ok());
//! # Ok(()) }
//! ```
//!
//! # Features
//!
//! - `jsonwebtoken` (default): enables the feature of the same name in portcullis.
//! - `remote` (default): fetches the keys. Without it, this crate never touches the network: pass the keys to
//!   [`Preset::keys`].
//!
//! Design notes: [Presets](https://docs.rs/portcullis/latest/portcullis/_docs/presets/).

#![cfg_attr(docsrs, feature(doc_cfg))]

mod alb;
mod aws;
mod bitbucket;
mod checks;
mod cloudflare;
mod entra;
mod environment;
mod explain;
mod github;
mod gitlab;
mod google;
mod iap;
#[cfg(feature = "remote")]
mod key_set_file;
mod kubernetes;
mod preset;
mod spiffe;
mod vercel;

pub use alb::{AlbClaims, AwsAlb};
pub use aws::{AwsClaims, AwsDetails, AwsRole};
pub use bitbucket::{Bitbucket, BitbucketClaims};
pub use cloudflare::{CloudflareAccess, CloudflareCaller, CloudflareClaims};
pub use entra::EntraWorkload;
pub use github::{GitHubActions, GitHubClaims};
pub use gitlab::{GitLab, GitLabClaims};
pub use google::{ComputeEngine, GoogleClaims, GoogleServiceAccount};
pub use iap::{GoogleIap, IapClaims};
pub use kubernetes::{Kubernetes, KubernetesClaims, KubernetesObject};
pub use preset::Preset;
pub use spiffe::{Spiffe, SpiffeClaims};
pub use vercel::{Vercel, VercelClaims};

/// Compiles the examples of `README.md`.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
