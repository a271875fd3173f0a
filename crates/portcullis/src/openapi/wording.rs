//! The demands of a policy, as members and as a sentence.

use serde_json::{Map, Value};

use crate::policy::Alternative;

/// The demands of one alternative, as members.
pub(super) fn demands(one: &Alternative<'_>) -> Value {
    let names = |names: &[&str]| (!names.is_empty()).then(|| Value::from(names.to_vec()));
    let details: Vec<_> = one.authorization_details().collect();
    let members = [
        ("scopes", names(one.scopes())),
        ("permissions", names(one.permissions())),
        ("roles", names(one.roles())),
        ("max_age", one.max_age().map(|age| age.as_secs().into())),
        ("acr_values", names(one.acr_values())),
        ("max_token_age", one.max_token_age().map(|age| age.as_secs().into())),
        ("authorization_details", names(&details)),
        // Which actors may act is said only to the service itself.
        ("actor_required", (!one.actors().is_empty()).then_some(true.into())),
        ("max_actors", one.max_actors().map(Into::into)),
    ];
    let members = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(members.collect::<Map<_, _>>())
}

/// The demands of a policy as a sentence.
pub(super) fn sentence(alternatives: &[Alternative<'_>]) -> String {
    if alternatives.is_empty() {
        return "Allows no caller.".to_owned();
    }
    format!("Needs {}.", alternatives.iter().map(phrase).collect::<Vec<_>>().join("; or "))
}

fn phrase(one: &Alternative<'_>) -> String {
    let details: Vec<_> = one.authorization_details().collect();
    let quoted = |names: &[&str], last: &str| {
        let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        quoted.join(last)
    };
    let all = |what: &str, names: &[&str]| {
        let plural = if names.len() > 1 { "s" } else { "" };
        (!names.is_empty()).then(|| format!("{what}{plural} {}", quoted(names, " and ")))
    };
    let phrases = [
        all("scope", one.scopes()),
        all("permission", one.permissions()),
        all("role", one.roles()),
        one.max_age().map(|age| format!("a login at most {} seconds ago", age.as_secs())),
        (!one.acr_values().is_empty()).then(|| format!("authentication class {}", quoted(one.acr_values(), " or "))),
        one.max_token_age().map(|age| format!("a token that was issued at most {} seconds ago", age.as_secs())),
        (!details.is_empty()).then(|| format!("authorization details of type {}", quoted(&details, " and "))),
        (!one.actors().is_empty()).then(|| "an actor that the service allows".to_owned()),
        one.max_actors().map(|max| if max == 0 { "no actor".to_owned() } else { format!("at most {max} actors") }),
    ];
    let phrases: Vec<_> = phrases.into_iter().flatten().collect();
    if phrases.is_empty() { "a credential".to_owned() } else { phrases.join(", ") }
}
