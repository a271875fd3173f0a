use axum::Router;
use portcullis::keys::RemoteKeys;
use portcullis_sessions::axum::{backchannel_logout, security_events};
use portcullis_sessions::{BackchannelLogout, DenyList, EventReceiver};

pub fn receivers(deny_list: &DenyList, keys: RemoteKeys) -> Result<Router, portcullis::ConfigError> {
    let issuer = "https://tenant.auth0.com/";
    let logout = BackchannelLogout::new(issuer, "client-id", keys.clone(), deny_list)?;
    let events = EventReceiver::builder(issuer, "https://api.example.com/events", keys, deny_list).build()?;
    Ok(backchannel_logout("/logout", &logout).merge(security_events("/events", &events)))
}
