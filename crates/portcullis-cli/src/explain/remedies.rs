//! What to do about a token that is refused, one line for each cause.

use portcullis::verifier::{CheckOutcome, CheckReport};

use crate::explain::token::{Decoded, Form};

/// Returns what to do, in the order of the checks. Without `reports`, only about the form and the kind of the token.
pub(super) fn of(decoded: &Decoded, reports: Option<&[CheckReport]>) -> Vec<String> {
    let (form, kind) = (decoded.form, decoded.kind());
    let Some(reports) = reports else { return of_form(form, kind).into_iter().collect() };
    let failed: Vec<_> = reports.iter().filter(|report| matches!(report.outcome, CheckOutcome::Failed(_))).collect();
    if failed.is_empty() {
        return Vec::new();
    }
    let mut remedies: Vec<String> = of_form(form, kind).into_iter().collect();
    let is_wrong_kind = !remedies.is_empty();
    let has_failed = |name: &str| failed.iter().any(|report| report.check == name);
    for report in &failed {
        // Another kind of token has another audience and other claims as well. Another issuer has other keys.
        let follows = (is_wrong_kind && !matches!(report.check.as_str(), "exp" | "nbf" | "iat" | "iss" | "tid"))
            || (has_failed("iss") && matches!(report.check.as_str(), "key" | "signature"));
        if !follows {
            remedies.extend(of_check(report, decoded.provider()));
        }
    }
    remedies
}

fn of_form(form: Form, kind: &str) -> Option<String> {
    let remedy = match (form, kind) {
        (_, "refresh") => "a refresh token is for the identity provider only: have the client send the access token",
        (Form::Opaque, _) => {
            "have the client ask for a token for your API, so that it is a JWT (Auth0 and Authok: the parameter audience; Entra: a scope \
             of the API; Okta: a custom authorization server; Zitadel: the token type JWT), or accept opaque tokens by introspection \
             (PORTCULLIS_INTROSPECTION_URL)"
        }
        (Form::Jwe, _) => {
            "have the identity provider issue signed tokens instead of encrypted ones: switch encryption off for this API (Auth0: it also \
             encrypts refresh tokens and tokens without an audience)"
        }
        (_, "id") => {
            "an ID token is for the client that signed the user in: have the client send the access token, and ask for it with the \
             audience or a scope of your API"
        }
        (_, "event") => "a logout or event token gives no access: have the client send the access token",
        (_, "proof") => "a proof belongs into the field DPoP: have the client send the access token in Authorization",
        _ => return None,
    };
    Some(remedy.to_owned())
}

fn of_check(report: &CheckReport, provider: Option<&'static str>) -> Option<String> {
    let (expected, actual) = (&report.expected, &report.unverified_actual);
    let remedy = match report.check.as_str() {
        "size" => "raise max_token_bytes (PORTCULLIS_MAX_TOKEN_BYTES), or have the identity provider leave groups out".to_owned(),
        "form" => "send one token, of three parts".to_owned(),
        "header" => "send the token as the identity provider issued it: its header cannot be read, or needs an extension".to_owned(),
        "typ" => format!("send a token of the type {expected}, or write --typ (PORTCULLIS_TYP) for the type {actual}"),
        "alg" if actual.contains("HS") => format!(
            "have the identity provider sign with one of {expected}; a token with {actual} needs the shared secret (--secret, \
             PORTCULLIS_SECRET_FILE), not a public key"
        ),
        "alg" => format!("have the identity provider sign with one of {expected}, or allow {actual} by --alg (PORTCULLIS_ALGORITHMS)"),
        "key" => format!(
            "no key set that is configured has the key ({actual}): check that the token and the keys are of the same issuer; portcullis \
             keys lists the keys, and portcullis doctor fetches them"
        ),
        "signature" => "the token was changed after it was signed, or is of another issuer with the same key name: send it as it was \
                        issued, and check the source of keys"
            .to_owned(),
        "payload" => "a claim has a type that RFC 7519 does not allow; for numbers in sub or jti, set accept_integer_ids".to_owned(),
        "iss" if differs_by_a_slash(expected, actual) => {
            format!("the slash at the end differs: write the issuer as the token has it, {actual}")
        }
        "iss" | "tid" if tenant(report, provider) => format!(
            "the token is of another tenant ({actual}): sign in to the configured tenant ({expected}), or accept the token's tenant \
             (AZURE_TENANT_ID lists tenants with commas)"
        ),
        "iss" => format!(
            "the token is of the issuer {actual}: if that is yours, configure it (--issuer, PORTCULLIS_ISSUER); otherwise have the client \
             sign in at {expected}"
        ),
        "aud" | "client_id" => format!(
            "the token is for {actual}: have the client ask for a token for {expected} (the parameter audience or resource, or a scope of \
             the API), or configure the token's audience if it is this API (--audience, PORTCULLIS_AUDIENCE)"
        ),
        "exp" if actual == "absent" => "have the identity provider issue tokens that expire".to_owned(),
        "exp" => "have the client get a new token; if this one is new, the clock of this machine is ahead: synchronize it (NTP)".to_owned(),
        "nbf" | "iat" => format!(
            "{} lies in the future: the clock of this machine is behind that of the issuer, so synchronize it (NTP); until then, \
             --leeway (PORTCULLIS_LEEWAY_SECONDS) allows up to 600 seconds",
            report.check
        ),
        "azp" => format!("have one of the accepted clients ask for the token ({expected}), or accept {actual}"),
        "cnf" => "the token is bound to a key: send it with a proof to a service that checks proofs (PORTCULLIS_DPOP), or have the \
                  client ask for a bearer token"
            .to_owned(),
        check => format!("{check}: expected {expected}, the token has {actual}"),
    };
    Some(remedy)
}

fn differs_by_a_slash(expected: &str, actual: &str) -> bool {
    let trimmed = |text: &str| text.trim_end_matches('"').trim_end_matches('/').to_owned();
    expected.split(" or ").any(|issuer| issuer != actual && trimmed(issuer) == trimmed(actual))
}

/// Whether the token is of another tenant of the same identity provider.
fn tenant(report: &CheckReport, provider: Option<&'static str>) -> bool {
    report.check == "tid"
        || (matches!(provider, Some("Entra v1" | "Entra v2")) && report.expected.contains("microsoftonline"))
        || (report.expected.starts_with("the issuer of ") && report.expected.contains("tenant"))
}
