//! The table of members: everything that a configuration can say.
//!
//! To add a member, add a row here and use its field where a configuration is applied: in `mod.rs` (tokens) or
//! `source.rs` (keys). The reader, the variable with its twin, the flag, the JSON Schema and the error texts follow from
//! the row.

use std::path::PathBuf;

use serde::Serialize;

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

        /// A file with a JWK Set.
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

        /// A PEM file with a public key or a certificate.
        public_key_file: Option<PathBuf>, KeySource {
            variable: "PORTCULLIS_PUBLIC_KEY_FILE",
            hint: "write the path of a PEM file",
            flag: ("public-key", "FILE"),
            mistaken: ["PUBLIC_KEY"],
        }

        /// A file with a shared secret for HS256, HS384 and HS512: the text of an `oct` JWK, or otherwise all bytes of the
        /// file, including a line break at the end.
        secret_file: Option<PathBuf>, KeySource {
            variable: "PORTCULLIS_SECRET_FILE",
            hint: "write the path of a file with a secret",
            flag: ("secret", "FILE"),
            mistaken: ["SECRET"],
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
            option: "leeway",
            mistaken: ["LEEWAY"],
        }

        /// The accepted token types, as tokens have them in the header `typ`. Default: no type, `JWT` or `at+jwt`.
        typ: Option<Vec<String>>, Token {
            variable: "PORTCULLIS_TYP",
            hint: "list types, for example at+jwt",
            flag: ("typ", "TYP"),
            option: "token_types",
            mistaken: ["TYPE"],
        }

        /// Claims that tokens must have, with any value but null, in addition to those that are always required.
        required_claims: Option<Vec<String>>, Token {
            variable: "PORTCULLIS_REQUIRED_CLAIMS",
            hint: "list names of claims, for example client_id",
            flag: ("require", "CLAIM"),
            option: "require_claims",
            mistaken: ["REQUIRED_CLAIM", "REQUIRE_CLAIMS"],
        }
    }
    {
        #[serde(skip)]
        pub(super) names: Names,
    }
}
