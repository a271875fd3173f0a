//! Sends the same bytes to a server on Axum and to one on Actix. The answers are equal, and they are the expected ones.
//!
//! Each request is sent twice on one connection, which then must serve another request. The client opens a new connection
//! only when a server says that it closes the old one, as Actix does when a handler does not read the body.
//!
//! The module `unread` lists the requests that a framework refuses before they reach a gate.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may fail by panic; clippy can't tell that these functions are tests"
)]

mod answer;
mod api_keys;
mod client;
mod differences;
mod dpop;
mod gates;
mod guarded;
mod http2;
mod introspection;
mod metadata_routes;
mod mtls;
mod on_tiny_http;
mod pages;
mod requests;
#[path = "../running.rs"]
mod running;
mod seams;
mod servers;
mod step_up;
mod two_readers;
mod unread;

use std::collections::BTreeSet;
use std::net::SocketAddr;

use portcullis::Reason;

use crate::answer::Answer;
use crate::client::Connection;
use crate::gates::Gates;
use crate::requests::Row;

#[test]
fn tokens_that_are_let_in() {
    answer_as_expected(requests::let_in);
}

#[test]
fn requests_without_a_credential() {
    answer_as_expected(requests::no_credential);
}

#[test]
fn fields_that_are_malformed_or_repeated() {
    answer_as_expected(requests::malformed);
}

#[test]
fn bad_tokens() {
    answer_as_expected(requests::bad_tokens);
}

#[test]
fn callers_without_the_grant() {
    answer_as_expected(requests::forbidden);
}

#[test]
fn keys_that_are_unavailable() {
    answer_as_expected(requests::outages);
}

#[test]
fn servers_with_a_wrong_set_up() {
    answer_as_expected(requests::server_errors);
}

#[test]
fn tokens_in_a_custom_header() {
    answer_as_expected(requests::header_source);
}

#[test]
fn tokens_in_a_cookie() {
    answer_as_expected(requests::cookie_source);
}

#[test]
fn unsafe_requests_by_cookie_from_allowed_pages() {
    answer_as_expected(pages::allowed);
}

#[test]
fn unsafe_requests_by_cookie_from_other_pages() {
    answer_as_expected(pages::refused);
}

#[test]
fn gates_with_a_custom_realm_or_verifier() {
    answer_as_expected(requests::customized);
}

#[test]
fn callers_let_in_by_a_guard() {
    answer_as_expected(guarded::let_in);
}

#[test]
fn requests_refused_by_a_guard() {
    answer_as_expected(guarded::kept_out);
}

#[test]
fn guards_for_optional_credentials() {
    answer_as_expected(guarded::optional);
}

#[test]
fn preflights_before_a_guard() {
    answer_as_expected(guarded::preflights);
}

#[test]
fn guards_within_guards() {
    answer_as_expected(guarded::nested);
}

#[test]
fn guards_with_other_token_sources() {
    answer_as_expected(guarded::other_places);
}

#[test]
fn refusals_changed_by_the_service() {
    answer_as_expected(guarded::reworded);
}

#[test]
fn protected_resource_metadata() {
    answer_as_expected(guarded::metadata);
}

#[test]
fn outages_behind_a_guard() {
    answer_as_expected(guarded::outages);
}

#[test]
fn session_checks() {
    answer_as_expected(seams::session_checks);
}

#[test]
fn logins_that_are_too_old_or_too_weak() {
    answer_as_expected(seams::step_up);
}

#[test]
fn gates_with_two_schemes() {
    answer_as_expected(seams::schemes);
}

#[test]
fn target_uris() {
    answer_as_expected(seams::target_uris);
}

#[test]
fn tokens_that_are_too_old() {
    answer_as_expected(step_up::age_of_the_token);
}

#[test]
fn logins_of_the_user() {
    answer_as_expected(step_up::login_of_the_user);
}

#[test]
fn authorization_details() {
    answer_as_expected(step_up::authorization_details);
}

#[test]
fn actors_on_behalf_of_the_subject() {
    answer_as_expected(step_up::actors);
}

#[test]
fn scopes_that_imply_others() {
    answer_as_expected(step_up::implied_scopes);
}

#[test]
fn demands_together() {
    answer_as_expected(step_up::demands_together);
}

#[test]
fn opaque_tokens_that_are_let_in() {
    answer_as_expected(introspection::let_in);
}

#[test]
fn opaque_tokens_that_are_refused() {
    answer_as_expected(introspection::refused);
}

#[test]
fn outages_of_introspection() {
    answer_as_expected(introspection::outages);
}

#[test]
fn introspection_has_its_rows() {
    have_rows(&[introspection::let_in, introspection::refused, introspection::outages], 5, 40);
}

#[test]
fn api_keys_that_are_let_in() {
    answer_as_expected(api_keys::let_in);
}

#[test]
fn bad_api_keys() {
    answer_as_expected(api_keys::bad_keys);
}

#[test]
fn fields_for_api_keys_that_are_malformed() {
    answer_as_expected(api_keys::malformed_fields);
}

#[test]
fn api_keys_in_two_fields() {
    answer_as_expected(api_keys::both_fields);
}

#[test]
fn api_keys_that_lack_what_is_demanded() {
    answer_as_expected(api_keys::lacking);
}

#[test]
fn api_keys_whose_store_is_down() {
    answer_as_expected(api_keys::outages);
}

#[test]
fn api_keys_have_their_rows() {
    have_rows(
        &[
            api_keys::let_in,
            api_keys::bad_keys,
            api_keys::malformed_fields,
            api_keys::both_fields,
            api_keys::lacking,
            api_keys::outages,
        ],
        30,
        120,
    );
}

#[test]
fn step_up_has_its_rows() {
    have_rows(
        &[
            step_up::age_of_the_token,
            step_up::login_of_the_user,
            step_up::authorization_details,
            step_up::actors,
            step_up::implied_scopes,
            step_up::demands_together,
        ],
        5,
        40,
    );
}

#[test]
fn bound_tokens_with_their_certificate() {
    answer_as_expected(mtls::let_in);
}

#[test]
fn bound_tokens_without_their_certificate() {
    answer_as_expected(mtls::refused);
}

#[test]
fn bindings_that_no_certificate_proves() {
    answer_as_expected(mtls::unproven);
}

#[test]
fn metadata_of_certificate_bound_tokens() {
    answer_as_expected(mtls::metadata);
}

#[test]
fn mutual_tls_has_its_rows() {
    have_rows(&[mtls::let_in, mtls::refused, mtls::unproven], 5, 40);
}

#[test]
fn proofs_that_are_refused() {
    answer_as_expected(dpop::refused);
}

/// A server may reuse the memory of a request, so the extensions of one request must not reach the next.
#[test]
fn no_request_gets_the_caller_of_another() {
    let gates = Gates::new();
    let (axum, actix) = (servers::axum(&gates), servers::actix(&gates));
    let mut rows = [guarded::let_in(&gates), guarded::optional(&gates), guarded::nested(&gates)].concat();
    for _ in 0..2 {
        for address in [axum.address(), actix.address()] {
            let mut connection = Connection::open(address);
            for row in &rows {
                assert_eq!(connection.exchange(&row.request, row.is_head()), row.expected, "{}", row.name);
            }
        }
        rows.reverse();
    }
}

/// Fails when a table loses its rows.
#[test]
fn tables_reach_every_reason_and_status() {
    let gates = Gates::new();
    let rows: Vec<Row> = requests::ALL.iter().flat_map(|table| table(&gates)).collect();
    println!("{} requests", rows.len());
    assert!(rows.len() > 750, "{}", rows.len());
    let requests: BTreeSet<&[u8]> = rows.iter().map(|row| row.request.as_slice()).collect();
    assert_eq!(requests.len(), rows.len(), "two rows with one request");
    let statuses: BTreeSet<u16> = rows.iter().map(|row| row.expected.status).collect();
    assert_eq!(statuses.into_iter().collect::<Vec<_>>(), [200, 204, 400, 401, 403, 404, 500, 503]);
    let bodies: Vec<&str> = rows.iter().filter_map(|row| std::str::from_utf8(&row.expected.body).ok()).collect();
    for reason in Reason::ALL {
        let member = format!(r#""reason":"{reason}""#);
        assert!(bodies.iter().any(|body| body.contains(&member)), "no row is refused as {reason}");
    }
}

/// A request can arrive in many pieces.
#[test]
fn requests_that_arrive_byte_by_byte() {
    let gates = Gates::new();
    let (axum, actix) = (servers::axum(&gates), servers::actix(&gates));
    for row in requests::forbidden(&gates).iter().take(2) {
        for address in [axum.address(), actix.address()] {
            let mut connection = Connection::open(address);
            for byte in &row.request {
                connection.write(std::slice::from_ref(byte));
            }
            assert_eq!(connection.read_answer(row.is_head()), row.expected, "{}", row.name);
        }
    }
}

fn answer_as_expected(table: requests::Table) {
    let gates = Gates::new();
    let (axum, actix) = (servers::axum(&gates), servers::actix(&gates));
    let rows = table(&gates);
    assert!(!rows.is_empty());
    for row in rows {
        let (from_axum, from_actix) = (send_twice(axum.address(), &row), send_twice(actix.address(), &row));
        assert_eq!(from_axum, from_actix, "left: the answer of axum, right: that of actix: {}", row.name);
        assert_eq!(from_axum, row.expected, "left: both answers, right: the expected one: {}", row.name);
    }
}

/// Checks that tables together have at least so many rows that are let in, and so many that are refused.
fn have_rows(tables: &[requests::Table], let_in: usize, refused: usize) {
    let gates = Gates::new();
    let rows: Vec<Row> = tables.iter().flat_map(|table| table(&gates)).collect();
    let accepted = rows.iter().filter(|row| row.expected.status == 200).count();
    let refusals = rows.len() - accepted;
    assert!(accepted >= let_in && refusals >= refused, "{accepted} acceptances, {refusals} refusals");
}

fn send_twice(address: SocketAddr, row: &Row) -> Answer {
    let mut connection = Connection::open(address);
    let first = connection.exchange(&row.request, row.is_head());
    let second = connection.exchange(&row.request, row.is_head());
    assert_eq!(first, second, "left: the first answer, right: the second: {}", row.name);
    let other = connection.exchange(b"GET /healthz HTTP/1.1\r\nHost: api.test\r\n\r\n", false);
    assert_eq!(other, Answer::ok("ok"), "the next request on the connection after: {}", row.name);
    first
}
