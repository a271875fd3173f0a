//! What to write or do about a request that failed.

use portcullis::keys::KeyRequest;
use url::Url;

use crate::doctor::configuration::Names;

/// Returns what to do about a request for metadata or keys that reached the server, or failed for another reason than the way to
/// it.
pub(super) fn of_answer(request: &KeyRequest, error: &str, names: &Names, names_key_set: bool) -> String {
    let is_metadata = request.document == "metadata";
    let field = if names_key_set { &names.jwks_url } else { &names.issuer };
    if error.contains("expected issuer") {
        return of_wrong_issuer(error, &names.issuer);
    }
    if let Some((_, location)) = error.split_once("a redirect to ") {
        let location = location.split(',').next().unwrap_or_default();
        return format!("write the final URL: {field}={location}");
    }
    match request.status {
        None if error.contains("the file with the bearer token") => "write the token into that file".to_owned(),
        None => format!(
            "the server takes connections, but gives no answer: check that port {} is right, and look at the log of the server and at what \
             is between",
            Url::parse(&request.url).ok().and_then(|url| url.port_or_known_default()).unwrap_or_default()
        ),
        Some(407) => format!("write the user and the password of the proxy into its URL ({})", names.proxy),
        Some(404 | 410) if is_metadata => format!(
            "check {field} for a typing error: its metadata is not at this URL; if the issuer has none, write the URL of its key set \
             ({})",
            names.jwks_url
        ),
        Some(404 | 410) if names_key_set => of_wrong_key_set(field),
        Some(401 | 403) => "send a credential: request_headers_file (PORTCULLIS_REQUEST_HEADERS_FILE)".to_owned(),
        Some(429) => "wait, and look for other services that ask as often".to_owned(),
        Some(500..) => {
            "the issuer has a fault: try again later; a service with cached keys goes on for 24 hours".to_owned()
        }
        _ if is_metadata => format!("write the issuer ({field}) whose metadata is at this URL, without /.well-known/"),
        _ if names_key_set => of_wrong_key_set(field),
        _ => "the issuer's metadata names a key set that cannot be used: ask its operator, or write another URL \
              (PORTCULLIS_JWKS_URL)"
            .to_owned(),
    }
}

fn of_wrong_key_set(field: &str) -> String {
    format!(
        "write the jwks_uri of the issuer's metadata to {field} (often <issuer>/.well-known/jwks.json), or leave {field} out, so that the \
         metadata is read"
    )
}

fn of_wrong_issuer(error: &str, field: &str) -> String {
    let got = error.split("got ").nth(1).and_then(|rest| rest.split('"').nth(1)).unwrap_or_default();
    if got.contains("{tenantid}") || got.contains("%7Btenantid%7D") {
        return format!(
            "common and organizations are no issuers: write the ID of your tenant instead, in {field} or better in AZURE_TENANT_ID with \
             AZURE_CLIENT_ID, which also take several IDs with commas"
        );
    }
    if error.contains("slash at the end") {
        return format!("write {field}={got} (the slash at the end is a part of the name)");
    }
    format!(
        "write {field}={got} if that is your issuer; if the service reaches it under another name, write that to \
         PORTCULLIS_INTERNAL_ISSUER_URL"
    )
}

/// Returns what to do about a host whose name is not found.
pub(super) fn of_name(url: &Url, field: &str) -> String {
    format!(
        "check {field} for a typing error in {}, and that this machine can resolve names (in a container: its DNS)",
        url.host_str().unwrap_or_default()
    )
}

/// Returns what to do about an address that does not answer.
pub(super) fn of_address(url: &Url, names: &Names) -> String {
    format!(
        "check that port {} is right, and that no firewall is between; if there is a proxy, write {}",
        url.port_or_known_default().unwrap_or_default(),
        names.proxy
    )
}
