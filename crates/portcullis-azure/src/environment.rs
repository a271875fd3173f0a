//! Reads the preset from environment variables.

use portcullis::ConfigError;
use portcullis::config::variables;

use crate::cloud::{Cloud, parse_authority};
use crate::guid;
use crate::preset::{Azure, CLIENT_HINT};

const TENANT: &str = "AZURE_TENANT_ID";
const CLIENT: &str = "AZURE_CLIENT_ID";
const AUTHORITY: &str = "AZURE_AUTHORITY_HOST";

impl Azure {
    /// Reads the settings from environment variables.
    ///
    /// - `AZURE_TENANT_ID`: see [`Self::from_tenant`].
    /// - `AZURE_CLIENT_ID`: the Application (client) ID of the API.
    /// - `AZURE_AUTHORITY_HOST` (optional): a cloud or another host, for example `https://login.microsoftonline.us`. The
    ///   Azure SDKs read this variable, too.
    ///
    /// # Errors
    /// [`ConfigError`] names the variable and says what to write.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variables(variables::environment)
    }

    /// Reads the same variables as [`Self::from_env`] through `lookup`.
    ///
    /// # Errors
    /// [`ConfigError`] names the variable and says what to write.
    pub fn from_variables(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let read = |name| Ok(variables::given(&lookup, name)?.map(|text| text.trim().to_owned()));
        let tenant = read(TENANT).and_then(|tenant| {
            tenant.ok_or_else(|| {
                ConfigError::new(
                    TENANT,
                    "not set",
                    "write the Directory (tenant) ID, or several separated by commas, common, organizations or consumers",
                )
            })
        });
        let client_id = read(CLIENT).and_then(|client_id| {
            let client_id = client_id.ok_or_else(|| ConfigError::new(CLIENT, "not set", CLIENT_HINT))?;
            guid::parse(CLIENT, &client_id, "write the API's Application (client) ID, a GUID").map(|_| client_id)
        });
        let (tenant, client_id) = ConfigError::both(tenant, client_id)?;
        let azure = Self::from_tenant(&tenant, client_id).map_err(|error| error.with_field(TENANT))?;
        let Some(authority) = read(AUTHORITY)? else { return Ok(azure) };
        let base = parse_authority(&authority).map_err(|error| error.with_field(AUTHORITY))?;
        let host = base.trim_start_matches("https://").trim_end_matches('/');
        Ok(match Cloud::of_authority_host(host) {
            Some(cloud) => azure.cloud(cloud),
            None => azure.authority(authority),
        })
    }
}
