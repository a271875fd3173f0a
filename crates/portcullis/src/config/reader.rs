//! Reads all members at once, from a configuration file or from variables, and collects what is wrong with them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::config::member::{Member, MemberGroup};
use crate::config::members::{Config, MEMBERS};
use crate::config::value_types::{Fault, Field};
use crate::config::variables::{blank_error, blank_name, environment, given, non_blank, restriction};
use crate::error::ConfigError;

/// The members that are not read yet, and the faults so far.
pub(super) struct Reader {
    members: BTreeMap<String, Result<Value, ConfigError>>,
    names: Names,
    faults: Vec<ConfigError>,
    missing: Vec<ConfigError>,
}

/// How errors name members. Two configurations that differ only in it are equal.
#[derive(Clone, Copy, Debug)]
pub(super) enum Names {
    Members,
    Variables,
}

impl Config {
    /// Reads the environment variables. Each one is called `PORTCULLIS_` and the name of the field in capitals, for
    /// example `PORTCULLIS_JWKS_URL`.
    ///
    /// Lists are separated by commas. Each variable has a twin that names a file with its value, as
    /// [`variables`](crate::config::variables) says. A blank variable is an error if it has a list or a number, or if it
    /// would be the only source of keys; any other blank variable counts as not set. Names that are easily mistaken for
    /// these, for example `PORTCULLIS_LEEWAY`, are refused. Other names are ignored.
    ///
    /// # Errors
    /// [`ConfigError`] names each variable that is wrong, and what to write instead.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variables(environment)
    }

    /// Like [`Self::from_env`], with the variables that `lookup` knows.
    ///
    /// # Errors
    /// [`ConfigError`] names each variable that is wrong, and what to write instead.
    pub fn from_variables(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut reader = Reader::of_variables(&lookup, |_| true);
        let config = Self::read(&mut reader);
        reader.faults.extend(config.faults_of_unused());
        reader.faults.extend(config.faults_of_introspection());
        reader.faults.extend(config.blank_sources(&lookup));
        if config.issuer.is_empty() {
            reader.faults.extend(config.named_source().err());
        } else {
            reader.faults.extend(config.key_source().err());
        }
        reader.finish(config)
    }

    /// Reads only the options that suit any issuer, for example next to a preset: the groups [`Token`](crate::config::MemberGroup::Token) and
    /// [`Gate`](crate::config::MemberGroup::Gate). Issuer, audience and keys are empty.
    ///
    /// ```
    /// use portcullis::config::variables;
    /// use portcullis::keys::RemoteKeys;
    /// use portcullis::{Config, JwtVerifier};
    ///
    /// let options = Config::options_from_variables(variables::environment)?;
    /// // The builder of a preset.
    /// let issuer = "https://issuer.example/";
    /// let gate = options.gate_from(JwtVerifier::builder(issuer, "api", RemoteKeys::discover(issuer)?))?;
    /// # Ok::<(), portcullis::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`] names each variable that is wrong, and what to write instead.
    pub fn options_from_variables(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut reader = Reader::of_variables(lookup, Member::suits_any_issuer);
        let config = Self::read(&mut reader);
        reader.missing.clear();
        reader.finish(config)
    }

    /// Returns the faults of blank variables for a source of keys, if no other variable names a source. The keys would
    /// silently come from discovery instead.
    fn blank_sources(&self, lookup: impl Fn(&str) -> Option<String>) -> Vec<ConfigError> {
        if self.named_source() != Ok(None) {
            return Vec::new();
        }
        let sources = MEMBERS.iter().filter(|member| member.group == MemberGroup::KeySource);
        let blank = sources.filter_map(|member| Some((blank_name(&lookup, member.variable)?, member.hint)));
        blank.map(|(name, hint)| blank_error(name, hint)).collect()
    }

    /// Reads the members of a configuration file.
    pub(super) fn from_members(members: Map<String, Value>) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(members, Names::Members);
        let config = Self::read(&mut reader);
        reader.faults.extend(config.named_source().err());
        reader.faults.extend(config.faults_of_unused());
        reader.finish(config)
    }

    /// Renames the fields of `error`, which may be options of a builder, to the members or their variables.
    pub(super) fn named(&self, error: ConfigError) -> ConfigError {
        error.map_fields(|field| match MEMBERS.iter().find(|member| member.is_meant_by(field)) {
            Some(member) => self.names.of(member).into(),
            None => field.to_owned().into(),
        })
    }

    /// Like [`Self::named`], but only for the options of tokens that are set here. `error` is about the builder of a preset,
    /// which keeps its own names.
    pub(super) fn named_if_set(&self, error: ConfigError) -> ConfigError {
        let is_option = |member: &&Member| member.suits_any_issuer() && self.is_set(member.name);
        error.map_fields(|field| match MEMBERS.iter().filter(is_option).find(|member| member.is_meant_by(field)) {
            Some(member) => self.names.of(member).into(),
            None => field.to_owned().into(),
        })
    }

    /// Whether the member `name` is set.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.has(name) || self.gate.has(name)
    }

    /// Returns the member, or its variable if this configuration came from the environment.
    pub(super) fn name(&self, member: &'static str) -> &'static str {
        MEMBERS.iter().find(|known| known.name == member).map_or(member, |member| self.names.of(member))
    }
}

impl Reader {
    pub(super) fn new(members: Map<String, Value>, names: Names) -> Self {
        let members = members.into_iter().map(|(name, value)| (name, Ok(value))).collect();
        Self { members, names, faults: Vec::new(), missing: Vec::new() }
    }

    /// Reads the variables of the members that `wanted` selects.
    fn of_variables(lookup: impl Fn(&str) -> Option<String>, wanted: impl Fn(&Member) -> bool) -> Self {
        let mut reader = Self::new(Map::new(), Names::Variables);
        reader.refuse_mistaken(&lookup);
        for member in MEMBERS.iter().filter(|member| wanted(member)) {
            let text = if member.restricts {
                restriction(&lookup, member.variable, member.hint)
            } else {
                given(&lookup, member.variable)
            };
            if let Some(text) = text.transpose() {
                let value = text.map(|text| member.form.of_text(text));
                reader.members.insert(member.name.to_owned(), value);
            }
        }
        reader
    }

    /// Takes the member `name`. A fault is recorded, and the value is then the default.
    pub(super) fn take<T: Field>(&mut self, name: &'static str) -> T {
        let Some(member) = MEMBERS.iter().find(|member| member.name == name) else { return T::default() };
        let fault = |fault| member.error(fault).with_field(self.names.of(member));
        match self.members.remove(name) {
            Some(value) => value.and_then(|value| T::read(value).map_err(fault)).unwrap_or_else(|error| {
                self.faults.push(error);
                T::default()
            }),
            None => {
                if T::REQUIRED {
                    let problem = match self.names {
                        Names::Members => "not given",
                        Names::Variables => "not set",
                    };
                    self.missing.push(fault(Fault::new(problem)));
                }
                T::default()
            }
        }
    }

    /// Records the variables that would silently set nothing.
    fn refuse_mistaken(&mut self, lookup: impl Fn(&str) -> Option<String>) {
        for mistaken in mistaken_names() {
            let variable = format!("{PREFIX}{mistaken}");
            if non_blank(&lookup, &variable).is_some() {
                let hint = meant_by(mistaken, self.names).map_or(String::new(), |meant| format!("write {meant}"));
                self.faults.push(ConfigError::new(variable, "unknown", hint));
            }
        }
    }

    /// Returns `config`, or all faults: unknown members first, because they often explain the others.
    pub(super) fn finish<T>(self, config: T) -> Result<T, ConfigError> {
        let names = self.names;
        let unknown = self.members.into_keys().map(|name| {
            let hint = match meant_by(&name.to_ascii_uppercase(), names) {
                Some(meant) => format!("write {meant}"),
                None => members_hint(),
            };
            ConfigError::new(name, "unknown", hint)
        });
        ConfigError::all(unknown.chain(self.faults).chain(self.missing)).map(|()| config)
    }
}

impl Names {
    pub(super) const fn empty() -> Self {
        Self::Members
    }

    pub(super) fn read(reader: &mut Reader) -> Self {
        reader.names
    }

    fn of(self, member: &Member) -> &'static str {
        match self {
            Self::Members => member.name,
            Self::Variables => member.variable,
        }
    }
}

impl PartialEq for Names {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Names {}

/// What the names of all variables begin with.
const PREFIX: &str = "PORTCULLIS_";

/// Returns the hint about an unknown member: the names of all members.
pub(super) fn members_hint() -> String {
    let names: Vec<_> = MEMBERS.iter().map(|member| member.name).collect();
    format!("the members are {}", names.join(", "))
}

fn mistaken_names() -> impl Iterator<Item = &'static str> {
    let mut names: Vec<_> = MEMBERS.iter().flat_map(|member| member.mistaken).copied().collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter()
}

/// Returns the members that are meant by the name `mistaken`.
fn meant_by(mistaken: &str, names: Names) -> Option<String> {
    let meant: Vec<_> =
        MEMBERS.iter().filter(|member| member.mistaken.contains(&mistaken)).map(|member| names.of(member)).collect();
    (!meant.is_empty()).then(|| meant.join(" or "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::KeySource;
    use crate::config::value_types::Form;
    use crate::jose::Algorithm;

    const ISSUER: &str = "PORTCULLIS_ISSUER";
    const AUDIENCE: &str = "PORTCULLIS_AUDIENCE";
    const JWKS_FILE: &str = "PORTCULLIS_JWKS_FILE";
    const JWKS_URL: &str = "PORTCULLIS_JWKS_URL";
    const PUBLIC_KEY_FILE: &str = "PORTCULLIS_PUBLIC_KEY_FILE";
    const SECRET_FILE: &str = "PORTCULLIS_SECRET_FILE";
    const ALGORITHMS: &str = "PORTCULLIS_ALGORITHMS";
    const LEEWAY: &str = "PORTCULLIS_LEEWAY_SECONDS";
    const TYP: &str = "PORTCULLIS_TYP";

    const CLAIMS: &str = "PORTCULLIS_REQUIRED_CLAIMS";

    /// Names that are easily mistaken for ours, and what was meant.
    const MISTAKEN: [(&str, &str); 14] = [
        ("PORTCULLIS_ALG", ALGORITHMS),
        ("PORTCULLIS_ALGORITHM", ALGORITHMS),
        ("PORTCULLIS_ALGS", ALGORITHMS),
        ("PORTCULLIS_AUDIENCES", AUDIENCE),
        ("PORTCULLIS_ISSUERS", ISSUER),
        ("PORTCULLIS_ISSUER_URL", ISSUER),
        ("PORTCULLIS_JWKS", "PORTCULLIS_JWKS_FILE or PORTCULLIS_JWKS_URL"),
        ("PORTCULLIS_JWKS_URI", JWKS_URL),
        ("PORTCULLIS_LEEWAY", LEEWAY),
        ("PORTCULLIS_PUBLIC_KEY", PUBLIC_KEY_FILE),
        ("PORTCULLIS_REQUIRED_CLAIM", CLAIMS),
        ("PORTCULLIS_REQUIRE_CLAIMS", CLAIMS),
        ("PORTCULLIS_SECRET", SECRET_FILE),
        ("PORTCULLIS_TYPE", TYP),
    ];

    fn config(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::from_variables(|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    const MINIMAL: [(&str, &str); 3] =
        [(ISSUER, "https://i.example"), (AUDIENCE, "api, other"), (JWKS_FILE, "keys.json")];

    fn read(members: &Value) -> Result<Config, ConfigError> {
        Config::from_members(members.as_object().unwrap().clone())
    }

    fn error(members: &Value) -> ConfigError {
        read(members).unwrap_err()
    }

    #[test]
    fn unusable_member_is_named() {
        let minimal = json!({"issuer": "i", "audience": "a"});
        assert!(read(&minimal).is_ok());
        for (name, value) in [
            ("algorithms", json!(["RS256", "none"])),
            ("algorithms", json!(256)),
            ("audience", json!(["a", 1])),
            ("audience", json!(null)),
            ("audiences", json!("a")),
            ("issuer", json!({"url": "i"})),
            ("jwks_file", json!(["keys.json"])),
            ("jwks_url", json!(7)),
            ("leeway_seconds", json!("5")),
            ("leeway_seconds", json!(-1)),
            ("leeway_seconds", json!(0.5)),
            ("public_key_file", json!(false)),
            ("secret_file", json!({})),
            ("typ", json!([null])),
            ("accept_integer_ids", json!("true")),
            ("try_keys", json!("two")),
        ] {
            let mut members = minimal.clone();
            members[name] = value;
            assert_eq!(error(&members).field(), name, "{members}");
        }
        assert_eq!(error(&json!({"audience": "a"})).field(), "issuer");
        assert_eq!(error(&json!({"issuer": "i"})).field(), "audience");
    }

    #[test]
    fn optional_member_may_be_null_and_list_a_string() {
        let members = json!({
            "issuer": ["i", "j"], "audience": ["a"], "jwks_file": null, "typ": "at+jwt", "algorithms": "ES256",
            "leeway_seconds": null,
        });
        let config = read(&members).unwrap();
        assert_eq!(config.issuer, ["i", "j"]);
        assert_eq!((config.jwks_file, config.leeway_seconds), (None, None));
        assert_eq!(config.typ, Some(vec!["at+jwt".to_owned()]));
        assert_eq!(config.algorithms, Some(vec![crate::jose::Algorithm::Es256]));
    }

    #[test]
    fn variables_become_fields() {
        let mut variables = MINIMAL.to_vec();
        variables.extend([(ALGORITHMS, "RS256,ES256"), (LEEWAY, "30"), (TYP, "at+jwt"), (SECRET_FILE, "")]);
        let config = config(&variables).unwrap();
        assert_eq!(config.audience, ["api", "other"]);
        assert_eq!(config.algorithms, Some(vec![Algorithm::Rs256, Algorithm::Es256]));
        assert_eq!(config.leeway_seconds, Some(30));
        assert_eq!(config.typ.as_deref(), Some(&["at+jwt".to_owned()][..]));
        assert!(matches!(config.key_source(), Ok(KeySource::JwksFile(_))));
    }

    #[test]
    fn errors_name_the_variable() {
        for (at, name) in [(0, ISSUER), (1, AUDIENCE)] {
            let mut variables = MINIMAL.to_vec();
            variables.remove(at);
            assert_eq!(config(&variables).unwrap_err().field(), name);
        }
        for (name, value) in
            [(ALGORITHMS, "RS256,none"), (LEEWAY, "-1"), (LEEWAY, "soon"), (PUBLIC_KEY_FILE, "key.pem")]
        {
            let mut variables = MINIMAL.to_vec();
            variables.push((name, value));
            let error = config(&variables).unwrap_err();
            assert!(!error.to_string().is_empty());
            assert!(error.field() == name || name == PUBLIC_KEY_FILE, "{error}");
        }
    }

    #[test]
    fn mistaken_name_is_refused() {
        for (name, meant) in MISTAKEN {
            let variables = [&MINIMAL[..], &[(name, "secret-value")]].concat();
            let error = config(&variables).unwrap_err().to_string();
            assert_eq!(error, format!("{name}: unknown; write {meant}"));
            let variables = [&MINIMAL[..], &[(name, " ")]].concat();
            assert!(config(&variables).is_ok(), "{name}");
        }
        // A service of this name in the same cluster sets such variables in every container.
        for name in ["PORTCULLIS_PORT", "PORTCULLIS_SERVICE_HOST"] {
            assert!(config(&[&MINIMAL[..], &[(name, "tcp://10.0.0.1:80")]].concat()).is_ok(), "{name}");
        }
    }

    #[test]
    fn discovery_is_used_without_a_source_of_keys() {
        let one = config(&MINIMAL[..2]).unwrap();
        assert_eq!(one.key_source(), Ok(KeySource::Discovery("https://i.example")));
        let two = [(ISSUER, "https://i.example,https://j.example"), (AUDIENCE, "api")];
        assert_eq!(config(&two).unwrap_err().field(), "PORTCULLIS_JWKS_FILE");
        let mut url = MINIMAL[..2].to_vec();
        url.push((JWKS_URL, "https://i.example/keys"));
        assert_eq!(config(&url).unwrap().key_source(), Ok(KeySource::JwksUrl("https://i.example/keys")));
    }

    #[test]
    fn build_errors_name_the_variable() {
        let with = |name: &'static str, value: &'static str| {
            let mut variables = MINIMAL.to_vec();
            variables.retain(|(key, _)| *key != name);
            variables.push((name, value));
            config(&variables).unwrap().verifier().unwrap_err()
        };
        assert_eq!(with(JWKS_FILE, "/nonexistent/keys.json").field(), JWKS_FILE);
        let discovery = [(ISSUER, "http://i.example"), (AUDIENCE, "api")];
        assert_eq!(config(&discovery).unwrap().verifier().unwrap_err().field(), ISSUER);
        let endpoint = [(ISSUER, "https://i.example"), (AUDIENCE, "api"), (JWKS_URL, "http://i.example/keys")];
        assert_eq!(config(&endpoint).unwrap().verifier().unwrap_err().field(), JWKS_URL);
        let slow = [(ISSUER, "https://i.example"), (AUDIENCE, "api"), (LEEWAY, "601")];
        assert_eq!(config(&slow).unwrap().verifier().unwrap_err().field(), LEEWAY);
    }

    #[test]
    fn hints_name_variables_or_members() {
        let two_issuers = [(ISSUER, "https://i.example,https://j.example"), (AUDIENCE, "api")];
        let two_sources = [&MINIMAL[..], &[(SECRET_FILE, "s")]].concat();
        for (variables, hint) in
            [(&two_issuers[..], "IssuersConfig has them, or name one of"), (&two_sources, "name at most one of")]
        {
            let error = config(variables).unwrap_err().to_string();
            let sources =
                "PORTCULLIS_JWKS_FILE, PORTCULLIS_JWKS_URL, PORTCULLIS_PUBLIC_KEY_FILE and PORTCULLIS_SECRET_FILE";
            assert!(error.ends_with(&format!("{hint} {sources}")), "{error}");
        }
        let no_secret = [(ISSUER, "https://i.example"), (AUDIENCE, "api"), (SECRET_FILE, "/nonexistent")];
        let no_secret = config(&no_secret).unwrap().verifier().unwrap_err().to_string();
        assert!(no_secret.starts_with("PORTCULLIS_SECRET_FILE: "), "{no_secret}");
        assert!(no_secret.ends_with("named by PORTCULLIS_PUBLIC_KEY_FILE or PORTCULLIS_JWKS_FILE"), "{no_secret}");

        let mut file = Config::new("https://i.example", "api");
        file.secret_file = Some("/nonexistent".into());
        let error = file.verifier().unwrap_err().to_string();
        assert!(error.ends_with("named by public_key_file or jwks_file"), "{error}");
        file.jwks_url = Some("https://i.example/keys".to_owned());
        let error = file.verifier().unwrap_err().to_string();
        assert!(error.ends_with("name at most one of jwks_file, jwks_url, public_key_file and secret_file"), "{error}");
    }

    #[test]
    fn all_faults_are_reported_at_once() {
        let members = json!({"audiense": "a", "jwks_file": 1, "leeway_seconds": "5", "typ": {}, "audiences": "a"});
        assert_eq!(
            error(&members).fields().collect::<Vec<_>>(),
            ["audiences", "audiense", "jwks_file", "leeway_seconds", "typ", "issuer", "audience"]
        );
        let text = error(&members).to_string();
        assert!(text.starts_with("audiences: unknown; write audience\naudiense: unknown; the members are issuer, "));
        assert!(text.contains("\nleeway_seconds: not a whole number; write 0 to 600\n"), "{text}");

        let error = config(&[(LEEWAY, "soon"), (ALGORITHMS, "none"), (JWKS_URL, "x"), (JWKS_FILE, "y")]).unwrap_err();
        assert_eq!(error.fields().collect::<Vec<_>>(), [ALGORITHMS, LEEWAY, JWKS_FILE, ISSUER, AUDIENCE]);
    }

    #[test]
    fn file_twin_that_is_unreadable_is_reported_once() {
        let error = config(&[("PORTCULLIS_ISSUER_FILE", "/nonexistent"), MINIMAL[1], MINIMAL[2]]).unwrap_err();
        assert_eq!(error.fields().collect::<Vec<_>>(), ["PORTCULLIS_ISSUER_FILE"]);
    }

    /// The members whose blank variable counts as not set: places and names, of which the default is as strict.
    const MAY_BE_BLANK: [&str; 13] = [
        "PORTCULLIS_CLIENT_ID",
        "PORTCULLIS_CLIENT_SECRET_FILE",
        "PORTCULLIS_DPOP_NONCE_KEYS_FILE",
        "PORTCULLIS_INTERNAL_ISSUER_URL",
        "PORTCULLIS_INTROSPECTION_URL",
        "PORTCULLIS_KEY_SEED_FILE",
        "PORTCULLIS_METADATA_KIND",
        "PORTCULLIS_METADATA_URL",
        "PORTCULLIS_PROXY",
        "PORTCULLIS_PUBLIC_URL",
        "PORTCULLIS_REALM",
        "PORTCULLIS_REQUEST_HEADERS_FILE",
        "PORTCULLIS_ROOT_CERTIFICATES_FILE",
    ];

    #[test]
    fn blank_variable_that_restricts_is_an_error() {
        let discovered = &MINIMAL[..2];
        for member in MEMBERS {
            for blank in ["", " "] {
                let mut variables = discovered.to_vec();
                variables.retain(|(name, _)| *name != member.variable);
                variables.push((member.variable, blank));
                let read = config(&variables);
                if MAY_BE_BLANK.contains(&member.variable) {
                    assert_eq!(read, config(discovered), "{}", member.variable);
                    continue;
                }
                let error = read.unwrap_err();
                assert_eq!(error.fields().collect::<Vec<_>>(), [member.variable]);
                let problem = if member.required { "not set; " } else { "set, but blank; " };
                assert!(error.to_string().contains(problem), "{error}");
            }
            let Some(twin) = member.file_twin() else { continue };
            let error = config(&[discovered, &[(&twin, "")]].concat());
            assert_eq!(error.is_err(), !member.required && !MAY_BE_BLANK.contains(&member.variable), "{twin}");
        }
        // Another source of keys is named, so a blank one changes nothing.
        assert!(config(&[&MINIMAL[..], &[(SECRET_FILE, "")]].concat()).is_ok());
        // Options next to a preset restrict as well.
        for (name, expected) in [(TYP, Some(TYP)), (ALGORITHMS, Some(ALGORITHMS)), (JWKS_FILE, None)] {
            let read = Config::options_from_variables(|asked| (asked == name).then(String::new));
            assert_eq!(read.err().as_ref().map(ConfigError::field), expected, "{name}");
        }
    }

    #[test]
    fn empty_or_blank_member_is_an_error() {
        for member in MEMBERS {
            let name = member.name;
            let values = match member.form {
                Form::List => vec![json!(""), json!(" "), json!([""]), json!(["a", ""])],
                Form::Flag | Form::Number => vec![json!(""), json!(" ")],
                Form::Text => vec![json!(""), json!(" "), json!("\n")],
            };
            let empty_list = (member.is_list() && !member.required).then(|| json!([]));
            for value in values.into_iter().chain(empty_list) {
                let mut members = json!({"issuer": "i", "audience": "a"});
                members[name] = value;
                assert_eq!(error(&members).fields().collect::<Vec<_>>(), [name], "{members}");
            }
        }
        // Issuer and audience are required, and their empty lists are refused when the verifier is built.
        for name in ["issuer", "audience"] {
            let mut members = json!({"issuer": "i", "audience": "a", "jwks_url": "https://i.example/keys"});
            members[name] = json!([]);
            assert_eq!(read(&members).unwrap().verifier().unwrap_err().field(), name);
        }
    }

    #[test]
    fn variable_is_the_name_in_capitals() {
        for member in MEMBERS {
            assert_eq!(member.variable, format!("PORTCULLIS_{}", member.name.to_uppercase()));
        }
    }
}
