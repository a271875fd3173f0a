//! `portcullis keys`.

use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;

use portcullis::ConfigError;
use portcullis::jose::AlgorithmSet;
use portcullis::keys::{KeyError, KeySet, RemoteKeys, SkippedKey, VerifyingKey};
use serde::Serialize;

use crate::args::KeysArgs;
use crate::failure::{Failure, unused_proxy};
use crate::keys;
use crate::printable::printable;

/// Shows a key set and returns the exit status.
///
/// # Errors
/// [`Failure`] if there is no key set to show.
pub(crate) fn run(args: &KeysArgs) -> Result<ExitCode, Failure> {
    let report = Report::of(&key_set(args)?);
    let text = if args.json {
        serde_json::to_string(&report).map(|json| json + "\n").map_err(|error| Failure::Output(error.into()))?
    } else {
        report.to_string()
    };
    let text: String = text.lines().map(|line| printable(line).into_owned() + "\n").collect();
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        // A reader that leaves early has seen enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Output(error)),
        _ => Ok(ExitCode::from(u8::from(report.usable == 0))),
    }
}

fn key_set(args: &KeysArgs) -> Result<KeySet, Failure> {
    match (&args.oidc_issuer, args.place.as_deref()) {
        (Some(issuer), _) => fetch("--oidc-issuer", RemoteKeys::discover(issuer)),
        (None, Some(place)) => match place.to_str().filter(|text| text.contains("://")) {
            Some(url) => fetch("URL", RemoteKeys::at(url)),
            None => Ok(keys::key_set(place)?),
        },
        (None, None) => {
            const HINT: &str = "write the URL of a JWK Set, a file with one, or --oidc-issuer ISSUER";
            Err(ConfigError::new("URL", "not given", HINT).into())
        }
    }
}

fn fetch(field: &'static str, keys: Result<RemoteKeys, ConfigError>) -> Result<KeySet, Failure> {
    let keys = keys.map_err(|error| error.with_url_field(field))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::Start)?;
    runtime.block_on(keys.inspect()).map_err(|error| {
        let why = match &error {
            KeyError::Unavailable(unavailable) => unavailable.source.as_ref().map(ToString::to_string),
            _ => None,
        };
        Failure::Keys { field, why: why.unwrap_or_else(|| error.to_string()) + &unused_proxy() }
    })
}

/// The content of a key set.
#[derive(Serialize)]
pub(crate) struct Report {
    keys: Vec<Line>,
    usable: usize,
    total: usize,
    #[serde(skip)]
    algorithms: AlgorithmSet,
}

/// What the report says about one key.
#[derive(Serialize)]
struct Line {
    index: usize,
    kid: Option<String>,
    #[serde(rename = "type")]
    key_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    curve: Option<String>,
    /// The algorithms that the key serves, or for an unusable key the one that it names.
    algorithms: Vec<String>,
    thumbprint: Option<String>,
    usable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    /// Other keys with the same `kid`, or also without one, and a common algorithm. A token could mean any of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ambiguous_with: Vec<usize>,
}

impl Report {
    pub(crate) fn of(set: &KeySet) -> Self {
        let total = set.len() + set.skipped().len();
        let mut skipped = set.skipped().iter().peekable();
        let mut usable = set.keys();
        // Both lists are in the order of the set, and a skipped key has its index.
        let mut keys: Vec<_> = (0..total)
            .filter_map(|index| match skipped.next_if(|key| key.index == index) {
                Some(key) => Some(Line::of_skipped(key)),
                None => usable.next().map(|key| Line::of_usable(index, key)),
            })
            .collect();
        let ambiguous: Vec<_> = keys.iter().map(|line| line.doubles_in(&keys)).collect();
        for (line, doubles) in keys.iter_mut().zip(ambiguous) {
            line.ambiguous_with = doubles;
        }
        Self { keys, usable: set.len(), total, algorithms: set.algorithms() }
    }

    /// Returns the index of each key, whether it can be used, and what is said about it.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, bool, String)> {
        self.keys.iter().map(|line| (line.index, line.usable, line.to_string()))
    }

    /// Returns the number of keys that can be used.
    pub(crate) fn usable(&self) -> usize {
        self.usable
    }

    /// Returns the number of all keys.
    pub(crate) fn total(&self) -> usize {
        self.total
    }
}

impl Line {
    fn of_usable(index: usize, key: &VerifyingKey) -> Self {
        Self {
            index,
            kid: key.id().map(str::to_owned),
            key_type: key.member("kty"),
            curve: key.member("crv"),
            algorithms: key.algorithms().iter().map(|algorithm| algorithm.name().to_owned()).collect(),
            thumbprint: key.thumbprint(),
            usable: true,
            why: None,
            ambiguous_with: Vec::new(),
        }
    }

    fn of_skipped(key: &SkippedKey) -> Self {
        Self {
            index: key.index,
            kid: key.id.clone(),
            key_type: key.key_type.clone(),
            curve: None,
            algorithms: key.algorithm.iter().cloned().collect(),
            thumbprint: None,
            usable: false,
            why: Some(key.why.to_string()),
            ambiguous_with: Vec::new(),
        }
    }

    fn doubles_in(&self, keys: &[Self]) -> Vec<usize> {
        let is_double = |other: &&Self| {
            let both_usable = self.usable && other.usable;
            let common_algorithm = self.algorithms.iter().any(|algorithm| other.algorithms.contains(algorithm));
            both_usable && self.index != other.index && self.kid == other.kid && common_algorithm
        };
        keys.iter().filter(is_double).map(|other| other.index).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.keys {
            writeln!(f, "{line}")?;
        }
        let Self { usable, total, algorithms, .. } = self;
        let (keys, serve) =
            (if *total == 1 { "key" } else { "keys" }, if algorithms.is_empty() { "" } else { ", for " });
        writeln!(f, "{usable} of {total} {keys} can be used{serve}{algorithms}")
    }
}

impl fmt::Display for Line {
    /// Writes one line without control characters, even if the set has some.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {}: {}", self.index, if self.usable { "usable" } else { "not usable" })?;
        match &self.kid {
            Some(kid) => write!(f, ": kid {kid:?}")?,
            None => f.write_str(": no kid")?,
        }
        if let Some(key_type) = &self.key_type {
            write!(f, ", {}", key_type.escape_debug())?;
        }
        if let Some(curve) = &self.curve {
            write!(f, " {}", curve.escape_debug())?;
        }
        for algorithm in &self.algorithms {
            write!(f, ", {}", algorithm.escape_debug())?;
        }
        if let Some(thumbprint) = &self.thumbprint {
            write!(f, ", thumbprint {thumbprint}")?;
        }
        if let Some(why) = &self.why {
            write!(f, ": {why}")?;
        }
        if !self.ambiguous_with.is_empty() {
            let others: Vec<_> = self.ambiguous_with.iter().map(ToString::to_string).collect();
            write!(f, "; ambiguous with key {}: tokens that could mean either are refused", others.join(", "))?;
        }
        Ok(())
    }
}
