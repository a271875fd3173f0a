//! The machines and proxies whose tokens flags name. Each sets issuer, keys and rules.

use std::sync::Arc;

use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{ConfigError, KeyProvider};
use portcullis_workload::{
    AwsAlb, AwsRole, Bitbucket, CloudflareAccess, EntraWorkload, GitHubActions, GitLab, GoogleIap,
    GoogleServiceAccount, Kubernetes, Spiffe, Vercel,
};

use crate::args::CheckArgs;
use crate::provider::{NO_AUDIENCE, with};

/// The issuer of machines' tokens that a flag names.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Machine<'a> {
    Alb { arn: &'a str, issuer: &'a str },
    Aws { issuer: &'a str, roles: &'a [String] },
    Bitbucket { workspace: &'a str },
    Cloudflare { team: &'a str },
    Entra { tenant: &'a str, client_id: &'a str },
    GitHub { repository: u64, host: Option<&'a str> },
    GitLab { project: u64, instance: &'a str },
    Google { account: &'a str },
    Iap,
    Kubernetes { issuer: &'a str, service_accounts: &'a [(String, String)] },
    Spiffe { trust_domain: &'a str },
    Vercel { slug: &'a str, team_id: &'a str },
}

impl<'a> Machine<'a> {
    /// Returns the issuer that a flag names.
    pub(crate) fn named(args: &'a CheckArgs) -> Option<Self> {
        let (provider, more) = (&args.provider, &args.of_provider);
        let github =
            || Some(Self::GitHub { repository: provider.github_repository?, host: more.github_host.as_deref() });
        let gitlab = || {
            let instance = more.gitlab_instance.as_deref().unwrap_or("https://gitlab.com");
            Some(Self::GitLab { project: provider.gitlab_project?, instance })
        };
        let kubernetes = || {
            let issuer = provider.kubernetes_issuer.as_deref()?;
            Some(Self::Kubernetes { issuer, service_accounts: &more.service_account })
        };
        let cloud = || Self::named_cloud(args);
        github().or_else(gitlab).or_else(kubernetes).or_else(cloud)
    }

    fn named_cloud(args: &'a CheckArgs) -> Option<Self> {
        let (provider, more) = (&args.provider, &args.of_provider);
        let alb = || Some(Self::Alb { arn: provider.alb_arn.as_deref()?, issuer: more.alb_issuer.as_deref()? });
        let aws = || Some(Self::Aws { issuer: provider.aws_issuer.as_deref()?, roles: &more.aws_role });
        let bitbucket = || Some(Self::Bitbucket { workspace: provider.bitbucket_workspace.as_deref()? });
        let cloudflare = || Some(Self::Cloudflare { team: provider.cloudflare_team_domain.as_deref()? });
        let entra = || {
            let client_id = more.entra_client_id.as_deref()?;
            Some(Self::Entra { tenant: provider.entra_workload_tenant.as_deref()?, client_id })
        };
        let google = || Some(Self::Google { account: provider.google_account.as_deref()? });
        let iap = || provider.google_iap.then_some(Self::Iap);
        let spiffe = || Some(Self::Spiffe { trust_domain: provider.spiffe_trust_domain.as_deref()? });
        let vercel =
            || Some(Self::Vercel { slug: provider.vercel_team.as_deref()?, team_id: more.vercel_team_id.as_deref()? });
        let first = alb().or_else(aws).or_else(bitbucket).or_else(cloudflare).or_else(entra);
        first.or_else(google).or_else(iap).or_else(spiffe).or_else(vercel)
    }

    /// Returns the flag that names it.
    pub(crate) fn flag(self) -> &'static str {
        match self {
            Self::Alb { .. } => "--alb-arn",
            Self::Aws { .. } => "--aws-issuer",
            Self::Bitbucket { .. } => "--bitbucket-workspace",
            Self::Cloudflare { .. } => "--cloudflare-team-domain",
            Self::Entra { .. } => "--entra-workload-tenant",
            Self::GitHub { .. } => "--github-repository",
            Self::GitLab { .. } => "--gitlab-project",
            Self::Google { .. } => "--google-account",
            Self::Iap => "--google-iap",
            Self::Kubernetes { .. } => "--kubernetes-issuer",
            Self::Spiffe { .. } => "--spiffe-trust-domain",
            Self::Vercel { .. } => "--vercel-team",
        }
    }

    /// Returns the flag that sets `field` of the preset.
    pub(crate) fn flag_of(self, field: &str) -> Option<&'static str> {
        match (self, field) {
            (Self::GitHub { .. }, "host") => Some("--github-host"),
            (Self::GitLab { .. }, "instance") => Some("--gitlab-instance"),
            (Self::Kubernetes { .. } | Self::Aws { .. }, "issuer")
            | (Self::Alb { .. }, "arn")
            | (Self::Bitbucket { .. }, "workspace")
            | (Self::Cloudflare { .. }, "team_domain")
            | (Self::Entra { .. }, "tenant")
            | (Self::Google { .. }, "account")
            | (Self::Spiffe { .. }, "trust_domain")
            | (Self::Vercel { .. }, "team") => Some(self.flag()),
            (Self::Alb { .. }, "issuer") => Some("--alb-issuer"),
            (Self::Aws { .. }, "role") => Some("--aws-role"),
            (Self::Entra { .. }, "client_id") => Some("--entra-client-id"),
            (Self::Vercel { .. }, "team_id") => Some("--vercel-team-id"),
            (Self::Kubernetes { .. }, "service_account") => Some("--service-account"),
            _ => None,
        }
    }

    /// Whether it has its own audience rule, so that no audience has to be named.
    pub(crate) fn has_an_audience_rule(self) -> bool {
        matches!(self, Self::Alb { .. } | Self::Entra { .. } | Self::Vercel { .. })
    }

    /// Returns the builder of its preset, with `keys` instead of the preset's keys if they are given.
    ///
    /// # Errors
    /// [`ConfigError`], whose field [`Self::flag_of`] understands.
    pub(crate) fn builder(self, keys: Option<Arc<dyn KeyProvider>>) -> Result<JwtVerifierBuilder, ConfigError> {
        match self {
            Self::Alb { arn, issuer } => with(AwsAlb::new(arn, issuer), keys, AwsAlb::keys).builder(),
            Self::Aws { issuer, roles } => {
                let aws = AwsRole::new(issuer, NO_AUDIENCE);
                let aws = match roles {
                    [] => aws.any_role(),
                    roles => roles.iter().fold(aws, AwsRole::role),
                };
                with(aws, keys, AwsRole::keys).builder()
            }
            Self::Bitbucket { workspace } => {
                with(Bitbucket::new(workspace, NO_AUDIENCE).any_repository(), keys, Bitbucket::keys).builder()
            }
            Self::Cloudflare { team } => {
                // The caller sets the audience. This one has the form of a tag.
                let access = CloudflareAccess::new(team, "0".repeat(64));
                with(access, keys, CloudflareAccess::keys).builder()
            }
            Self::Entra { tenant, client_id } => {
                with(EntraWorkload::new(tenant, client_id), keys, EntraWorkload::keys).builder()
            }
            Self::Google { account } => {
                let google = GoogleServiceAccount::new(NO_AUDIENCE).account(account);
                with(google, keys, GoogleServiceAccount::keys).builder()
            }
            Self::Iap => {
                // The caller sets the audience. This one has the form of a code.
                with(GoogleIap::new("/projects/0/apps/none"), keys, GoogleIap::keys).builder()
            }
            Self::Spiffe { trust_domain } => with(Spiffe::new(trust_domain, NO_AUDIENCE), keys, Spiffe::keys).builder(),
            Self::Vercel { slug, team_id } => with(Vercel::new(slug, team_id), keys, Vercel::keys).builder(),
            Self::GitHub { repository, host } => {
                let github = GitHubActions::new(NO_AUDIENCE).repository(repository);
                let github = match host {
                    Some(host) => github.enterprise_server(host),
                    None => github,
                };
                with(github, keys, GitHubActions::keys).builder()
            }
            Self::GitLab { project, instance } => {
                with(GitLab::new(instance, NO_AUDIENCE).project(project), keys, GitLab::keys).builder()
            }
            Self::Kubernetes { issuer, service_accounts } => {
                let cluster = Kubernetes::new(issuer, NO_AUDIENCE);
                let cluster = match service_accounts {
                    [] => cluster.any_service_account(),
                    accounts => {
                        accounts.iter().fold(cluster, |cluster, (space, name)| cluster.service_account(space, name))
                    }
                };
                with(cluster, keys, Kubernetes::keys).builder()
            }
        }
    }
}
