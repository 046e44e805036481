//! How keys are declared: once, with name, kind, default and documentation. From one declaration
//! come the types that the rest of the server reads, the parser, the commented file and the page
//! of documentation. Leaves the keys themselves to `keys`, and the kinds of values to `kinds`.

use super::kinds::Kind;
use std::collections::BTreeSet;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// A section of the file, as documentation.
pub(crate) struct Section {
    pub name: &'static str,
    /// What it is about, by lines of its documentation comment.
    pub about: &'static [&'static str],
    pub keys: Vec<Key>,
}

/// A key, as documentation.
pub(crate) struct Key {
    pub name: &'static str,
    /// Lines of its documentation comment; the first is the short form.
    pub text: &'static [&'static str],
    /// What its values are, for people.
    pub is: String,
    /// Its default in TOML; none where it is unset by default.
    pub default: Option<String>,
    /// A value in TOML for who wants to set it.
    pub like: Option<&'static str>,
}

/// Declares the sections and their keys. `like` gives an example where there is no default.
macro_rules! configuration {
    ($(
        $(#[doc = $about:literal])+
        $section:ident: $Section:ident {
            $(
                $(#[doc = $text:literal])+
                $key:ident: $kind:ty = $default:expr $(, like $like:literal)?;
            )*
        }
    )*) => {
        /// The whole configuration.
        #[derive(Clone, Debug)]
        pub(crate) struct Config {
            $( $(#[doc = $about])+ pub $section: $Section, )*
        }

        $(
            $(#[doc = $about])+
            #[derive(Clone, Debug)]
            pub(crate) struct $Section {
                $( $(#[doc = $text])+ pub $key: $kind, )*
            }
        )*

        /// Reads every key, and notes in `file` what cannot be used.
        pub(super) fn read(file: &mut $crate::config::declare::Reader<'_>) -> Config {
            file.sections(&[$( (stringify!($section), &[$( stringify!($key) ),*]) ),*]);
            Config {
                $( $section: $Section {
                    $( $key: file.take(stringify!($section), stringify!($key), || $default), )*
                }, )*
            }
        }

        /// The declarations, for whoever writes about them.
        pub(super) fn declared() -> Vec<$crate::config::declare::Section> {
            vec![$( $crate::config::declare::Section {
                name: stringify!($section),
                about: &[$( $about ),+],
                keys: vec![$( {
                    let default: $kind = $default;
                    $crate::config::declare::Key {
                        name: stringify!($key),
                        text: &[$( $text ),+],
                        is: <$kind as $crate::config::kinds::Kind>::is(),
                        default: $crate::config::kinds::Kind::show(&default),
                        like: None $( .or(Some($like)) )?,
                    }
                } ),*],
            } ),*]
        }
    };
}
pub(super) use configuration;

/// Names of a section and its keys.
type Known = [(&'static str, &'static [&'static str])];

/// A parsed file while it is read. Everything that is wrong is gathered, so that one run says all.
pub(crate) struct Reader<'i> {
    text: &'i str,
    table: DeTable<'i>,
    problems: BTreeSet<(usize, String)>,
}

impl<'i> Reader<'i> {
    /// Over a file's text.
    ///
    /// # Errors
    /// When it is no TOML. The offending line is not repeated: it may hold a password.
    pub(super) fn new(text: &'i str) -> Result<Self, String> {
        match DeTable::parse(text) {
            Ok(table) => {
                Ok(Self { text, table: table.into_inner(), problems: BTreeSet::default() })
            }
            Err(error) => {
                let line = error.span().map_or(1, |span| line_of(text, span.start));
                Err(format!("line {line}: not TOML: {}", error.message()))
            }
        }
    }

    /// Notes sections and keys that nobody declared.
    pub(super) fn sections(&mut self, known: &Known) {
        let mut found = Vec::new();
        for (name, value) in &self.table {
            let (at, name) = (name.span().start, name.get_ref().as_ref());
            let Some((section, keys)) = known.iter().find(|(section, _)| *section == name) else {
                found.push((at, unknown_section(name, known)));
                continue;
            };
            match value.get_ref() {
                DeValue::Table(table) => {
                    for key in table.keys().filter(|key| !keys.contains(&key.get_ref().as_ref())) {
                        let why = unknown_key(section, key.get_ref(), known);
                        found.push((key.span().start, why));
                    }
                }
                _ => found.push((at, format!("`{section}` is a section: write [{section}]"))),
            }
        }
        for (at, why) in found {
            self.problem(at, why);
        }
    }

    /// The value of a key, or its default; also the default where the value cannot be used.
    pub(super) fn take<K: Kind>(
        &mut self,
        section: &str,
        key: &str,
        default: impl FnOnce() -> K,
    ) -> K {
        let Some(value) = self.value(section, key) else { return default() };
        match K::read(value.get_ref()) {
            Ok(read) => read,
            Err(why) => {
                let at = value.span().start;
                self.problem(at, format!("`{section}.{key}` must be {}{why}", K::is()));
                default()
            }
        }
    }

    fn value(&self, section: &str, key: &str) -> Option<&Spanned<DeValue<'i>>> {
        self.table.get(section)?.get_ref().as_table()?.get(key)
    }

    fn problem(&mut self, at: usize, why: String) {
        self.problems.insert((line_of(self.text, at), why));
    }

    /// What is wrong, by lines.
    pub(super) fn problems(self) -> Vec<String> {
        self.problems.into_iter().map(|(line, why)| format!("line {line}: {why}")).collect()
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

fn unknown_section(name: &str, known: &Known) -> String {
    let names: Vec<&str> = known.iter().map(|(section, _)| *section).collect();
    match nearest(name, names.iter().copied()) {
        Some(near) => format!("there is no section [{name}]; did you mean [{near}]?"),
        None => format!("there is no section [{name}]; there are {}", names.join(", ")),
    }
}

fn unknown_key(section: &str, key: &str, known: &Known) -> String {
    let here = known.iter().find(|(name, _)| *name == section).map_or(&[][..], |(_, keys)| *keys);
    if let Some(near) = nearest(key, here.iter().copied()) {
        return format!("there is no key `{section}.{key}`; did you mean `{near}`?");
    }
    let elsewhere = known.iter().find(|(_, keys)| keys.contains(&key));
    match elsewhere {
        Some((other, _)) => {
            format!("there is no key `{section}.{key}`; `{key}` belongs in [{other}]")
        }
        None => {
            format!("there is no key `{section}.{key}`; [{section}] has {}", here.join(", "))
        }
    }
}

/// The name that was probably meant: at most a third of its letters away.
fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let close = names.map(|name| (distance(word, name), name));
    let (distance, name) = close.min()?;
    (distance <= name.len().div_ceil(3)).then_some(name)
}

/// Edits between two words (Levenshtein), by one row of the table at a time.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (line, a) in one.chars().take(64).enumerate() {
        let mut diagonal = line;
        let mut left = line + 1;
        for (cell, b) in row.iter_mut().skip(1).zip(other.chars()) {
            let change = diagonal + usize::from(a != b);
            diagonal = *cell;
            left = change.min(*cell + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_meant_name_is_found_and_no_other() {
        let near = |word| nearest(word, ["open", "domain", "listen"].into_iter());
        assert_eq!(near("opne"), Some("open"));
        assert_eq!(near("domian"), Some("domain"));
        assert_eq!(near("Listen"), Some("listen"));
        assert_eq!(near("colour"), None);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }
}
