//! An index of a JSON object, made in one pass: where each member starts and ends. No member is decoded twice.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use memchr::memchr;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use smallvec::SmallVec;

use crate::jose::json_plain;

/// How deep objects and arrays may nest. Real tokens stay below ten.
pub(crate) const MAX_DEPTH: usize = 64;

/// Skipping a text of at most this length takes little time.
const SHORT_BYTES: usize = 384;

/// 16 MiB: positions in a shorter text have 24 bits.
pub(super) const SHORT_POSITIONS: usize = 1 << 24;

/// Whether the caller knows that a text nests at most [`MAX_DEPTH`] deep.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Depth {
    Allowed,
    Unknown,
}

/// The index of the members of an object.
pub(super) type Members = SmallVec<[Member; 16]>;

/// The text of a JSON object and an index of its top-level members.
#[derive(Clone)]
pub(crate) struct JsonObject {
    /// The JSON text, then what is kept with it, then the names that were decoded.
    text: String,
    json_bytes: usize,
    kept_end: usize,
    /// Most objects have few members, so their index needs no second piece of memory.
    members: Members,
    /// One bit for each kind of name. Without its bit, a member is absent.
    kinds: u64,
    has_escapes: bool,
}

/// A member of an object. It is small, because the index is moved with its object.
#[derive(Clone, Copy)]
pub(super) struct Member {
    name_start: u32,
    name: NameShape,
    value: Span,
}

impl Member {
    /// The member of `text` with the name and the value at these positions. `None` for a name of 16 MiB.
    fn new(text: &str, name: Span, value: Span) -> Option<Self> {
        Some(Self { name_start: name.start, name: NameShape::of(text.as_bytes().get(name.range())?)?, value })
    }

    /// Like [`Self::new`], of a text that is shorter than [`SHORT_POSITIONS`].
    #[inline(always)]
    pub(super) fn of_short(text: &[u8], name: Range<usize>, value: Range<usize>) -> Option<Self> {
        let [name_start, start, end] = [name.start, value.start, value.end].map(|position| {
            #[allow(clippy::cast_possible_truncation, reason = "the text is shorter")]
            let position = position as u32;
            position
        });
        Some(Self { name_start, name: NameShape::of_short(text.get(name)?), value: Span { start, end } })
    }

    /// The name and the value.
    pub(super) fn of<'t>(&self, text: &'t str) -> (&'t str, &'t str) {
        (self.name_in(text), self.value.of(text))
    }

    /// The bit of the kind of its name.
    pub(super) fn kind(&self) -> u64 {
        self.name.kind()
    }

    /// Whether both have the same name.
    pub(super) fn has_name_of(&self, other: &Self, text: &str) -> bool {
        self.name == other.name && self.name_in(text) == other.name_in(text)
    }

    fn name_in<'t>(&self, text: &'t str) -> &'t str {
        Span { start: self.name_start, end: self.name_start.saturating_add(self.name.length()) }.of(text)
    }
}

/// The length of a name, up to 16 MiB, and a mix of its first and its last byte. It distinguishes most names without a comparison
/// of their texts.
#[derive(Clone, Copy, Eq, PartialEq)]
struct NameShape(u32);

impl NameShape {
    /// `None` for a name of 16 MiB.
    fn of(name: &[u8]) -> Option<Self> {
        (name.len() < SHORT_POSITIONS).then(|| Self::of_short(name))
    }

    /// Of a name that is shorter than [`SHORT_POSITIONS`].
    #[inline(always)]
    fn of_short(name: &[u8]) -> Self {
        let mix = match name {
            [first, .., last] => first.rotate_left(4) ^ last,
            [only] => only.rotate_left(4) ^ only,
            [] => 0,
        };
        #[allow(clippy::cast_possible_truncation, reason = "it is shorter")]
        Self((name.len() as u32) << 8 | u32::from(mix))
    }

    /// One of 64 bits, by which most names differ. The factor is chosen so that the usual claims differ (test).
    fn kind(self) -> u64 {
        1 << (self.0.wrapping_mul(0x87ed_8c03) >> 26)
    }

    fn length(self) -> u32 {
        self.0 >> 8
    }
}

impl JsonObject {
    /// Indexes `bytes`, which must be UTF-8 and one object without duplicate members, nested at most [`MAX_DEPTH`] deep.
    pub(crate) fn parse(bytes: Vec<u8>) -> Result<Self, JsonError> {
        Self::parse_at_most(usize::MAX, Depth::Unknown, bytes)
    }

    /// Like [`Self::parse`], but stops at the first member after `max_members`.
    pub(crate) fn parse_at_most(max_members: usize, depth: Depth, bytes: Vec<u8>) -> Result<Self, JsonError> {
        let (mut object, json_bytes) = (Self::empty(), bytes.len());
        object.fill(max_members, depth, bytes, json_bytes)?;
        Ok(object)
    }

    /// An object without members, which has no text yet.
    pub(crate) fn empty() -> Self {
        Self { text: String::new(), json_bytes: 0, kept_end: 0, members: Members::new(), kinds: 0, has_escapes: false }
    }

    /// Indexes the first `json_bytes` of `bytes`. What is after them is kept, and not read. An object is large, so it is
    /// filled where it is.
    pub(crate) fn fill(
        &mut self,
        max_members: usize,
        depth: Depth,
        bytes: Vec<u8>,
        json_bytes: usize,
    ) -> Result<(), JsonError> {
        self.text = String::from_utf8(bytes).map_err(|_| JsonError::NotJson)?;
        (self.json_bytes, self.kept_end) = (json_bytes, self.text.len());
        // `None` if a character ends after the object.
        let text = self.text.get(..json_bytes).ok_or(JsonError::NotJson)?;
        match json_plain::index(text, max_members, &mut self.members) {
            Some(kinds) => {
                self.kinds = kinds;
                Ok(())
            }
            None => self.fill_general(max_members, depth),
        }
    }

    /// Indexes any text.
    #[cold]
    #[inline(never)]
    fn fill_general(&mut self, max_members: usize, depth: Depth) -> Result<(), JsonError> {
        let text = self.text.get(..self.json_bytes).unwrap_or_default();
        if depth == Depth::Unknown && depth_exceeds(text.as_bytes(), MAX_DEPTH) {
            return Err(JsonError::TooDeep);
        }
        // Of a short text that is not JSON, skipping it takes less memory than beginning its index.
        if text.len() <= SHORT_BYTES && serde_json::from_str::<IgnoredAny>(text).is_err() {
            return Err(JsonError::NotAnObject);
        }
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let Index { members, decoded_names } =
            IndexSeed { text, max_members }.deserialize(&mut deserializer).map_err(|_| JsonError::NotAnObject)?;
        deserializer.end().map_err(|_| JsonError::NotJson)?;
        self.has_escapes = memchr(b'\\', text.as_bytes()).is_some();
        self.members = members;
        for (position, name) in decoded_names {
            let added = self.add_name(&name).ok_or(JsonError::NotAnObject)?;
            let name = NameShape::of(name.as_bytes()).ok_or(JsonError::NotAnObject)?;
            if let Some(member) = self.members.get_mut(position) {
                (member.name_start, member.name) = (added.start, name);
            }
        }
        if self.has_duplicates() {
            return Err(JsonError::DuplicateMember);
        }
        self.kinds = self.members.iter().fold(0, |kinds, member| kinds | member.name.kind());
        Ok(())
    }

    /// How much memory the object takes, in bytes.
    pub(crate) fn memory(&self) -> usize {
        let index = if self.members.spilled() { self.members.capacity() * size_of::<Member>() } else { 0 };
        self.text.capacity() + index
    }

    /// The text of the object.
    pub(crate) fn text(&self) -> &str {
        self.text.get(..self.json_bytes).unwrap_or_default()
    }

    /// What is kept after the object.
    pub(crate) fn kept(&self) -> &str {
        self.text.get(self.json_bytes..self.kept_end).unwrap_or_default()
    }

    /// Adds a decoded name to the text. Returns its position, or `None` beyond 4 GiB.
    fn add_name(&mut self, name: &str) -> Option<Span> {
        let (start, end) = (self.text.len(), self.text.len().checked_add(name.len())?);
        let position = Span::new(start, end)?;
        self.text.push_str(name);
        Some(position)
    }

    /// The JSON text of the value of the member `name`.
    #[inline]
    pub(crate) fn raw(&self, name: &str) -> Option<&str> {
        self.position(name).map(|value| self.at(value))
    }

    /// The position of the value of the member `name`.
    #[inline]
    pub(crate) fn position(&self, name: &str) -> Option<Span> {
        // Of a literal name, the compiler knows the shape. Most calls are for members that are absent.
        let shape = NameShape::of(name.as_bytes())?;
        if self.kinds & shape.kind() == 0 { None } else { self.position_of(shape, name) }
    }

    /// The position of the value of the member `name`, which has this shape.
    #[inline(never)]
    fn position_of(&self, shape: NameShape, name: &str) -> Option<Span> {
        let is_named = |member: &&Member| {
            let start = member.name_start as usize;
            member.name == shape && self.text.as_bytes().get(start..start + name.len()) == Some(name.as_bytes())
        };
        self.members.iter().find(is_named).map(|member| member.value)
    }

    /// The positions of the values of the members with these names, of three characters each, in one pass.
    #[inline]
    pub(crate) fn positions<const N: usize>(&self, names: [&[u8; 3]; N]) -> [Option<Span>; N] {
        let mut found = [None; N];
        for member in &self.members {
            let start = member.name_start as usize;
            if member.name.length() == 3
                && let Some(name) = self.text.as_bytes().get(start..start + 3)
                && let Some(position) = names.iter().position(|wanted| name == *wanted)
                && let Some(found) = found.get_mut(position)
            {
                *found = Some(member.value);
            }
        }
        found
    }

    /// The JSON text of a value.
    #[inline]
    pub(crate) fn at(&self, value: Span) -> &str {
        value.of(&self.text)
    }

    /// Reads the value at a position as a string.
    pub(crate) fn string_at(&self, value: Span) -> Option<Text> {
        // Only a string starts with a quote. Then it also ends with one.
        if self.text.as_bytes().get(value.start as usize) != Some(&b'"') {
            return None;
        }
        if self.has_escapes {
            let text = self.at(value);
            if memchr(b'\\', text.as_bytes()).is_some() {
                return serde_json::from_str::<String>(text).ok().map(|owned| Text::Owned(owned.into()));
            }
        }
        Some(Text::Span(Span { start: value.start + 1, end: value.end.saturating_sub(1) }))
    }

    /// The name and the JSON text of each member, in the order of the text.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.members.iter().map(|member| member.of(&self.text))
    }

    /// Reads `value`, which [`Self::raw`] returned, as a string.
    pub(crate) fn string(&self, value: &str) -> Option<Text> {
        self.string_at(Span::within(self.text(), value)?)
    }

    /// Reads the member `name` as a string: `Ok(None)` when it is absent, an error when it is not a string.
    pub(crate) fn optional_string(&self, name: &str) -> Result<Option<Text>, WrongType> {
        match self.raw(name) {
            None => Ok(None),
            Some(value) => self.string(value).map(Some).ok_or(WrongType),
        }
    }

    /// Like [`Self::string_at`], but an integer counts as its decimal text. An integer in JSON has exactly one, apart from `-0`.
    pub(crate) fn string_or_integer_at(&self, value: Span) -> Option<Text> {
        let text = self.at(value);
        let digits = text.strip_prefix('-').unwrap_or(text);
        let is_integer = text != "-0" && !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if is_integer { Some(Text::Span(value)) } else { self.string_at(value) }
    }

    /// Parses any text without [`json_plain`].
    #[cfg(test)]
    pub(super) fn parse_general(text: &str) -> Option<Self> {
        let mut object = Self { text: text.to_owned(), json_bytes: text.len(), ..Self::empty() };
        object.fill_general(usize::MAX, Depth::Unknown).ok().map(|()| object)
    }

    fn has_duplicates(&self) -> bool {
        // For a few dozen members, comparing pairs is faster than hashing.
        if self.members.len() <= 24 {
            return self.members.iter().enumerate().any(|(position, member)| {
                self.members.iter().skip(position + 1).any(|other| other.has_name_of(member, &self.text))
            });
        }
        let mut seen = HashSet::with_capacity(self.members.len());
        !self.members.iter().all(|member| seen.insert(member.name_in(&self.text)))
    }
}

/// The error for a member of the wrong JSON type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WrongType;

/// Why a text is not a usable JSON object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum JsonError {
    DuplicateMember,
    NotAnObject,
    NotJson,
    TooDeep,
}

/// A string of a JSON text: a slice of the text, or a copy when it has escapes.
#[derive(Clone)]
pub(crate) enum Text {
    Owned(Box<str>),
    Span(Span),
}

impl Text {
    /// How much memory it takes apart from the value itself, in bytes.
    pub(crate) fn memory(&self) -> usize {
        match self {
            Self::Owned(owned) => owned.len(),
            Self::Span(_) => 0,
        }
    }

    /// Returns the string. `text` is the text that it was read from.
    pub(crate) fn of<'a>(&'a self, text: &'a str) -> &'a str {
        match self {
            Self::Owned(owned) => owned,
            Self::Span(span) => span.of(text),
        }
    }
}

/// The position of a slice in a text.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Span {
    /// From `start` to before `end`. `None` beyond 4 GiB.
    pub(super) fn new(start: usize, end: usize) -> Option<Self> {
        Some(Self { start: u32::try_from(start).ok()?, end: u32::try_from(end).ok()? })
    }

    /// Finds the position of `piece`, which must be a slice of `text`.
    fn within(text: &str, piece: &str) -> Option<Self> {
        let start = (piece.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
        let end = start.checked_add(piece.len())?;
        if end > text.len() {
            return None;
        }
        Self::new(start, end)
    }

    fn of(self, text: &str) -> &str {
        text.get(self.range()).unwrap_or_default()
    }

    fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// Whether objects and arrays nest deeper than `limit`.
pub(crate) fn depth_exceeds(json: &[u8], limit: usize) -> bool {
    // With at most `limit` opening brackets no check of the nesting is needed, and most texts have fewer.
    if opening_brackets(json) <= limit {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in json {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > limit {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// Counts `{` and `[`, which differ in one bit. The count of a run fits a byte, so the compiler can use vector
/// instructions.
fn opening_brackets(json: &[u8]) -> usize {
    let in_run = |run: &[u8]| run.iter().map(|byte| u8::from(byte | 0x20 == b'{')).sum::<u8>();
    json.chunks(255).map(|run| usize::from(in_run(run))).sum()
}

struct IndexSeed<'t> {
    text: &'t str,
    max_members: usize,
}

/// The members of an object.
struct Index {
    members: Members,
    /// The names that have escapes, and the positions of their members.
    decoded_names: Vec<(usize, String)>,
}

impl<'de> DeserializeSeed<'de> for IndexSeed<'de> {
    type Value = Index;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for IndexSeed<'de> {
    type Value = Index;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let outside = || serde::de::Error::custom("not a slice of the text");
        let too_many = || serde::de::Error::custom("too many members");
        let (mut members, mut decoded_names) = (SmallVec::new(), Vec::new());
        while let Some(Name(name)) = map.next_key::<Name<'de>>()? {
            if members.len() == self.max_members {
                return Err(too_many());
            }
            let value = map.next_value::<&'de RawValue>()?.get();
            let name = match name {
                Cow::Borrowed(name) => Span::within(self.text, name).ok_or_else(outside)?,
                Cow::Owned(name) => {
                    decoded_names.push((members.len(), name));
                    Span { start: 0, end: 0 }
                }
            };
            let value = Span::within(self.text, value).ok_or_else(outside)?;
            members.push(Member::new(self.text, name, value).ok_or_else(outside)?);
        }
        // The index of a large object may be cached for long.
        if members.len() > 64 {
            members.shrink_to_fit();
        }
        Ok(Index { members, decoded_names })
    }
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<JsonObject, JsonError> {
        JsonObject::parse(text.as_bytes().to_vec())
    }

    #[test]
    fn usual_claims_have_different_kinds() {
        let names = "iss sub aud exp nbf iat jti scope scp azp sid client_id permissions org_id email email_verified name roles \
            groups tid oid ver auth_time nonce typ acr act cnf events";
        let kinds = names.split_whitespace().map(|name| NameShape::of(name.as_bytes()).unwrap().kind());
        assert_eq!(kinds.clone().fold(0, |all, kind| all | kind).count_ones() as usize, kinds.count());
    }

    #[test]
    fn members_are_found_by_name() {
        let object = parse(r#" { "a" : "x\/y", "b":[1, 2],"\u0063":null } "#).ok().unwrap();
        assert_eq!(object.raw("a"), Some(r#""x\/y""#));
        assert_eq!(object.raw("b"), Some("[1, 2]"));
        assert_eq!(object.raw("c"), Some("null"));
        assert_eq!(object.raw("d"), None);
        let a = object.optional_string("a").ok().flatten().unwrap();
        assert_eq!(a.of(object.text()), "x/y");
        assert!(object.optional_string("b").is_err());
    }

    #[test]
    fn duplicate_members_are_refused() {
        assert_eq!(parse(r#"{"a":1,"a":1}"#).err(), Some(JsonError::DuplicateMember));
        assert_eq!(parse(r#"{"a":1,"\u0061":1}"#).err(), Some(JsonError::DuplicateMember));
        let many: Vec<String> = (0..100).map(|n| format!("\"m{n}\":0")).collect();
        assert!(parse(&format!("{{{}}}", many.join(","))).is_ok());
        let twice = format!("{{{},\"m7\":0}}", many.join(","));
        assert_eq!(parse(&twice).err(), Some(JsonError::DuplicateMember));
    }

    #[test]
    fn only_one_object_is_accepted() {
        for text in ["", "null", "[]", "\"a\"", "{", "{}x", "{} {}", "{\"a\":}", "{\"a\":1,}", "{'a':1}"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(JsonObject::parse(b"{\"a\":\"\xff\"}".to_vec()).is_err());
        assert!(JsonObject::parse(b"\xef\xbb\xbf{}".to_vec()).is_err());
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&nested(MAX_DEPTH - 1)).is_ok());
        assert_eq!(parse(&nested(MAX_DEPTH)).err(), Some(JsonError::TooDeep));
        assert_eq!(parse(&nested(100_000)).err(), Some(JsonError::TooDeep));
        assert!(parse(&format!("{{\"a\":\"\\\"{}\"}}", "[".repeat(1_000))).is_ok());
    }
}
