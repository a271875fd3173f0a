//! Where tokens come from: the clouds, and addresses of one's own.

use portcullis::ConfigError;
use url::Url;

/// The clouds of Microsoft, which share nothing:
/// <https://learn.microsoft.com/en-us/entra/identity-platform/authentication-national-cloud>.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Cloud {
    /// Operated by 21Vianet in China: `login.partner.microsoftonline.cn`.
    China,
    /// The cloud of everybody else: `login.microsoftonline.com`.
    #[default]
    Public,
    /// Azure Government of the United States: `login.microsoftonline.us`.
    UsGovernment,
}

impl Cloud {
    /// What the issuers of version 2.0, and the addresses of the keys, begin with.
    pub(crate) fn login(self) -> &'static str {
        match self {
            Self::China => "https://login.partner.microsoftonline.cn/",
            Self::Public => "https://login.microsoftonline.com/",
            Self::UsGovernment => "https://login.microsoftonline.us/",
        }
    }

    /// What the issuers of version 1.0 begin with. Azure Government has no host of its own for them.
    pub(crate) fn sts(self) -> &'static str {
        match self {
            Self::China => "https://sts.chinacloudapi.cn/",
            Self::Public | Self::UsGovernment => "https://sts.windows.net/",
        }
    }

    /// The cloud that the Azure SDKs mean by this host.
    pub(crate) fn of_authority_host(host: &str) -> Option<Self> {
        match host {
            "login.chinacloudapi.cn" | "login.partner.microsoftonline.cn" => Some(Self::China),
            "login.microsoftonline.com" | "login.windows.net" | "login.microsoft.com" => Some(Self::Public),
            "login.microsoftonline.us" | "login.usgovcloudapi.net" => Some(Self::UsGovernment),
            _ => None,
        }
    }
}

/// `authority` as the beginning of an address: scheme, host and port, and a slash. Without a scheme it is https.
pub(crate) fn parse_authority(authority: &str) -> Result<Url, ConfigError> {
    let problem = |problem: &'static str| {
        ConfigError::new(
            "authority",
            problem,
            "write the host alone, such as https://login.contoso.com; plain http only reaches this machine",
        )
    };
    if authority.is_empty() {
        return Err(problem("empty"));
    }
    let with_scheme = if authority.contains("://") { authority.to_owned() } else { format!("https://{authority}") };
    let url = Url::parse(&with_scheme).map_err(|_| problem("not a host"))?;
    if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none_or(str::is_empty) {
        return Err(problem("not a host"));
    }
    if url.scheme() == "http" && !is_this_machine(&url) {
        return Err(problem("it is http, where https is required"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(problem("it has a path, a query or a fragment"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(problem("it has user information"));
    }
    Ok(url)
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_a_host_however_it_is_written() {
        for (authority, expected) in [
            ("login.contoso.com", "https://login.contoso.com/"),
            ("https://Login.Contoso.com/", "https://login.contoso.com/"),
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000/"),
            ("http://[::1]:3000", "http://[::1]:3000/"),
            ("http://localhost", "http://localhost/"),
        ] {
            assert_eq!(parse_authority(authority).map(String::from).as_deref(), Ok(expected), "{authority}");
        }
        for authority in [
            "",
            " ",
            "http://login.contoso.com",
            "http://127.0.0.1.example",
            "https://login.contoso.com/tenant",
            "https://login.contoso.com/?x",
            "https://login.contoso.com/#x",
            "https://user@login.contoso.com",
            "ftp://login.contoso.com",
            "https://",
        ] {
            let error = parse_authority(authority).unwrap_err();
            assert_eq!(error.field(), "authority", "{authority}");
            assert!(error.to_string().contains("https://login.contoso.com"), "{error}");
        }
    }

    #[test]
    fn hosts_of_the_azure_sdks_name_their_clouds() {
        assert_eq!(Cloud::of_authority_host("login.chinacloudapi.cn"), Some(Cloud::China));
        assert_eq!(Cloud::of_authority_host("login.microsoftonline.us"), Some(Cloud::UsGovernment));
        assert_eq!(Cloud::of_authority_host("login.microsoftonline.com"), Some(Cloud::Public));
        assert_eq!(Cloud::of_authority_host("login.contoso.com"), None);
    }
}
