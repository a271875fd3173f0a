//! The flags for members of a configuration, made from the library's table of members.

use clap::builder::{StringValueParser, TypedValueParser as _};
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Args, Command, FromArgMatches};
use portcullis::config::{Member, MemberGroup, members};
use serde_json::{Map, Value};

/// The members that flags set.
pub(crate) struct MemberFlags(Map<String, Value>);

impl MemberFlags {
    /// Returns the members that are set, as a configuration file has them.
    pub(crate) fn set(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Whether a flag sets the member `name`.
    pub(crate) fn sets(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Whether a flag names a source of keys.
    pub(crate) fn set_keys(&self) -> bool {
        key_sources().any(|member| self.sets(member.name()))
    }

    /// Returns the first flag that is set and is about one issuer: its name, its audience or its keys.
    pub(crate) fn of_one_issuer(&self) -> Option<String> {
        let set = members().filter(|member| self.sets(member.name()));
        set.filter(|member| !member.suits_any_issuer()).find_map(flag)
    }
}

/// Returns the flag of `member` with its dashes.
pub(crate) fn flag(member: &Member) -> Option<String> {
    member.flag().map(|(flag, _)| format!("--{flag}"))
}

/// Returns the members about keys: their source, and how they are fetched.
///
/// A flag for keys replaces all of them: what a file says about fetching, for example header fields with a secret, is
/// about the file's own source.
pub(crate) fn about_keys() -> impl Iterator<Item = &'static Member> {
    use MemberGroup::{Discovery, Fetch, KeySource};
    members().filter(|member| matches!(member.group(), Discovery | Fetch | KeySource))
}

fn key_sources() -> impl Iterator<Item = &'static Member> {
    members().filter(|member| member.group() == MemberGroup::KeySource)
}

impl Args for MemberFlags {
    fn augment_args(command: Command) -> Command {
        let sources = ArgGroup::new("KeySource").args(key_sources().map(Member::name)).multiple(false);
        command.args(members().filter_map(arg)).group(sources)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for MemberFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut set = Map::new();
        for member in members().filter(|member| member.flag().is_some()) {
            let mut values: Vec<Value> = matches.get_many(member.name()).into_iter().flatten().cloned().collect();
            let value = if member.is_list() { (!values.is_empty()).then_some(values.into()) } else { values.pop() };
            set.extend(value.map(|value| (member.name().to_owned(), value)));
        }
        Ok(Self(set))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.extend(Self::from_arg_matches(matches)?.0);
        Ok(())
    }
}

/// What the command reads as a source of keys in addition to the library.
const ALSO: [(&str, &str); 2] =
    [("jwks_file", ", or with one public JWK"), ("public_key_file", ", or such a file in DER")];

fn arg(member: &'static Member) -> Option<Arg> {
    let (flag, placeholder) = member.flag()?;
    let also = ALSO.iter().find(|(name, _)| *name == member.name()).map_or("", |(_, also)| also);
    let about = member.about().replace('`', "");
    let about = format!("{}{also}", about.trim_end_matches('.'));
    let (action, help) = if member.is_list() {
        (ArgAction::Append, format!("{about}; repeat for several"))
    } else {
        (ArgAction::Set, about)
    };
    // The parser names the flag; the member's name in the error would only repeat it.
    let parse = |text: String| {
        member.value_of(&text).map_err(|error| {
            let text = error.to_string();
            text.strip_prefix(member.name()).and_then(|text| text.strip_prefix(": ")).unwrap_or(&text).to_owned()
        })
    };
    let parser = StringValueParser::new().try_map(parse);
    let arg = Arg::new(member.name()).long(flag).value_name(placeholder).help(help).action(action);
    Some(arg.value_parser(parser).allow_negative_numbers(true))
}
