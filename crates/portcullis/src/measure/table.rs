//! The metrics of this crate: the table that `docs/metrics.md` repeats.

/// One metric.
#[derive(Debug)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Whether the value is a time in seconds.
    pub(crate) is_in_seconds: bool,
    #[cfg_attr(not(test), allow(dead_code, reason = "the test compares them with the document"))]
    pub(crate) labels: &'static [&'static str],
    pub(crate) description: &'static str,
}

/// The kind of a metric.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

#[cfg(feature = "metrics")]
impl Metric {
    /// Tells the recorder the unit and the description.
    pub(crate) fn describe(&self, recorder: &dyn ::metrics::Recorder) {
        let unit = if self.is_in_seconds { ::metrics::Unit::Seconds } else { ::metrics::Unit::Count };
        let (name, unit, description) = (self.name.into(), Some(unit), self.description.into());
        match self.kind {
            Kind::Counter => recorder.describe_counter(name, unit, description),
            Kind::Gauge => recorder.describe_gauge(name, unit, description),
            Kind::Histogram => recorder.describe_histogram(name, unit, description),
        }
    }
}

macro_rules! metrics {
    ($($constant:ident $name:literal $kind:ident $(in $seconds:ident)? [$($label:literal),*] $description:literal;)+) => {
        $(
            pub(crate) static $constant: Metric = Metric {
                name: $name,
                kind: Kind::$kind,
                is_in_seconds: metrics!(@seconds $($seconds)?),
                labels: &[$($label),*],
                description: $description,
            };
        )+

        /// All metrics of this crate.
        pub(crate) static ALL: &[&Metric] = &[$(&$constant),+];
    };
    (@seconds seconds) => { true };
    (@seconds) => { false };
}

metrics! {
    VERIFICATION "portcullis.verification" Counter ["outcome", "reason", "scheme", "issuer"]
        "Requests that a gate decided about, each once.";
    VERIFICATION_DURATION "portcullis.verification.duration" Histogram in seconds ["outcome"]
        "The time from a credential to the decision, with waiting for keys and stores.";
    AUTHORIZATION_REFUSAL "portcullis.authorization.refusal" Counter ["reason"]
        "Refusals of callers whom the gate had let in before: by a policy behind a guard, or by the service.";
    SESSION_CHECK "portcullis.session_check" Counter ["outcome"]
        "Answers of session checks, also those about open connections.";
    TOKEN_CACHE "portcullis.token_cache" Counter ["outcome"]
        "Lookups in the token cache.";
    KEYS_FETCH "portcullis.keys.fetch" Counter ["outcome", "document", "host"]
        "Fetches of keys that ended.";
    KEYS_FETCH_DURATION "portcullis.keys.fetch.duration" Histogram in seconds ["outcome", "host"]
        "The time of a fetch of keys, with all its requests.";
    KEYS_HELD "portcullis.keys.held" Gauge ["host"]
        "Usable keys that are cached.";
    KEYS_AGE "portcullis.keys.age" Gauge in seconds ["host"]
        "The age of the cached keys when they were last used.";
    INTROSPECTION "portcullis.introspection" Counter ["outcome", "cached"]
        "Answers about opaque tokens, also about those of open connections.";
    INTROSPECTION_DURATION "portcullis.introspection.duration" Histogram in seconds ["outcome"]
        "The time of a question to the introspection endpoint.";
    REPLAY_STORE_INSERT "portcullis.replay_store.insert" Counter ["outcome"]
        "Answers of the store of used DPoP proofs.";
    REPLAY_STORE_ENTRIES "portcullis.replay_store.entries" Gauge []
        "Used DPoP proofs that the memory of the process holds.";
    REPLAY_STORE_CAPACITY "portcullis.replay_store.capacity" Gauge []
        "Used DPoP proofs that the memory of the process can hold.";
}

#[cfg(test)]
#[cfg(feature = "remote")]
mod tests {
    use super::*;
    use crate::measure::labels::{Label, Outcome, SchemeLabel};
    use crate::measure::verdict::Verdict;
    use crate::measure::{
        Document, FetchOutcome, FromCache, InsertOutcome, IntrospectionOutcome, QuestionOutcome, SessionCheckOutcome,
        TokenCacheOutcome,
    };

    const DOCUMENT: &str = include_str!("../../docs/metrics.md");

    /// Dashboards rely on every name: a change in the table has to be made in `metrics.md` too.
    #[test]
    fn names_are_those_of_metrics_md() {
        let made: Vec<String> = ALL.iter().map(|metric| row(metric)).collect();
        let stated = rows_after("| metric |");
        assert_eq!(made, stated);
    }

    #[test]
    fn values_of_labels_are_those_of_metrics_md() {
        let mut reasons: Vec<_> = Verdict::all().into_iter().map(Verdict::reason).collect();
        reasons.dedup();
        let made = [
            values("outcome", &[&VERIFICATION, &VERIFICATION_DURATION], Outcome::VALUES),
            values("reason", &[&VERIFICATION, &AUTHORIZATION_REFUSAL], &reasons),
            values("scheme", &[&VERIFICATION], SchemeLabel::VALUES),
            values("outcome", &[&SESSION_CHECK], SessionCheckOutcome::VALUES),
            values("outcome", &[&TOKEN_CACHE], TokenCacheOutcome::VALUES),
            values("outcome", &[&KEYS_FETCH, &KEYS_FETCH_DURATION], FetchOutcome::VALUES),
            values("document", &[&KEYS_FETCH], Document::VALUES),
            values("outcome", &[&INTROSPECTION], IntrospectionOutcome::VALUES),
            values("cached", &[&INTROSPECTION], FromCache::VALUES),
            values("outcome", &[&INTROSPECTION_DURATION], QuestionOutcome::VALUES),
            values("outcome", &[&REPLAY_STORE_INSERT], InsertOutcome::VALUES),
        ];
        assert_eq!(made, rows_after("| label |")[..made.len()]);
        // Each label of each metric has a line.
        for metric in ALL {
            for label in metric.labels {
                let described = rows_after("| label |").into_iter().any(|row| {
                    let of_metric = row.contains(&format!("`{}`", metric.name))
                        || (row.contains("`portcullis.keys.*`") && metric.name.starts_with("portcullis.keys."));
                    row.starts_with(&format!("| `{label}` |")) && of_metric
                });
                assert!(described, "{label} of {}", metric.name);
            }
        }
    }

    fn row(metric: &Metric) -> String {
        let kind = format!("{:?}", metric.kind).to_lowercase();
        let (unit, suffix) = if metric.is_in_seconds { (" seconds", "_seconds") } else { ("", "") };
        let total = if metric.kind == Kind::Counter { "_total" } else { "" };
        let exported = metric.name.replace('.', "_");
        let labels: String = metric.labels.iter().map(|label| format!(" `{label}`")).collect();
        format!(
            "| `{}` | {kind} |{unit} |{labels} | `{exported}{suffix}{total}` | {} |",
            metric.name, metric.description
        )
    }

    fn values(label: &str, metrics: &[&Metric], values: &[&str]) -> String {
        let metrics: Vec<_> = metrics.iter().map(|metric| format!("`{}`", metric.name)).collect();
        let values: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
        format!("| `{label}` | {} | {} |", metrics.join(" "), values.join(" "))
    }

    /// The rows of the first table whose head starts so.
    fn rows_after(head: &str) -> Vec<&'static str> {
        let table = DOCUMENT.lines().skip_while(|line| !line.starts_with(head));
        table.skip(2).take_while(|line| line.starts_with('|')).collect()
    }
}
