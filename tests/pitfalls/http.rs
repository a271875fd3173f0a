//! Known faults of HTTP adapters for tokens. Each has a test on Axum and one on Actix, and the test below checks that these
//! tests exist.
//!
//! | fault | on Axum | on Actix |
//! |---|---|---|
//! | a panic on bytes beyond ASCII in the Authorization field | `crates/portcullis-axum/tests/extractors.rs::other_bytes_in_authorization_are_a_400` | `crates/portcullis-actix/tests/extractors.rs::other_bytes_in_authorization_are_a_400` |
//! | a panic on odd bytes in the query | `crates/portcullis-axum/tests/extractors.rs::query_is_not_read` | `crates/portcullis-actix/tests/extractors.rs::query_is_not_read` |
//! | a panic, or a 401, when the service forgot its state | `crates/portcullis-axum/tests/extractors.rs::missing_gate_is_a_500_and_logged` | `crates/portcullis-actix/tests/extractors.rs::missing_gate_is_a_500_and_logged` |
//! | 500 for a garbage token; an empty body with a 401 | `crates/portcullis-axum/tests/extractors.rs::garbage_token_is_a_401` | `crates/portcullis-actix/tests/extractors.rs::garbage_token_is_a_401` |
//! | 401 while the identity provider is down | `crates/portcullis-axum/tests/extractors.rs::key_outage_is_a_503` | `crates/portcullis-actix/tests/extractors.rs::key_outage_is_a_503` |
//! | `Bearer` matched in only one case | `crates/portcullis-axum/tests/extractors.rs::bearer_is_matched_in_any_case` | `crates/portcullis-actix/tests/extractors.rs::bearer_is_matched_in_any_case` |
//! | challenge parameters without commas | `crates/portcullis-axum/tests/extractors.rs::challenge_parameters_are_separated_by_commas` | `crates/portcullis-actix/tests/extractors.rs::challenge_parameters_are_separated_by_commas` |
//! | an error code for a request without a credential | `crates/portcullis-axum/tests/extractors.rs::missing_credential_gets_a_challenge_without_error_code` | `crates/portcullis-actix/tests/extractors.rs::missing_credential_gets_a_challenge_without_error_code` |
//! | routes that are guarded under only one spelling of their path | `crates/portcullis-axum/tests/layer.rs::no_spelling_of_a_path_avoids_the_guard` | `crates/portcullis-actix/tests/middleware.rs::no_spelling_of_a_path_avoids_the_guard` |
//! | a guard that continues without claims after a bad token | `crates/portcullis-axum/tests/layer.rs::bad_token_never_passes_a_layer` | `crates/portcullis-actix/tests/middleware.rs::bad_token_never_passes_a_middleware` |
//! | an optional credential whose invalid tokens count as absent | `crates/portcullis-axum/tests/extractors.rs::optional_credential_may_be_absent_but_not_invalid` | `crates/portcullis-actix/tests/extractors.rs::optional_credential_may_be_absent_but_not_invalid`, `crates/portcullis-actix/tests/extractors.rs::refusal_swallowed_by_option_is_logged` |
//! | a service that is called before it is polled ready | `crates/portcullis-axum/tests/layer.rs::service_that_was_polled_ready_is_called` | `crates/portcullis-actix/tests/middleware.rs::middleware_is_ready_when_its_service_is` |
//! | two nested guards of two issuers that accept each other's callers | `crates/portcullis-axum/tests/layer.rs::each_part_of_a_router_admits_its_own_callers`, `crates/portcullis-axum/tests/layer.rs::required_layer_behind_an_optional_one_asks_itself` | `crates/portcullis-actix/tests/middleware.rs::each_part_of_an_app_admits_its_own_callers`, `crates/portcullis-actix/tests/middleware.rs::required_middleware_behind_an_optional_one_asks_itself` |
//! | a CORS preflight that is refused | `crates/portcullis-axum/tests/layer.rs::cors_preflight_is_answered_only_where_allowed` | `crates/portcullis-actix/tests/middleware.rs::cors_preflight_is_answered_only_where_allowed` |
//! | tokens or claims in the log | `crates/portcullis-axum/tests/extractors.rs::no_token_or_claim_reaches_the_log` | `crates/portcullis-actix/tests/extractors.rs::no_token_or_claim_reaches_the_log` |

use std::path::Path;

use crate::threats_md::{has_test, promised_tests};

#[test]
fn each_fault_has_a_test_on_both_frameworks() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let rows: Vec<&str> =
        include_str!("http.rs").lines().filter_map(|line| line.strip_prefix("//! | ")).skip(1).collect();
    assert_eq!(rows.len(), 15);
    for row in rows {
        let cells: Vec<&str> = row.trim_end_matches(" |").split(" | ").collect();
        let [fault, axum, actix] = cells[..] else { panic!("not three cells: {row}") };
        for (tests, folder) in [(axum, "crates/portcullis-axum/"), (actix, "crates/portcullis-actix/")] {
            let tests = promised_tests(tests);
            assert!(!tests.is_empty(), "no test of {folder}: {fault}");
            for (file, name) in tests {
                assert!(file.starts_with(folder) && has_test(&root.join(file), name), "{file}::{name}: {fault}");
            }
        }
    }
}
