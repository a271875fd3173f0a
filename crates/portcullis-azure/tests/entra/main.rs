//! What Microsoft says of its tokens, keys and issuers, each as a test of the preset.
//!
//! | what the vendor documents | test |
//! |---|---|
//! | version 2.0: `iss`, metadata, keys | `tenants::version_2_is_named_without_a_slash`, `keys::keys_are_fetched_once_from_the_tenants_own_address`, `keys::metadata_of_version_2_stands_under_its_issuer` |
//! | version 1.0: `iss` with its slash, metadata, keys without `issuer` | `tenants::version_1_is_named_with_a_slash`, `keys::version_1_alone_has_an_address_of_its_own`, `keys::metadata_of_version_1_stands_under_the_tenant` |
//! | the API's manifest chooses the version | `tenants::both_versions_are_accepted_unless_told_otherwise` |
//! | `common` and `organizations` have a template for an issuer | `tenants::braces_are_never_taken_literally` |
//! | the tenant of personal accounts | `tenants::organizations_leave_personal_accounts_out_and_consumers_have_nothing_else` |
//! | many tenants: `tid` is a GUID, `iss` is its name | `tenants::tid_is_a_guid`, `tenants::tid_and_iss_name_the_same_tenant` |
//! | many tenants: the key's `issuer` fits, and one of a single tenant exactly | `tenants::the_key_is_for_the_tokens_tenant` |
//! | many tenants: a list of those that are allowed | `tenants::a_list_of_tenants_leaves_all_others_out` |
//! | keys without `alg` | `keys::keys_without_alg_serve_rs256_alone` |
//! | the forms of `aud` | `tokens::the_audience_has_two_usual_forms_and_ones_own` |
//! | the client in `appid` or `azp`; `oid`, `tid`, `ver`, `uti`, `acrs`, `xms_cc`, `wids` | `tokens::claims_of_both_versions_are_typed` |
//! | `scp` of users, `roles` of applications | `tokens::scopes_and_roles_serve_policies` |
//! | `idtyp` | `tokens::one_kind_of_caller_can_be_kept_to`, `caller::tests::the_caller_is_decided_by_idtyp_then_scopes_then_identifiers` |
//! | nothing is authorised by e-mail or user name | `claims::tests::names_to_show_are_nowhere_else`, `tokens::mapped_claims_grant_nothing` |
//! | groups beyond the limit | `claims::tests::groups_are_listed_elsewhere_or_not_issued`, `tokens::groups_that_do_not_fit_are_not_none` |
//! | `typ` is always `JWT` | `tokens::typ_is_jwt` |
//! | claims mapping: `?appid=` | `keys::applications_with_claims_mapping_have_keys_of_their_own` |
//! | tokens of Microsoft Graph | `tokens::a_token_for_graph_is_told_so_whatever_is_wrong_with_it` |
//! | national clouds | `tenants::clouds_have_names_of_their_own` |
//! | B2C: metadata, issuer, policy | `b2c::keys_are_found_by_the_policys_metadata`, `b2c::the_issuer_has_a_slash_and_the_tenant`, `b2c::only_the_policy_itself_is_accepted` |
//! | External ID: metadata by name, issuer by tenant | `external_id::metadata_at_the_name_leads_to_keys_of_the_tenant` |
//! | how long keys are kept | `preset::tests::keys_are_good_for_most_of_an_hour_and_are_kept_for_a_day`, `preset::tests::unknown_keys_cause_one_fetch_and_no_second_within_five_minutes` |

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the helpers of tests fail as tests do"
)]

mod b2c;
mod configuration;
mod external_id;
mod keys;
mod tenants;
mod tokens;

use portcullis::{Gate, Reason};
use portcullis_azure::Azure;
use portcullis_testing::TestIssuer;

const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
const OTHER: &str = "82229342-1101-4ab6-817b-70c0747630f3";
const CONSUMERS: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
const API: &str = "535fb089-9ff3-47b6-9bfb-4f1264799865";

/// A gate of `azure` with the keys of `issuer`.
fn gate(azure: &Azure, issuer: &TestIssuer) -> Gate {
    Gate::new(azure.clone().keys(issuer.keys()).verifier().unwrap())
}

async fn admits(gate: &Gate, token: &str) -> bool {
    gate.verify(token).await.is_ok()
}

async fn reason(gate: &Gate, token: &str) -> Option<Reason> {
    gate.verify(token).await.err().and_then(|error| error.reason())
}

fn v1(tenant: &str) -> String {
    format!("https://sts.windows.net/{tenant}/")
}

fn v2(tenant: &str) -> String {
    format!("https://login.microsoftonline.com/{tenant}/v2.0")
}
