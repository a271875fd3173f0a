//! The expressions of the dashboard and of the alert rules, for the tests of this folder.

use serde_json::Value;

/// An expression, and the panel or the alert that has it.
#[derive(Clone, Debug)]
pub(crate) struct Expression {
    pub(crate) of: String,
    pub(crate) text: String,
}

/// The expressions of the dashboard.
pub(crate) fn panels() -> Vec<Expression> {
    let dashboard: Value = serde_json::from_str(include_str!("../examples/monitoring/dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let of_panel = |panel: &Value| {
        let title = panel["title"].as_str().unwrap().to_owned();
        let targets = panel["targets"].as_array().unwrap().clone();
        targets
            .into_iter()
            .map(move |target| Expression { of: title.clone(), text: target["expr"].as_str().unwrap().to_owned() })
    };
    panels.flat_map(of_panel).collect()
}

/// The expressions of the alerts. Each is in one line.
pub(crate) fn alerts() -> Vec<Expression> {
    let mut alerts = Vec::new();
    let mut name = None;
    for line in include_str!("../examples/monitoring/alerts.yml").lines().map(str::trim) {
        if let Some(of) = line.strip_prefix("- alert: ") {
            name = Some(of.to_owned());
        }
        if let Some(text) = line.strip_prefix("expr: ") {
            alerts.push(Expression { of: name.take().unwrap(), text: text.to_owned() });
        }
    }
    alerts
}
