//! The dashboard and the alert rules use only metrics, labels and values of the contract.

use std::collections::BTreeSet;

use crate::expressions::{Expression, alerts, panels};
use crate::metrics::{Contract, contract};

/// Labels that Prometheus adds.
const OF_PROMETHEUS: [&str; 2] = ["job", "instance"];

#[test]
fn every_expression_fits_the_contract() {
    let contract = contract();
    let expressions: Vec<_> = panels().into_iter().chain(alerts()).collect();
    for expression in &expressions {
        let used = check(&contract, expression).unwrap_or_else(|wrong| panic!("{}: {wrong}", expression.of));
        assert!(!used.is_empty(), "{expression:?}");
    }
}

#[test]
fn every_metric_is_on_the_dashboard() {
    let contract = contract();
    let used: BTreeSet<_> = panels().iter().flat_map(|panel| check(&contract, panel).unwrap()).collect();
    let all: BTreeSet<_> = contract.iter().map(|metric| metric.exported.clone()).collect();
    assert_eq!(used, all);
}

#[test]
fn expressions_outside_of_the_contract_are_found() {
    let contract = contract();
    for wrong in [
        "portcullis_verifications_total",
        "portcullis_verification",
        "portcullis_verification_duration_seconds",
        "portcullis_keys_held_bucket",
        r#"portcullis_keys_held{issuer="a"}"#,
        r#"portcullis_verification_total{outcome="accept"}"#,
        r#"portcullis_verification_total{outcome=~"accepted|denied"}"#,
        "sum by (reason) (portcullis_token_cache_total)",
        "sum by (le) (portcullis_token_cache_total)",
    ] {
        let expression = Expression { of: "a test".to_owned(), text: wrong.to_owned() };
        assert!(check(&contract, &expression).is_err(), "{wrong}");
    }
}

/// Returns the metrics that the expression uses.
fn check(contract: &[Contract], expression: &Expression) -> Result<BTreeSet<String>, String> {
    let text = &expression.text;
    let (mut used, mut labels) = (BTreeSet::new(), BTreeSet::from(OF_PROMETHEUS.map(str::to_owned)));
    for (start, _) in text.match_indices("portcullis_") {
        let name: String = text[start..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        let metric =
            contract.iter().find(|metric| metric.series().contains(&name)).ok_or(format!("no metric {name}"))?;
        let of_metric =
            |label: &str| OF_PROMETHEUS.contains(&label) || metric.labels.iter().any(|known| known == label);
        let rest = &text[start + name.len()..];
        let matchers = rest.strip_prefix('{').map_or("", |rest| rest.split('}').next().unwrap());
        for matcher in matchers.split(',').map(str::trim).filter(|matcher| !matcher.is_empty()) {
            let (label, value) = matcher.split_once(['=', '!']).unwrap();
            if !of_metric(label) {
                return Err(format!("no label {label} of {name}"));
            }
            let values = value.trim_start_matches(['=', '~']).trim_matches('"');
            let closed = metric.values_of(label);
            if !closed.is_empty() && !values.split('|').all(|value| closed.iter().any(|known| known == value)) {
                return Err(format!("no value {values} of {label}"));
            }
        }
        if name.ends_with("_bucket") {
            labels.insert("le".to_owned());
        }
        labels.extend(metric.labels.iter().cloned());
        used.insert(metric.exported.clone());
    }
    for group in ["by (", "on ("].into_iter().flat_map(|word| text.split(word).skip(1)) {
        let names = group.split(')').next().unwrap().split(',').map(|name| name.trim().to_owned());
        if let Some(other) = names.into_iter().find(|name| !labels.contains(name)) {
            return Err(format!("no label {other}"));
        }
    }
    Ok(used)
}
