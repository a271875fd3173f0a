//! What a token looks like: its kind, and the identity provider whose tokens have this shape. It is a guess for people, and
//! decides nothing.

use serde_json::{Map, Value};

use crate::explain::token::Form;

/// The guess about a token.
pub(super) struct Shape {
    pub(super) kind: &'static str,
    pub(super) provider: Option<&'static str>,
}

/// Guesses from the form, the text, the header and the claims of a token.
pub(super) fn of(form: Form, text: &str, header: &Map<String, Value>, claims: &Map<String, Value>) -> Shape {
    let marks = Marks { text, header, claims };
    match form {
        Form::Opaque => marks.opaque(),
        Form::Jwe => Shape { kind: "encrypted", provider: marks.of_issuer(marks.header("iss")) },
        Form::Jws => Shape { kind: "unknown", provider: None },
        Form::Jwt => {
            let provider = marks.provider();
            Shape { kind: marks.kind(provider), provider }
        }
    }
}

struct Marks<'a> {
    text: &'a str,
    header: &'a Map<String, Value>,
    claims: &'a Map<String, Value>,
}

/// How the opaque tokens of identity providers start, with their kind.
const PREFIXES: [(&str, &str, &str); 17] = [
    ("ya29.", "opaque", "Google"),
    ("1//", "refresh", "Google"),
    ("AMf-", "refresh", "Firebase"),
    ("ghp_", "opaque", "GitHub"),
    ("gho_", "opaque", "GitHub"),
    ("ghs_", "opaque", "GitHub"),
    ("ghu_", "opaque", "GitHub"),
    ("ghr_", "refresh", "GitHub"),
    ("github_pat_", "opaque", "GitHub"),
    ("glpat-", "opaque", "GitLab"),
    ("ak_", "opaque", "Clerk"),
    ("mt_", "opaque", "Clerk"),
    ("oat_", "opaque", "Clerk"),
    ("v1.M", "refresh", "Auth0"),
    ("0.A", "refresh", "Entra"),
    ("1.A", "refresh", "Entra"),
    ("sbp_", "opaque", "Supabase"),
];

impl Marks<'_> {
    fn opaque(&self) -> Shape {
        match PREFIXES.iter().find(|(prefix, _, _)| self.text.starts_with(prefix)) {
            Some((_, kind, provider)) => Shape { kind, provider: Some(provider) },
            None => Shape { kind: "opaque", provider: None },
        }
    }

    fn header(&self, name: &str) -> &str {
        self.header.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    fn text(&self, name: &str) -> &str {
        self.claims.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    fn has(&self, name: &str) -> bool {
        self.claims.get(name).is_some_and(|value| !value.is_null())
    }

    fn has_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.has(name))
    }

    fn provider(&self) -> Option<&'static str> {
        if self.header("signer").starts_with("arn:aws:elasticloadbalancing:") {
            return Some("AWS ALB");
        }
        if self.text("sub").starts_with("spiffe://") {
            return Some("SPIFFE");
        }
        self.of_issuer(self.text("iss")).or_else(|| self.of_claims())
    }

    /// Recognizes the issuers of identity providers with their own domains.
    fn of_issuer(&self, issuer: &str) -> Option<&'static str> {
        let host =
            issuer.split_once("://").map_or(issuer, |(_, rest)| rest).split(['/', ':']).next().unwrap_or_default();
        let below = |domain: &str| host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        let is_entra = ["login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn"];
        Some(match host {
            "token.actions.githubusercontent.com" => "GitHub Actions",
            "gitlab.com" => "GitLab",
            "accounts.google.com" => "Google",
            "cloud.google.com" => "Google IAP",
            "securetoken.google.com" | "session.firebase.google.com" => "Firebase",
            "sts.windows.net" | "sts.chinacloudapi.cn" => "Entra v1",
            "oidc.vercel.com" => "Vercel",
            "api.bitbucket.org" => "Bitbucket",
            "api.workos.com" => "WorkOS",
            "appleid.apple.com" => "Apple",
            host if is_entra.contains(&host) || below("ciamlogin.com") => "Entra v2",
            _ if below("b2clogin.com") => "Azure AD B2C",
            _ if below("auth0.com") => "Auth0",
            _ if below("authok.cn") => "Authok",
            _ if below("clerk.accounts.dev") => "Clerk",
            _ if below("okta.com") || below("oktapreview.com") || below("okta-emea.com") => "Okta",
            _ if below("supabase.co") => "Supabase",
            _ if below("zitadel.cloud") => "Zitadel",
            _ if below("logto.app") => "Logto",
            _ if below("kinde.com") => "Kinde",
            _ if below("cloudflareaccess.com") => "Cloudflare Access",
            _ if below("api.aws") => "AWS",
            _ if host.starts_with("cognito-idp.") || host.starts_with("issuer-cognito-idp.") => "Cognito",
            _ => return None,
        })
    }

    /// Recognizes the claims of identity providers that people run under any domain.
    fn of_claims(&self) -> Option<&'static str> {
        let issuer = self.text("iss");
        let kid = self.header("kid");
        Some(if self.has_any(&["job_workflow_ref", "runner_environment"]) {
            "GitHub Actions"
        } else if self.has_any(&["project_path", "pipeline_id"]) && self.has("namespace_path") {
            "GitLab"
        } else if self.has("kubernetes.io") || issuer == "kubernetes/serviceaccount" {
            "Kubernetes"
        } else if self.has("firebase") {
            "Firebase"
        } else if self.has("tid") && self.text("ver") == "1.0" {
            "Entra v1"
        } else if self.has("tid") && self.text("ver") == "2.0" {
            "Entra v2"
        } else if self.has("token_use") && self.has("cognito:username") {
            "Cognito"
        } else if kid.starts_with("ins_") || (self.has("sid") && self.has_any(&["sts", "fva"])) {
            "Clerk"
        } else if issuer.contains("/realms/") || self.has("realm_access") {
            "Keycloak"
        } else if issuer == "supabase" || (self.has("aal") && self.has("session_id") && self.has("role")) {
            "Supabase"
        } else if self.claims.keys().any(|name| name.starts_with("urn:zitadel:")) {
            "Zitadel"
        } else if self.has("cid") && issuer.contains("/oauth2/") {
            "Okta"
        } else if self.has("gty") || self.text("sub").starts_with("auth0|") || self.is_for_userinfo() {
            "Auth0"
        } else {
            return None;
        })
    }

    /// Whether the token is also for the user information of an Auth0 tenant.
    fn is_for_userinfo(&self) -> bool {
        let audiences = self.claims.get("aud").and_then(Value::as_array);
        let url = format!("{}userinfo", self.text("iss"));
        audiences.is_some_and(|all| all.len() > 1 && all.iter().any(|audience| audience.as_str() == Some(&url)))
    }

    fn kind(&self, provider: Option<&'static str>) -> &'static str {
        let typ = self.header("typ").to_ascii_lowercase();
        let typ = typ.strip_prefix("application/").unwrap_or(&typ);
        match typ {
            "at+jwt" => return "access",
            "dpop+jwt" | "oauth-client-attestation-pop+jwt" => return "proof",
            "logout+jwt" | "secevent+jwt" => return "event",
            _ if self.claims.get("events").is_some_and(Value::is_object) => return "event",
            _ => {}
        }
        match (self.text("token_use"), self.text("typ")) {
            ("access", _) | (_, "Bearer") => return "access",
            ("id", _) | (_, "ID") => return "id",
            ("refresh", _) | (_, "Refresh" | "Offline") => return "refresh",
            (_, "Logout") => return "event",
            _ => {}
        }
        if matches!(provider, Some("AWS ALB" | "Cloudflare Access" | "Google IAP")) {
            return "assertion";
        }
        if self.has("sub") && self.text("iss") == self.text("sub") {
            return "assertion";
        }
        if self.has_any(&["nonce", "at_hash", "c_hash", "s_hash"]) {
            return "id";
        }
        match provider {
            // They issue no other JWTs to services.
            Some("Google" | "Firebase" | "GitHub Actions" | "GitLab" | "Vercel" | "Bitbucket" | "Apple") => return "id",
            Some("Entra v1" | "Entra v2") => {
                return if self.has_any(&["scp", "roles", "azp", "appid"]) { "access" } else { "id" };
            }
            Some("Clerk" | "Kubernetes" | "SPIFFE" | "Supabase") => return "access",
            _ => {}
        }
        let of_access = ["scope", "scp", "permissions", "client_id", "cid", "gty", "realm_access", "entitlements"];
        if self.has_any(&of_access) {
            return "access";
        }
        if self.has_any(&["email", "email_verified", "preferred_username", "nickname", "picture", "given_name"]) {
            return "id";
        }
        if self.has("aud") && self.has("iss") { "access" } else { "unknown" }
    }
}
