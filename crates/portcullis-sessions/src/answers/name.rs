//! The names of questions: texts of the token that a question is about.

use std::hash::{Hash, Hasher};

use quick_cache::{Equivalent, Weighter};

/// A name that is looked up. An absent text and an empty one differ.
///
/// The texts are claims of tokens with a good signature, so it takes a signing key to choose them freely. Users can choose some of
/// them, for example their names. So all bytes are hashed, with a random key that is different in each cache, and all are
/// compared: equal hashes do not mix answers up. The claims name sessions and users, and let no caller in, so they are not secret.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a>(pub(super) &'a [Option<&'a [u8]>]);

/// The name of an entry.
#[derive(Clone, Eq, PartialEq)]
pub(super) struct Name(Box<[Option<Box<[u8]>>]>);

/// The weight of an entry is the memory that it takes, in bytes, but at least `least`, which bounds the number of entries.
#[derive(Clone)]
pub(super) struct Weight {
    pub(super) least: u64,
    /// What an entry takes in addition to its texts.
    pub(super) entry_bytes: usize,
    /// What a text takes in addition to its bytes.
    pub(super) text_bytes: usize,
}

impl Wanted<'_> {
    pub(super) fn to_name(self) -> Name {
        Name(self.0.iter().map(|text| text.map(Into::into)).collect())
    }
}

impl Name {
    fn texts(&self) -> impl Iterator<Item = Option<&[u8]>> {
        self.0.iter().map(Option::as_deref)
    }
}

impl Hash for Wanted<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash(self.0.iter().copied(), state);
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash(self.texts(), state);
    }
}

/// With the lengths, no two lists of texts give the same input.
fn hash<'a>(texts: impl Iterator<Item = Option<&'a [u8]>>, state: &mut impl Hasher) {
    for text in texts {
        state.write_u64(text.map_or(u64::MAX, |text| text.len() as u64));
        state.write(text.unwrap_or_default());
    }
}

impl Equivalent<Name> for Wanted<'_> {
    fn equivalent(&self, name: &Name) -> bool {
        name.texts().eq(self.0.iter().copied())
    }
}

impl<V> Weighter<Name, V> for Weight {
    fn weight(&self, name: &Name, _: &V) -> u64 {
        let of_texts = name.texts().map(|text| self.text_bytes + text.map_or(0, <[u8]>::len)).sum::<usize>();
        ((self.entry_bytes + of_texts) as u64).max(self.least)
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, RandomState};

    use super::*;

    #[test]
    fn each_text_counts() {
        let keyed = RandomState::new();
        let lists: [&[Option<&[u8]>]; 9] = [
            &[],
            &[None],
            &[Some(b"")],
            &[Some(b"ab"), None],
            &[None, Some(b"ab")],
            &[Some(b"ab"), Some(b"")],
            &[Some(b"a"), Some(b"b")],
            &[Some(b""), Some(b"ab")],
            &[Some(b"ab")],
        ];
        for (number, texts) in lists.iter().enumerate() {
            let name = Wanted(texts).to_name();
            for (other, texts) in lists.iter().enumerate() {
                let is_same = number == other;
                assert_eq!(Wanted(texts).equivalent(&name), is_same, "{number}, {other}");
                assert_eq!(Wanted(texts).to_name() == name, is_same, "{number}, {other}");
                assert_eq!(keyed.hash_one(Wanted(texts)) == keyed.hash_one(&name), is_same, "{number}, {other}");
            }
        }
    }

    #[test]
    fn hash_depends_on_every_byte_and_on_the_key_of_the_cache() {
        let text = [b'x'; 300];
        let [first, second] = [(); 2].map(|()| {
            let keyed = quick_cache::DefaultHashBuilder::default();
            let hash = |text: &[u8]| keyed.hash_one(Wanted(&[Some(b"alice"), Some(text), None]));
            for position in 0..text.len() {
                let mut other = text;
                other[position] = b'y';
                assert_ne!(hash(&other), hash(&text), "{position}");
            }
            hash(&text)
        });
        assert_ne!(first, second);
    }
}
