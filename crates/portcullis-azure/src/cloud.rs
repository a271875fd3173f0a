//! Where tokens come from: the clouds, and addresses of one's own.

use portcullis::ConfigError;
use portcullis::config::values;

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
pub(crate) fn parse_authority(authority: &str) -> Result<String, ConfigError> {
    values::origin("authority", authority, "https://login.contoso.com").map(|origin| format!("{origin}/"))
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
    fn hosts_of_the_azure_sdks_name_their_clouds() {
        assert_eq!(Cloud::of_authority_host("login.chinacloudapi.cn"), Some(Cloud::China));
        assert_eq!(Cloud::of_authority_host("login.microsoftonline.us"), Some(Cloud::UsGovernment));
        assert_eq!(Cloud::of_authority_host("login.microsoftonline.com"), Some(Cloud::Public));
        assert_eq!(Cloud::of_authority_host("login.contoso.com"), None);
    }
}
