//! Tests what the log says about things that belong in tests only.

use crate::log::Log;

#[test]
fn gate_that_admits_everyone_is_logged_as_an_error() {
    let log = Log::of(|| drop(portcullis_testing::gate_admitting(&serde_json::json!({"sub": "alice"})).unwrap()));
    assert_eq!(log.matches("ERROR").count(), 1, "{log}");
    assert!(log.contains("lets every request in without a token") && !log.contains("alice"), "{log}");
}
