//! Tests of the preset with Clerk's tokens. Each documented fact about Clerk names the test that shows it:
//!
//! | fact | test |
//! |---|---|
//! | a publishable key is `pk_test_` or `pk_live_` and base64, often unpadded, of the host and `$` | `padding_is_optional` |
//! | it has three parts, one `$` at its end, and a dot in the host | `error_does_not_repeat_an_invalid_key` |
//! | the issuer has no slash at its end | `issuer_has_no_slash` |
//! | the keys are public, at `/.well-known/jwks.json` of the issuer | `keys_are_fetched_once_from_the_frontend_api` |
//! | the keys are also at `/v1/jwks` of the Backend API, with the secret key | `secret_key_fetches_from_the_backend_api` |
//! | a PEM public key makes verification networkless | `pem_opens_no_connection` |
//! | `kid` is the instance's identifier | `kid_is_the_instance_identifier` |
//! | session tokens live for a minute, and clocks may differ by five seconds | `session_token_lives_for_65_seconds` |
//! | session tokens have no `aud` | `session_token_has_no_aud_by_default` |
//! | `azp` may be absent, unless authorized parties are set | `authorized_parties_require_azp` |
//! | claims of version 1 | `version_1_session_tokens_are_read` |
//! | claims of version 2 | `version_2_session_tokens_are_read` |
//! | −1 in `fva` is a factor that is not enabled | `disabled_factor_has_no_age` |
//! | roles of version 2 have no `org:` | `version_2_packs_names_without_prefix` |
//! | the i-th number of `fpm` belongs to the i-th feature of the organization; `u:` is skipped | `numbers_skip_features_of_the_user` |
//! | the least significant bit is the first of `per` | `lowest_bit_is_the_first_permission` |
//! | the numbers have any size | `numbers_may_exceed_64_bits` |
//! | a bad number means no permission | `invalid_number_grants_nothing` |
//! | policies see permissions as `org:{feature}:{permission}` | `policies_see_the_organization_role_and_permissions` |
//! | an impersonated user's token names the real person in `act` | `impersonated_users_are_refused_only_by_check` |
//! | pending sessions are not signed in | `pending_session_is_refused_unless_allowed` |
//! | one key signs all classes of tokens, `cat` names the class, and old tokens have no `cat` | `only_session_tokens_are_accepted_by_default` |
//! | the cookies are `__session` and one with a suffix of the publishable key's SHA-1 | `cookie_suffix_equals_the_sdks` |
//! | a cookie of this instance wins over others, then the newest | `own_and_newest_cookie_wins` |
//! | opaque tokens start with `ak_`, `mt_`, `oat_` | `opaque_tokens_are_refused_as_such` |
//! | a machine token has `mch_…` in `sub`, and `scopes` | `machine_and_oauth_tokens_are_accepted_if_configured` |
//! | an OAuth access token has `typ` `at+jwt`, `client_id`, and `scope` or `scp` | `machine_and_oauth_tokens_have_scopes` |
//! | the keys of one instance never verify another's tokens, even if `kid` is equal (advisory of 2026) | `equal_kids_do_not_share_keys` |
//! | a token without `azp` is refused if authorized parties are set (clerk/javascript#8877) | `authorized_parties_require_azp` |
//! | of combined conditions, each must hold (CVE-2026-42349) | `every_added_check_must_pass` |
//! | the secret key is sent only to the configured host (CVE-2026-34076) | `secret_key_goes_only_to_the_configured_host` |

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

mod checks;
mod classes;
mod cookies;
mod keys;
mod session;

use portcullis::{Gate, Reason};
use portcullis_clerk::Clerk;
use portcullis_testing::{TestIssuer, TokenBuilder};

pub(crate) const HOST: &str = "clerk.example.com";

pub(crate) fn instance() -> TestIssuer {
    TestIssuer::clerk(HOST)
}

/// A gate for the instance, which takes its keys without a fetch.
pub(crate) fn gate(clerk: Clerk, instance: &TestIssuer) -> Gate {
    Gate::new(clerk.keys(instance.keys()).verifier().unwrap())
}

pub(crate) fn clerk() -> Clerk {
    Clerk::from_frontend_api(HOST)
}

pub(crate) async fn reason(gate: &Gate, token: TokenBuilder) -> Option<Reason> {
    gate.verify(&token.sign()).await.err().and_then(|error| error.reason())
}

#[test]
fn every_fact_names_an_existing_test() {
    let folder = env!("CARGO_MANIFEST_DIR");
    let read = |path: &str| std::fs::read_to_string(format!("{folder}/{path}")).unwrap();
    let names = ["claims", "organization", "publishable_key"].map(|name| format!("src/{name}.rs"));
    let ours = ["checks", "classes", "cookies", "keys", "session"].map(|name| format!("tests/clerk/{name}.rs"));
    let tests: String = names.iter().chain(&ours).map(|path| read(path)).collect();
    let table = read("tests/clerk/main.rs");
    let facts: Vec<&str> = table.lines().filter_map(|line| line.strip_prefix("//! | ")).skip(1).collect();
    assert!(facts.len() > 25, "{}", facts.len());
    for fact in facts {
        let name = fact.trim_end_matches("` |").rsplit_once("| `").unwrap().1;
        assert!(tests.contains(&format!("fn {name}()")), "{name}");
    }
}
