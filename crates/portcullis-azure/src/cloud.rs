//! Microsoft's clouds, and custom hosts.

use portcullis::ConfigError;
use portcullis::config::values;

/// A cloud of Microsoft. Each cloud has its own tenants, issuers and keys:
/// <https://learn.microsoft.com/en-us/entra/identity-platform/authentication-national-cloud>.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Cloud {
    /// The cloud in China, operated by 21Vianet: `login.partner.microsoftonline.cn`.
    China,
    /// The global cloud: `login.microsoftonline.com`.
    #[default]
    Public,
    /// The cloud of the US government: `login.microsoftonline.us`.
    UsGovernment,
}

impl Cloud {
    /// Returns the beginning of the key URLs and of the issuers of version 2.0.
    pub(crate) fn login(self) -> &'static str {
        match self {
            Self::China => "https://login.partner.microsoftonline.cn/",
            Self::Public => "https://login.microsoftonline.com/",
            Self::UsGovernment => "https://login.microsoftonline.us/",
        }
    }

    /// Returns the beginning of the issuers of version 1.0. The US government's cloud shares it with the global cloud.
    pub(crate) fn sts(self) -> &'static str {
        match self {
            Self::China => "https://sts.chinacloudapi.cn/",
            Self::Public | Self::UsGovernment => "https://sts.windows.net/",
        }
    }

    /// Returns the cloud that this host names in the Azure SDKs.
    pub(crate) fn of_authority_host(host: &str) -> Option<Self> {
        match host {
            "login.chinacloudapi.cn" | "login.partner.microsoftonline.cn" => Some(Self::China),
            "login.microsoftonline.com" | "login.windows.net" | "login.microsoft.com" => Some(Self::Public),
            "login.microsoftonline.us" | "login.usgovcloudapi.net" => Some(Self::UsGovernment),
            _ => None,
        }
    }
}

/// Reads a host with optional scheme and port. Returns the beginning of a URL, with a slash at its end. The default
/// scheme is https.
pub(crate) fn parse_authority(authority: &str) -> Result<String, ConfigError> {
    values::origin("authority", authority, "https://login.contoso.com").map(|origin| format!("{origin}/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authority_is_read_as_a_host() {
        for (authority, expected) in [
            ("login.contoso.com", "https://login.contoso.com/"),
            ("https://Login.Contoso.com/", "https://login.contoso.com/"),
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000/"),
            ("http://[::1]:3000", "http://[::1]:3000/"),
            ("http://localhost", "http://localhost/"),
        ] {
            assert_eq!(parse_authority(authority).as_deref(), Ok(expected), "{authority}");
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
    fn sdk_hosts_select_their_clouds() {
        assert_eq!(Cloud::of_authority_host("login.chinacloudapi.cn"), Some(Cloud::China));
        assert_eq!(Cloud::of_authority_host("login.microsoftonline.us"), Some(Cloud::UsGovernment));
        assert_eq!(Cloud::of_authority_host("login.microsoftonline.com"), Some(Cloud::Public));
        assert_eq!(Cloud::of_authority_host("login.contoso.com"), None);
    }
}
