//! The security schemes of a gate: how clients authenticate.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::credential::{PlaceInDocument, TokenSource};
use crate::gate::Gate;
use crate::web_url::split;

/// How clients authenticate at a gate: the `securitySchemes` among the components of an OpenAPI document.
///
/// There is one scheme for each place where the gate reads tokens. Their names begin with the realm of the gate
/// ([`Gate::with_realm`]), so that two gates of a service have different names:
///
/// | the gate reads | name | type |
/// |---|---|---|
/// | `Authorization` | `api` | OpenID Connect at the metadata of the verifier's issuer, or else `http` with `bearer` |
/// | another field, for example `X-API-Key` | `api-x-api-key` | `apiKey` in that field |
/// | a cookie, for example `session` | `api-cookie-session` | `apiKey` in that cookie |
///
/// OpenID Connect is chosen if the verifier has one issuer and it is a URL. If that issuer has no metadata, or the page with the
/// document needs other endpoints, say so with [`Self::with_bearer`], [`Self::with_openid_connect`] or
/// [`Self::with_authorization_code`].
///
/// ```
/// use portcullis::openapi::SecuritySchemes;
///
/// # let caller = portcullis::dangerous::assume_verified(&serde_json::json!({})).unwrap();
/// # let gate = portcullis::dangerous::admit_everyone_as(caller);
/// let schemes = SecuritySchemes::of(&gate)
///     .with_authorization_code("https://login.example/authorize", "https://login.example/token");
/// let components = schemes.components(&serde_json::json!({"paths": {}}));
/// assert_eq!(components["api"]["type"], "oauth2");
/// ```
#[derive(Clone, Debug)]
pub struct SecuritySchemes {
    list: Vec<(String, Value)>,
    /// The name of the scheme of `Authorization`.
    authorization: Option<String>,
}

impl SecuritySchemes {
    /// The schemes of `gate`.
    #[must_use]
    pub fn of(gate: &Gate) -> Self {
        let name = name_of(gate.realm());
        let list = schemes_of(gate);
        let authorization = list.iter().any(|(other, _)| *other == name).then_some(name);
        Self { list, authorization }
    }

    /// With bearer tokens in `Authorization`, wherever clients get them.
    #[must_use]
    pub fn with_bearer(self) -> Self {
        self.with_type(json!({"type": "http", "scheme": "bearer"}))
    }

    /// With OpenID Connect at another address of the metadata.
    #[must_use]
    pub fn with_openid_connect(self, discovery_url: &str) -> Self {
        self.with_type(json!({"type": "openIdConnect", "openIdConnectUrl": discovery_url}))
    }

    /// With the authorization code flow of OAuth 2.0 (RFC 6749 §4.1) at these endpoints. Its scopes are those that the operations
    /// of the document need.
    #[must_use]
    pub fn with_authorization_code(self, authorization_url: &str, token_url: &str) -> Self {
        self.with_flow(
            "authorizationCode",
            json!({"authorizationUrl": authorization_url, "tokenUrl": token_url, "scopes": {}}),
        )
    }

    /// With the client credentials flow of OAuth 2.0 (RFC 6749 §4.4) at this endpoint, for callers that are programs.
    #[must_use]
    pub fn with_client_credentials(self, token_url: &str) -> Self {
        self.with_flow("clientCredentials", json!({"tokenUrl": token_url, "scopes": {}}))
    }

    /// Returns the members of `components.securitySchemes`, for this document.
    #[must_use]
    pub fn components(&self, document: &Value) -> Map<String, Value> {
        let with_scopes = |(name, scheme): &(String, Value)| {
            let mut scheme = scheme.clone();
            if let Some(flows) = scheme.get_mut("flows").and_then(Value::as_object_mut) {
                let scopes: Value = scopes_of(document, name).into_iter().map(|scope| (scope, json!(""))).collect();
                flows.values_mut().filter_map(|flow| flow.get_mut("scopes")).for_each(|list| *list = scopes.clone());
            }
            (name.clone(), scheme)
        };
        self.list.iter().map(with_scopes).collect()
    }

    fn with_flow(self, name: &str, flow: Value) -> Self {
        let known = self.authorization_scheme().and_then(|scheme| scheme.get("flows")).cloned();
        let mut flows = known.unwrap_or_else(|| json!({}));
        if let Some(flows) = flows.as_object_mut() {
            flows.insert(name.to_owned(), flow);
        }
        self.with_type(json!({"type": "oauth2", "flows": flows}))
    }

    /// With another type of the scheme of `Authorization`. Its description stays.
    fn with_type(mut self, mut scheme: Value) -> Self {
        if let Some(description) = self.authorization_scheme().and_then(|scheme| scheme.get("description")).cloned()
            && let Some(members) = scheme.as_object_mut()
        {
            members.insert("description".to_owned(), description);
        }
        for (name, known) in &mut self.list {
            if Some(&*name) == self.authorization.as_ref() {
                known.clone_from(&scheme);
            }
        }
        self
    }

    fn authorization_scheme(&self) -> Option<&Value> {
        let (_, scheme) = self.list.iter().find(|(name, _)| Some(name) == self.authorization.as_ref())?;
        Some(scheme)
    }
}

/// The names of the schemes of a gate, and what a document says about each. There is always one.
pub(super) fn schemes_of(gate: &Gate) -> Vec<(String, Value)> {
    let mut list: Vec<(String, Value)> = Vec::new();
    for place in gate.sources().iter().flat_map(TokenSource::places_in_document) {
        let (name, scheme) = scheme(gate, &place);
        if list.iter().all(|(other, _)| *other != name) {
            list.push((name, scheme));
        }
    }
    if list.is_empty() {
        list.push(scheme(gate, &PlaceInDocument::Authorization));
    }
    list
}

/// Whether the gate checks DPoP proofs, and then whether every token needs one.
pub(super) fn uses_proofs(gate: &Gate) -> Option<bool> {
    let possession = gate.possession()?;
    possession.proof_algorithms().map(|_| possession.needs_dpop())
}

fn scheme(gate: &Gate, place: &PlaceInDocument<'_>) -> (String, Value) {
    let realm = gate.realm();
    let key = |place: &str, name: &str, description: &str| json!({"type": "apiKey", "in": place, "name": name, "description": description});
    match place {
        PlaceInDocument::Authorization => (name_of(realm), authorization(gate)),
        PlaceInDocument::Cookie(name) => {
            (name_of(&format!("{realm}-cookie-{name}")), key("cookie", name, "The token, in a cookie"))
        }
        PlaceInDocument::Custom(name) => (
            name_of(&format!("{realm}-{name}")),
            key("header", name, "The token, in a place that a function of the service reads"),
        ),
        PlaceInDocument::Field(name) => {
            (name_of(&format!("{realm}-{name}")), key("header", name, "The token or key, without a scheme before it"))
        }
        PlaceInDocument::FieldWithScheme(name) => {
            (name_of(&format!("{realm}-{name}")), key("header", name, "`Bearer`, a space, and the token"))
        }
        PlaceInDocument::Query(name) => (
            name_of(&format!("{realm}-query-{name}")),
            key("query", name, "The token, in the URL, which logs and histories keep"),
        ),
        PlaceInDocument::WebSocketProtocol => (
            name_of(&format!("{realm}-websocket")),
            key("header", "Sec-WebSocket-Protocol", "For WebSockets of browsers: `bearer, ` and the token"),
        ),
    }
}

fn authorization(gate: &Gate) -> Value {
    let issuers = gate.issuers();
    let mut scheme = match issuers.as_slice() {
        [issuer] if split(issuer).is_some() => {
            let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
            json!({"type": "openIdConnect", "openIdConnectUrl": url})
        }
        // `Bearer` is not accepted, and OpenAPI has no name for the scheme `DPoP`.
        _ if uses_proofs(gate) == Some(true) => json!({"type": "apiKey", "in": "header", "name": "Authorization"}),
        _ => json!({"type": "http", "scheme": "bearer"}),
    };
    let algorithms = gate.possession().and_then(|possession| possession.proof_algorithms());
    let mut sentences = Vec::new();
    if let (Some(is_required), Some(algorithms)) = (uses_proofs(gate), algorithms) {
        let which = if is_required { "Each token must be" } else { "A token may be" };
        sentences.push(format!(
            "{which} bound to a key of the client (DPoP, RFC 9449): `Authorization: DPoP` and the token, with a proof in the \
             field `DPoP`, signed with one of {algorithms}."
        ));
    }
    if gate.possession().is_some_and(|possession| possession.has_certificates()) {
        sentences.push("A token may be bound to a client certificate (RFC 8705).".to_owned());
    }
    if let (false, Some(members)) = (sentences.is_empty(), scheme.as_object_mut()) {
        members.insert("description".to_owned(), sentences.join(" ").into());
    }
    scheme
}

/// A name that a component may have.
fn name_of(text: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name: String = text.chars().map(allowed).collect();
    if name.is_empty() { "gate".to_owned() } else { name }
}

/// The scopes that the operations of `document` need with the scheme `name`.
fn scopes_of(document: &Value, name: &str) -> BTreeSet<String> {
    let items = document.get("paths").and_then(Value::as_object).into_iter().flat_map(Map::values);
    let operations = items.filter_map(Value::as_object).flat_map(Map::values);
    let requirements = operations.filter_map(|operation| operation.get("security")?.as_array()).flatten();
    let scopes = requirements.filter_map(|requirement| requirement.get(name)?.as_array()).flatten();
    scopes.filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dangerous::{admit_everyone_as, assume_verified};
    use crate::keys::FixedKeys;
    use crate::possession::Dpop;
    use crate::verifier::{JwtVerifier, Verifier};

    fn gate(issuer: &str) -> Gate {
        let keys = FixedKeys::secret(&[7; 32]).unwrap();
        Gate::new(JwtVerifier::builder(issuer, "api", keys).build().unwrap())
    }

    fn components(schemes: &SecuritySchemes) -> Value {
        let operation = json!({"security": [{"api": ["b", "a"]}, {"other": ["c"]}, {}]});
        Value::Object(schemes.components(&json!({"paths": {"/x": {"get": operation, "summary": "x"}}})))
    }

    #[test]
    fn issuer_decides_about_the_type() {
        let of = |gate: &Gate| components(&SecuritySchemes::of(gate));
        let openid = |url| json!({"api": {"type": "openIdConnect", "openIdConnectUrl": url}});
        let bearer = json!({"api": {"type": "http", "scheme": "bearer"}});
        let path = "/.well-known/openid-configuration";
        assert_eq!(of(&gate("https://issuer.example/")), openid(format!("https://issuer.example{path}")));
        assert_eq!(of(&gate("http://127.0.0.1:9/realm")), openid(format!("http://127.0.0.1:9/realm{path}")));
        assert_eq!(of(&gate("my-service")), bearer);
        assert_eq!(of(&gate("http://issuer.example")), bearer);
        assert_eq!(of(&admit_everyone_as(assume_verified(&json!({})).unwrap())), bearer);
        assert_eq!(components(&SecuritySchemes::of(&gate("https://issuer.example")).with_bearer()), bearer);
    }

    #[test]
    fn flows_have_the_scopes_of_the_operations() {
        let schemes = SecuritySchemes::of(&gate("https://issuer.example"))
            .with_authorization_code("https://login.example/authorize", "https://login.example/token")
            .with_client_credentials("https://login.example/token");
        let scopes = json!({"a": "", "b": ""});
        let code = json!({
            "authorizationUrl": "https://login.example/authorize", "tokenUrl": "https://login.example/token", "scopes": scopes,
        });
        let credentials = json!({"tokenUrl": "https://login.example/token", "scopes": scopes});
        let flows = json!({"authorizationCode": code, "clientCredentials": credentials});
        assert_eq!(components(&schemes), json!({"api": {"type": "oauth2", "flows": flows}}));
    }

    #[test]
    fn other_places_are_keys() {
        let gate = gate("https://issuer.example").with_token_sources([
            TokenSource::header("X-API-Key"),
            TokenSource::cookie("session"),
            TokenSource::header_with_scheme("X-Forwarded-Authorization"),
            TokenSource::websocket_protocol(),
        ]);
        let components = components(&SecuritySchemes::of(&gate).with_bearer());
        let place = |name: &str| json!([components[name]["type"], components[name]["in"], components[name]["name"]]);
        assert_eq!(components.as_object().unwrap().len(), 4);
        assert_eq!(place("api-x-api-key"), json!(["apiKey", "header", "x-api-key"]));
        assert_eq!(place("api-cookie-session"), json!(["apiKey", "cookie", "session"]));
        assert_eq!(place("api-x-forwarded-authorization"), json!(["apiKey", "header", "x-forwarded-authorization"]));
        assert_eq!(place("api-websocket"), json!(["apiKey", "header", "Sec-WebSocket-Protocol"]));
    }

    #[test]
    fn proofs_are_described_on_the_scheme() {
        let with_dpop = |issuer, dpop| {
            let gate = gate(issuer).with_public_url("https://api.test").unwrap().with_dpop(dpop).unwrap();
            assert_eq!(gate.issuers(), [issuer]);
            components(&SecuritySchemes::of(&gate))["api"].clone()
        };
        let required = with_dpop("https://issuer.example", Dpop::required());
        assert_eq!(required["type"], "openIdConnect");
        assert!(required["description"].as_str().unwrap().starts_with("Each token must be bound"), "{required}");
        let accepted = with_dpop("my-service", Dpop::accepted());
        assert_eq!(accepted["scheme"], "bearer");
        assert!(accepted["description"].as_str().unwrap().starts_with("A token may be bound"), "{accepted}");
        assert_eq!(with_dpop("my-service", Dpop::required())["name"], "Authorization");
        let verifier: &dyn Verifier =
            &JwtVerifier::builder("i", "a", FixedKeys::secret(&[7; 32]).unwrap()).build().unwrap();
        assert_eq!(verifier.issuers(), ["i"]);
    }
}
