//! The machines and proxies whose tokens flags name. Each sets issuer, keys and rules.

use std::sync::Arc;

use portcullis::verifier::JwtVerifierBuilder;
use portcullis::{ConfigError, KeyProvider};
use portcullis_workload::{GitHubActions, GitLab, Kubernetes};

use crate::args::CheckArgs;
use crate::provider::{NO_AUDIENCE, with};

/// The issuer of machines' tokens that a flag names.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Machine<'a> {
    GitHub { repository: u64, host: Option<&'a str> },
    GitLab { project: u64, instance: &'a str },
    Kubernetes { issuer: &'a str, service_accounts: &'a [(String, String)] },
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
        github().or_else(gitlab).or_else(kubernetes)
    }

    /// Returns the flag that names it.
    pub(crate) fn flag(self) -> &'static str {
        match self {
            Self::GitHub { .. } => "--github-repository",
            Self::GitLab { .. } => "--gitlab-project",
            Self::Kubernetes { .. } => "--kubernetes-issuer",
        }
    }

    /// Returns the flag that sets `field` of the preset.
    pub(crate) fn flag_of(self, field: &str) -> Option<&'static str> {
        match (self, field) {
            (Self::GitHub { .. }, "host") => Some("--github-host"),
            (Self::GitLab { .. }, "instance") => Some("--gitlab-instance"),
            (Self::Kubernetes { .. }, "issuer") => Some(self.flag()),
            (Self::Kubernetes { .. }, "service_account") => Some("--service-account"),
            _ => None,
        }
    }

    /// Whether it has its own audience rule, so that no audience has to be named.
    pub(crate) fn has_an_audience_rule(self) -> bool {
        match self {
            Self::GitHub { .. } | Self::GitLab { .. } | Self::Kubernetes { .. } => false,
        }
    }

    /// Returns the builder of its preset, with `keys` instead of the preset's keys if they are given.
    ///
    /// # Errors
    /// [`ConfigError`], whose field [`Self::flag_of`] understands.
    pub(crate) fn builder(self, keys: Option<Arc<dyn KeyProvider>>) -> Result<JwtVerifierBuilder, ConfigError> {
        match self {
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
