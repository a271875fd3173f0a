//! Faults of HTTP adapters in this field, and the tests that none of them is ours: of each one on Axum and one on Actix.
//! That these tests exist is itself tested.
//!
//! | fault | on Axum | on Actix |
//! |---|---|---|
//! | a panic on bytes beyond ASCII in the Authorization field | `crates/portcullis-axum/tests/extractors.rs::other_bytes_in_the_authorization_field_are_a_400_and_no_panic` | `crates/portcullis-actix/tests/extractors.rs::other_bytes_in_the_authorization_field_are_a_400_and_no_panic` |
//! | a panic on odd bytes in the query | `crates/portcullis-axum/tests/extractors.rs::a_query_of_any_bytes_is_neither_read_nor_a_panic` | `crates/portcullis-actix/tests/extractors.rs::a_query_of_any_bytes_is_neither_read_nor_a_panic` |
//! | a panic where the service forgot its state; 401 for a mistake of the server's own | `crates/portcullis-axum/tests/extractors.rs::a_missing_gate_is_a_500_with_its_cause_in_the_log_and_no_panic` | `crates/portcullis-actix/tests/extractors.rs::a_missing_gate_is_a_500_with_its_cause_in_the_log_and_no_panic` |
//! | 500 for a garbage token; an empty body with a 401 | `crates/portcullis-axum/tests/extractors.rs::a_garbage_token_is_a_401_and_never_a_500` | `crates/portcullis-actix/tests/extractors.rs::a_garbage_token_is_a_401_and_never_a_500` |
//! | 401 while the provider is down | `crates/portcullis-axum/tests/extractors.rs::an_outage_of_the_keys_is_a_503_and_no_401` | `crates/portcullis-actix/tests/extractors.rs::an_outage_of_the_keys_is_a_503_and_no_401` |
//! | `Bearer` matched in one case alone | `crates/portcullis-axum/tests/extractors.rs::bearer_is_matched_in_any_case` | `crates/portcullis-actix/tests/extractors.rs::bearer_is_matched_in_any_case` |
//! | challenge parameters without commas | `crates/portcullis-axum/tests/extractors.rs::challenge_parameters_are_separated_by_commas` | `crates/portcullis-actix/tests/extractors.rs::challenge_parameters_are_separated_by_commas` |
//! | an error code although no credential came | `crates/portcullis-axum/tests/extractors.rs::no_credential_gets_a_challenge_without_an_error_code_and_a_body` | `crates/portcullis-actix/tests/extractors.rs::no_credential_gets_a_challenge_without_an_error_code_and_a_body` |
//! | routes that are guarded by one spelling of their path | `crates/portcullis-axum/tests/layer.rs::no_spelling_of_a_path_gets_around_the_guard` | `crates/portcullis-actix/tests/middleware.rs::no_spelling_of_a_path_gets_around_the_guard` |
//! | a guard that goes on without claims where the token is bad | `crates/portcullis-axum/tests/layer.rs::a_layer_never_goes_on_with_a_bad_token` | `crates/portcullis-actix/tests/middleware.rs::a_middleware_never_goes_on_with_a_bad_token` |
//! | an optional credential that takes invalid for absent | `crates/portcullis-axum/tests/extractors.rs::optional_means_absent_and_never_invalid` | `crates/portcullis-actix/tests/extractors.rs::optional_means_absent_and_never_invalid`, `crates/portcullis-actix/tests/extractors.rs::a_refusal_that_option_swallows_is_logged_as_an_error` |
//! | a service that is called without having been polled ready | `crates/portcullis-axum/tests/layer.rs::the_service_that_was_polled_ready_is_the_one_that_is_called` | `crates/portcullis-actix/tests/middleware.rs::the_middleware_is_ready_when_the_service_behind_it_is` |
//! | two nested guards of two issuers that take each other's callers | `crates/portcullis-axum/tests/layer.rs::every_part_of_a_router_opens_to_its_own_callers_alone`, `crates/portcullis-axum/tests/layer.rs::behind_an_optional_layer_a_required_one_asks_for_its_own_caller` | `crates/portcullis-actix/tests/middleware.rs::every_part_of_an_app_opens_to_its_own_callers_alone`, `crates/portcullis-actix/tests/middleware.rs::behind_an_optional_middleware_a_required_one_asks_for_its_own_caller` |
//! | a CORS preflight that is refused | `crates/portcullis-axum/tests/layer.rs::a_cors_preflight_passes_only_where_it_is_allowed` | `crates/portcullis-actix/tests/middleware.rs::a_cors_preflight_passes_only_where_it_is_allowed` |
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
