//! The table of members: everything that a configuration can say.
//!
//! To add a member, add a row here and use its field where a configuration is applied: in `mod.rs` (tokens),
//! `fetching.rs` (keys) or `gate.rs`. The reader, the variable with its twin, the flag, the JSON Schema and the error texts follow from
//! the row.

use std::path::PathBuf;

use serde::Serialize;

use crate::config::choices::{DpopMode, MetadataKind, TokenSourceName};
use crate::config::member::{Member, MemberGroup};
use crate::config::reader::{Names, Reader};
use crate::config::table::{members, optional};
use crate::config::value_types::Field;
use crate::jose::Algorithm;

members! {
    /// What a verifier needs, as a configuration file has it, in any format that serde reads.
    ///
    /// ```
    /// use portcullis::Config;
    ///
    /// let config: Config = serde_json::from_str(
    ///     r#"{"issuer": "https://issuer.example", "audience": ["api"], "jwks_file": "keys.json", "leeway_seconds": 10}"#,
    /// )?;
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    ///
    /// A list with one item may be written as a string. Unknown members are refused, and an error names each member that
    /// is wrong. A file that may list several issuers is an [`IssuersConfig`](crate::config::IssuersConfig).
    Config {
        /// The accepted issuers, exactly as tokens have them in `iss`.
        issuer: Vec<String>, Issuer {
            variable: "PORTCULLIS_ISSUER",
            hint: "write the issuer exactly as tokens have it in iss, for example https://issuer.example/",
            flag: ("issuer", "ISSUER"),
            mistaken: ["ISSUERS", "ISSUER_URL"],
        }

        /// The accepted audiences: the identifiers of this API, exactly as tokens have them in `aud`.
        audience: Vec<String>, Issuer {
            variable: "PORTCULLIS_AUDIENCE",
            hint: "write the identifier of this API exactly as tokens have it in aud, for example https://api.example.com",
            flag: ("audience", "AUDIENCE"),
            mistaken: ["AUDIENCES"],
        }

        /// A file with a JWK Set, or with PEM texts by `kid`, as Google publishes them.
        jwks_file: Option<PathBuf>, KeySource {
            variable: "PORTCULLIS_JWKS_FILE",
            hint: "write the path of a file with a JWK Set",
            flag: ("jwks", "FILE"),
            mistaken: ["JWKS"],
        }

        /// The URL of a JWK Set: https, or plain http to a loopback address. If no source of keys is named, the issuer's
        /// metadata names it.
        jwks_url: Option<String>, KeySource {
            variable: "PORTCULLIS_JWKS_URL",
            hint: "write the URL of a JWK Set",
            flag: ("jwks-url", "URL"),
            mistaken: ["JWKS", "JWKS_URI"],
        }

        /// A PEM file with a public key or a certificate, or the base64 text of one, as Keycloak shows it.
        public_key_file: Option<PathBuf>, KeySource {
            variable: "PORTCULLIS_PUBLIC_KEY_FILE",
            hint: "write the path of a PEM file",
            flag: ("public-key", "FILE"),
            mistaken: ["PUBLIC_KEY"],
        }

        /// A file with a shared secret for HS256, HS384 and HS512: the text of an `oct` JWK, or otherwise all bytes of the
        /// file, including a line break at the end. A JWK Set of `oct` keys has several secrets, for a rotation. A warning in the
        /// log says if a secret looks like something else.
        secret_file: Option<PathBuf>, KeySource {
            variable: "PORTCULLIS_SECRET_FILE",
            hint: "write the path of a file with a secret",
            flag: ("secret", "FILE"),
            mistaken: ["SECRET"],
        }

        /// The URL of the issuer's metadata, if it is not at the usual place. Its `issuer` must still be the configured one.
        metadata_url: Option<String>, Discovery {
            variable: "PORTCULLIS_METADATA_URL",
            hint: "write the URL of the metadata",
            mistaken: ["DISCOVERY_URL"],
        }

        /// The kind of the issuer's metadata: `openid-configuration` (OpenID Connect Discovery, the default) or
        /// `oauth-authorization-server` (RFC 8414).
        metadata_kind: Option<MetadataKind>, Discovery {
            variable: "PORTCULLIS_METADATA_KIND",
            hint: "write openid-configuration or oauth-authorization-server",
        }

        /// The URL at which this service reaches the issuer, if it is not the issuer's name: `http://keycloak:8080/realms/main`
        /// for tokens that name `http://localhost:8080/realms/main`. The metadata and the keys are fetched there.
        internal_issuer_url: Option<String>, Discovery {
            variable: "PORTCULLIS_INTERNAL_ISSUER_URL",
            hint: "write the URL at which this service reaches the issuer",
            mistaken: ["INTERNAL_ISSUER", "INTERNAL_URL"],
        }

        /// The proxy for all requests for keys and introspection, for example `http://proxy:3128`. `HTTPS_PROXY` and `NO_PROXY`
        /// are not used.
        proxy: Option<String>, Fetch {
            variable: "PORTCULLIS_PROXY",
            hint: "write the URL of the proxy, for example http://proxy:3128",
            mistaken: ["HTTPS_PROXY", "HTTP_PROXY", "PROXY_URL"],
        }

        /// A PEM file with root certificates that are trusted for keys and introspection, in addition to those
        /// of the system.
        root_certificates_file: Option<PathBuf>, Fetch {
            variable: "PORTCULLIS_ROOT_CERTIFICATES_FILE",
            hint: "write the path of a PEM file with certificates",
            options: ["root_certificate"],
            mistaken: ["ROOT_CERTIFICATE_FILE", "ROOT_CERTIFICATES", "CA_FILE"],
        }

        /// A file with header fields for all requests for keys and introspection, for example an `authorization`: one
        /// `name: value` per line.
        request_headers_file: Option<PathBuf>, Fetch {
            variable: "PORTCULLIS_REQUEST_HEADERS_FILE",
            hint: "write the path of a file with one header field per line, as name: value",
            options: ["header"],
            mistaken: ["REQUEST_HEADERS"],
        }

        /// Hosts that may be asked for keys and introspection over plain HTTP. An attacker on the network can then replace the keys and
        /// forge any token, so it is only for networks inside a cluster or a compose file.
        dangerous_allow_http_hosts: Option<Vec<String>>, Fetch {
            variable: "PORTCULLIS_DANGEROUS_ALLOW_HTTP_HOSTS",
            hint: "list host names without scheme and port, for example keycloak",
            mistaken: ["ALLOW_HTTP_HOSTS", "HTTP_HOSTS"],
        }

        /// The time limit of one fetch of keys, and of one question of introspection, in seconds. Default: 5.
        fetch_timeout_seconds: Option<u64>, Fetch {
            variable: "PORTCULLIS_FETCH_TIMEOUT_SECONDS",
            hint: "write a few seconds",
            options: ["timeout"],
            mistaken: ["FETCH_TIMEOUT"],
        }

        /// How long fetched keys are fresh, in seconds, if the response does not say it. Default: 600.
        key_lifetime_seconds: Option<u64>, Fetch {
            variable: "PORTCULLIS_KEY_LIFETIME_SECONDS",
            hint: "write a number between key_lifetime_min_seconds and key_lifetime_max_seconds",
            options: ["lifetime"],
            mistaken: ["KEY_LIFETIME"],
        }

        /// The shortest time that fetched keys are fresh, in seconds, regardless of the response. Default: 60.
        key_lifetime_min_seconds: Option<u64>, Fetch {
            variable: "PORTCULLIS_KEY_LIFETIME_MIN_SECONDS",
            hint: "write a number above 0",
        }

        /// The longest time that fetched keys are fresh, in seconds, regardless of the response. Default: 3600.
        key_lifetime_max_seconds: Option<u64>, Fetch {
            variable: "PORTCULLIS_KEY_LIFETIME_MAX_SECONDS",
            hint: "write a number above 0",
        }

        /// How long keys are used after their lifetime while no fetch succeeds, in seconds. Default: 86400.
        key_stale_seconds: Option<u64>, Fetch {
            variable: "PORTCULLIS_KEY_STALE_SECONDS",
            hint: "write a whole number, for example 86400",
            mistaken: ["KEY_STALE"],
        }

        /// A file with a JWK Set to start with, so that the service can start during an outage of the issuer.
        key_seed_file: Option<PathBuf>, Fetch {
            variable: "PORTCULLIS_KEY_SEED_FILE",
            hint: "write the path of a file with a JWK Set",
            options: ["seed", "seed_file"],
            mistaken: ["KEY_SEED"],
        }

        /// The introspection endpoint of the issuer (RFC 7662). With it, opaque tokens are accepted next to JWTs. It needs
        /// `client_id` and `client_secret_file`, and exactly one issuer.
        introspection_url: Option<String>, Introspection {
            variable: "PORTCULLIS_INTROSPECTION_URL",
            hint: "write the URL of the issuer's introspection endpoint, as its metadata has it in introspection_endpoint",
            mistaken: ["INTROSPECTION_ENDPOINT", "INTROSPECTION"],
        }

        /// The identifier of this service at the issuer, for introspection.
        client_id: Option<String>, Introspection {
            variable: "PORTCULLIS_CLIENT_ID",
            hint: "write the identifier that this service has as a client of the issuer",
            mistaken: ["CLIENT", "INTROSPECTION_CLIENT_ID"],
        }

        /// A file with the secret of this service at the issuer, for introspection. A line break at its end does not count. The
        /// secret is sent as `client_secret_basic`.
        client_secret_file: Option<PathBuf>, Introspection {
            variable: "PORTCULLIS_CLIENT_SECRET_FILE",
            hint: "write the path of a file with the client's secret",
            options: ["client_secret"],
            mistaken: ["CLIENT_SECRET", "INTROSPECTION_CLIENT_SECRET", "INTROSPECTION_CLIENT_SECRET_FILE"],
        }

        /// The allowed algorithms. Default: all that the keys serve.
        algorithms: Option<Vec<Algorithm>>, Token {
            variable: "PORTCULLIS_ALGORITHMS",
            hint: "list algorithms, for example RS256",
            flag: ("alg", "ALG"),
            mistaken: ["ALG", "ALGORITHM", "ALGS"],
        }

        /// How far clocks may differ, in seconds, 0 to 600. Default: 5.
        leeway_seconds: Option<u64>, Token {
            variable: "PORTCULLIS_LEEWAY_SECONDS",
            hint: "write 0 to 600",
            flag: ("leeway", "SECONDS"),
            options: ["leeway"],
            mistaken: ["LEEWAY"],
        }

        /// The accepted token types, as tokens have them in the header `typ`. Default: no type, `JWT` or `at+jwt`.
        typ: Option<Vec<String>>, Token {
            variable: "PORTCULLIS_TYP",
            hint: "list types, for example at+jwt",
            flag: ("typ", "TYP"),
            options: ["token_types"],
            mistaken: ["TYPE"],
        }

        /// Claims that tokens must have, with any value but null, in addition to those that are always required.
        required_claims: Option<Vec<String>>, Token {
            variable: "PORTCULLIS_REQUIRED_CLAIMS",
            hint: "list names of claims, for example client_id",
            flag: ("require", "CLAIM"),
            options: ["require_claims"],
            mistaken: ["REQUIRED_CLAIM", "REQUIRE_CLAIMS"],
        }

        /// The longest token that is read, in bytes. Default: 16384.
        max_token_bytes: Option<usize>, Token {
            variable: "PORTCULLIS_MAX_TOKEN_BYTES",
            hint: "write a number of bytes, for example 16384",
        }

        /// The number of tokens whose good signatures are remembered, so that a repeated token costs a hash instead of a
        /// signature check. Default: 0.
        cached_tokens: Option<u64>, Token {
            variable: "PORTCULLIS_CACHED_TOKENS",
            hint: "write a number of tokens, for example 10000",
            mistaken: ["CACHE_TOKENS"],
        }

        /// How much memory the remembered tokens may take, in bytes. Default: 67108864, which is 64 MiB.
        cached_bytes: Option<u64>, Token {
            variable: "PORTCULLIS_CACHED_BYTES",
            hint: "write a number of bytes, for example 67108864",
            options: ["cache_bytes"],
            mistaken: ["CACHE_BYTES"],
        }

        /// How many keys are tried for a token that names none, 1 to 8. Default: 1, so that such a token is refused if several
        /// keys fit.
        try_keys: Option<usize>, Token {
            variable: "PORTCULLIS_TRY_KEYS",
            hint: "write 1 to 8",
        }

        /// Whether integers in `sub` and `jti` are accepted, as their decimal text. Default: false. It is for issuers that
        /// write all subjects as numbers: 7 and "7" become the same subject.
        accept_integer_ids: Option<bool>, Token {
            variable: "PORTCULLIS_ACCEPT_INTEGER_IDS",
            hint: "write true or false",
            mistaken: ["INTEGER_IDS"],
        }
    }
    {
        /// How the gate reads and refuses requests.
        #[serde(flatten)]
        pub gate: GateOptions,
        #[serde(skip)]
        pub(super) names: Names,
    }

    /// How a gate reads and refuses requests. Its members are members of a [`Config`] or, in a file with several issuers,
    /// next to the list.
    GateOptions {
        /// The realm in challenges. Default: `api`.
        realm: Option<String>, Gate {
            variable: "PORTCULLIS_REALM",
            hint: "write a name, for example api",
        }

        /// Where requests carry their token, in this order: `authorization`, `cookie:NAME` or `header:NAME`. The first that
        /// holds a token decides. Default: `authorization`.
        token_sources: Option<Vec<TokenSourceName>>, Gate {
            variable: "PORTCULLIS_TOKEN_SOURCES",
            hint: "list authorization, cookie:NAME or header:NAME",
            mistaken: ["TOKEN_SOURCE"],
        }

        /// The URL under which clients know this service. Its path is the prefix that a proxy removes.
        public_url: Option<String>, Gate {
            variable: "PORTCULLIS_PUBLIC_URL",
            hint: "write an https URL, for example https://api.example.com",
            mistaken: ["BASE_URL"],
        }

        /// Origins whose pages may send unsafe requests with a token in a cookie, in addition to pages of the service itself
        /// (`public_url`).
        allowed_origins: Option<Vec<String>>, Gate {
            variable: "PORTCULLIS_ALLOWED_ORIGINS",
            hint: "list origins, for example https://app.example.com",
            mistaken: ["ALLOWED_ORIGIN", "ORIGINS", "CORS_ORIGINS"],
        }

        /// Whether tokens need a DPoP proof (RFC 9449): `required`, or `accepted` for bound tokens with a proof next to bearer
        /// tokens. It needs `public_url`. Default: off, so that bound tokens are refused.
        dpop: Option<DpopMode>, Gate {
            variable: "PORTCULLIS_DPOP",
            hint: "write required or accepted",
            mistaken: ["DPOP_MODE", "DPOP_REQUIRED"],
        }

        /// Whether each DPoP proof needs a nonce of this service, so that clients cannot make proofs in advance. Default: false.
        dpop_nonce: Option<bool>, Gate {
            variable: "PORTCULLIS_DPOP_NONCE",
            hint: "write true or false",
            mistaken: ["DPOP_NONCES"],
        }

        /// A file with the keys of the nonces, one per line, each with 32 random bytes in base64. All machines that serve one URL
        /// need the same file. The first key makes new nonces. Default: a key of this process.
        dpop_nonce_keys_file: Option<PathBuf>, Gate {
            variable: "PORTCULLIS_DPOP_NONCE_KEYS_FILE",
            hint: "name a file with one key per line, each from: openssl rand -base64 32",
            options: ["dpop_nonce_keys"],
            mistaken: ["DPOP_NONCE_KEYS", "DPOP_NONCE_KEY"],
        }

        /// How far `iat` of a DPoP proof may be in the past and in the future, in seconds, 1 to 300. Default: 60.
        dpop_window_seconds: Option<u64>, Gate {
            variable: "PORTCULLIS_DPOP_WINDOW_SECONDS",
            hint: "write 1 to 300",
            options: ["dpop_window"],
            mistaken: ["DPOP_WINDOW"],
        }
    }
}
