//! The answers of servers, and the answers that the contract demands.

/// One answer. Its fields are sorted by name, and fields of one name keep their order. `connection` and `date` are left
/// out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Body,
}

#[derive(Clone, Eq, PartialEq)]
pub(crate) struct Body(Vec<u8>);

impl Answer {
    pub(crate) fn new(status: u16, mut fields: Vec<(String, String)>, body: Vec<u8>) -> Self {
        fields.retain(|(name, _)| name != "connection" && name != "date");
        fields.sort_by(|(one, _), (other, _)| one.cmp(other));
        Self { status, fields, body: Body(body) }
    }

    /// The answer of a handler.
    pub(crate) fn ok(text: &str) -> Self {
        Self::spelled_out(200, &[("content-type", "text/plain; charset=utf-8")], text)
    }

    /// Protected resource metadata.
    pub(crate) fn document(json: &str) -> Self {
        let fields = [("access-control-allow-origin", "*"), ("content-type", "application/json")];
        Self::spelled_out(200, &fields, json)
    }

    /// The guard's answer to a CORS preflight.
    pub(crate) fn preflight() -> Self {
        let vary = "origin, access-control-request-method, access-control-request-headers";
        Self::new(204, vec![("vary".to_owned(), vary.to_owned())], Vec::new())
    }

    /// A path without a resource.
    pub(crate) fn not_found() -> Self {
        Self::spelled_out(404, &[], "")
    }

    /// No credential, or another scheme.
    pub(crate) fn missing_token() -> Self {
        Self::refused(
            401,
            Some(r#"Bearer realm="api""#),
            r#"{"error":"missing_token","error_description":"This resource requires a bearer token"}"#,
        )
    }

    /// An Authorization field that is not `Bearer` 1*SP b64token.
    pub(crate) fn malformed_authorization() -> Self {
        Self::invalid_request("The Authorization field is not of the form Bearer token")
    }

    /// A header or cookie of the gate that does not hold a b64token.
    pub(crate) fn malformed_token() -> Self {
        Self::invalid_request("The header or cookie for the token does not hold one")
    }

    /// Two fields, or two cookies.
    pub(crate) fn repeated() -> Self {
        Self::invalid_request("The request presents more than one credential")
    }

    /// Any bad token.
    pub(crate) fn invalid_token(reason: &str) -> Self {
        let sentence = sentence(reason);
        Self::refused(
            401,
            Some(&format!(r#"Bearer realm="api", error="invalid_token", error_description="{sentence}""#)),
            &format!(r#"{{"error":"invalid_token","error_description":"{sentence}","reason":"{reason}"}}"#),
        )
    }

    /// A caller without the grants of a policy that names these scopes.
    pub(crate) fn insufficient_scope(scope: &str) -> Self {
        Self::refused(
            403,
            Some(&format!(
                r#"Bearer realm="api", error="insufficient_scope", error_description="The access token does not grant what this resource requires", scope="{scope}""#
            )),
            &format!(
                r#"{{"error":"insufficient_scope","error_description":"The access token does not grant what this resource requires","scope":"{scope}"}}"#
            ),
        )
    }

    /// A caller without the grants of a policy that names no scope.
    pub(crate) fn insufficient() -> Self {
        Self::refused(
            403,
            Some(
                r#"Bearer realm="api", error="insufficient_scope", error_description="The access token does not grant what this resource requires""#,
            ),
            r#"{"error":"insufficient_scope","error_description":"The access token does not grant what this resource requires"}"#,
        )
    }

    /// An unsafe request by cookie that may come from another site.
    pub(crate) fn cross_site() -> Self {
        let body =
            r#"{"error":"cross_site_request","error_description":"The request does not come from an allowed origin"}"#;
        Self::refused(403, None, body)
    }

    /// Keys that are unavailable.
    pub(crate) fn unavailable(retry_after: &str) -> Self {
        Self::refused(
            503,
            None,
            r#"{"error":"temporarily_unavailable","error_description":"The access token cannot be verified at the moment"}"#,
        )
        .with_field("retry-after", retry_after)
    }

    /// The server forgot its gate.
    pub(crate) fn server_error() -> Self {
        Self::refused(
            500,
            None,
            r#"{"error":"server_error","error_description":"The service is not configured to authenticate requests"}"#,
        )
    }

    /// A refusal of any kind: JSON that must not be stored.
    pub(crate) fn refused(status: u16, challenge: Option<&str>, body: &str) -> Self {
        let answer =
            Self::spelled_out(status, &[("cache-control", "no-store"), ("content-type", "application/json")], body);
        match challenge {
            Some(challenge) => answer.with_field("www-authenticate", challenge),
            None => answer,
        }
    }

    /// With one more field, after those of the same name.
    pub(crate) fn with_field(self, name: &str, value: &str) -> Self {
        let Self { status, mut fields, body } = self;
        fields.push((name.to_owned(), value.to_owned()));
        Self::new(status, fields, body.0)
    }

    /// The answer to HEAD: all fields, no body.
    pub(crate) fn without_body(mut self) -> Self {
        self.body.0.clear();
        self
    }

    fn invalid_request(sentence: &str) -> Self {
        Self::refused(
            400,
            Some(&format!(r#"Bearer realm="api", error="invalid_request", error_description="{sentence}""#)),
            &format!(r#"{{"error":"invalid_request","error_description":"{sentence}"}}"#),
        )
    }

    pub(crate) fn spelled_out(status: u16, fields: &[(&str, &str)], body: &str) -> Self {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self::new(status, fields, body.into()).with_field("content-length", &body.len().to_string())
    }
}

impl std::ops::Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

/// The sentence for clients, from the list in the documentation of `Reason`: the promise that is compared with the bytes
/// on the wire.
fn sentence(reason: &str) -> &'static str {
    const REASONS: &str = include_str!("../../crates/portcullis/src/error/reasons.md");
    let row = format!("| `{reason}` | ");
    let of_row = |line: &'static str| line.strip_prefix(&row)?.strip_suffix(" |");
    REASONS.lines().find_map(of_row).expect(reason)
}
