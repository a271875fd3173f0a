//! Tokens of Clerk, from the outside: what is known of them, and the test that shows it.
//!
//! | fact | test |
//! |---|---|
//! | a publishable key is `pk_test_` or `pk_live_` and base64, often unpadded, of the host and `$` | `a_key_names_the_frontend_api_with_or_without_padding` |
//! | it has three parts, one `$` at its end, and a dot in the host | `a_key_of_another_form_is_refused_and_not_repeated` |
//! | the issuer has no slash at its end | `the_issuer_has_no_slash` |
//! | the keys are at `/.well-known/jwks.json` of the issuer, for everybody | `keys_are_fetched_once_from_the_frontend_api` |
//! | or at the Backend API's `/v1/jwks`, with the secret key | `keys_come_from_the_backend_api_with_the_secret_key` |
//! | a PEM public key makes verification networkless | `a_pem_opens_no_connection` |
//! | `kid` is the instance's identifier | `the_key_is_named_after_the_instance` |
//! | session tokens live for a minute, and clocks may differ by five seconds | `a_session_token_lives_for_a_minute_and_five_seconds` |
//! | session tokens have no `aud` | `a_session_token_is_for_no_audience_unless_one_is_asked_for` |
//! | `azp` may be absent, and is required once parties are named | `authorized_parties_require_azp` |
//! | claims of version 1 | `version_1_session_tokens_are_read` |
//! | claims of version 2 | `version_2_session_tokens_are_read` |
//! | −1 in `fva` is a factor that is not enabled | `a_factor_that_is_not_enabled_never_was_verified` |
//! | roles of version 2 come without `org:` | `version_2_packs_them_and_leaves_the_prefix_out` |
//! | the i-th number of `fpm` belongs to the i-th feature of the organization; `u:` is skipped | `numbers_belong_to_the_organizations_features_and_users_are_skipped` |
//! | the least significant bit is the first of `per` | `the_lowest_bit_is_the_first_permission` |
//! | the numbers are of any length | `numbers_may_be_longer_than_any_machine_word` |
//! | a bad number means no permission | `a_bad_number_is_no_permission_and_leaves_the_others_alone` |
//! | permissions are `org:{feature}:{permission}`, and serve policies | `the_organizations_role_and_permissions_serve_policies` |
//! | pending sessions are not signed in | `a_pending_session_is_refused_unless_allowed` |
//! | `cat` tells classes apart that one key signs; absent is accepted | `only_session_tokens_are_accepted_unless_others_are_asked_for` |
//! | the cookies are `__session` and one with a suffix of the publishable key's SHA-1 | `the_cookies_suffix_is_that_of_the_vendors_sdk` |
//! | of both cookies the instance's own is taken, then the newer | `of_both_cookies_the_instances_own_and_newer_one_is_taken` |
//! | opaque tokens start with `ak_`, `mt_`, `oat_` | `opaque_tokens_are_named` |
//! | a machine's token has `sub` `mch_…` and `scopes` | `machines_and_oauth_have_scopes_and_have_to_be_asked_for` |
//! | an OAuth access token has `typ` `at+jwt`, `client_id`, and `scope` or `scp` | `tokens_of_machines_and_of_oauth_have_scopes` |
//! | keys of one instance never serve another, whatever their `kid` (advisory of 2026) | `instances_with_the_same_kid_do_not_share_keys` |
//! | a missing `azp` passes no list of parties (clerk/javascript#8877) | `authorized_parties_require_azp` |
//! | combined conditions hold only if each does (CVE-2026-42349) | `checks_hold_only_together` |
//! | the secret key goes to the configured host alone (CVE-2026-34076) | `the_secret_key_goes_to_the_configured_host_alone` |

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

/// A gate of the instance, whose keys are at hand.
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
fn every_fact_names_a_test_that_exists() {
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
