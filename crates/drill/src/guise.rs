//! What browsers look like: a handful of kinds as common as they are, each with the headers that it
//! sends in its order, and a language. People draw from them, and so do bots that pass for people;
//! then nothing but what they do tells the two apart.

use crate::{chance::Chance, target::Source};

/// Header fields of one browser.
pub(crate) type Fields = Vec<(&'static str, &'static str)>;

/// A kind of browser: of a hundred how many, and its fields. The language is put in by whoever
/// draws.
struct Kind {
    of_hundred: u64,
    fields: &'static [(&'static str, &'static str)],
}

const PAGE: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const PAGE_CHROME: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,\
                           image/webp,*/*;q=0.8";
/// Nothing is compressed, so that the drill can read it.
const PLAIN: (&str, &str) = ("Accept-Encoding", "identity");
/// What browsers truly accept: bots do not read what they are sent.
pub(crate) const PACKED: &str = "gzip, deflate, br, zstd";
const LANGUAGE: (&str, &str) = ("Accept-Language", "");

const CHROME_WINDOWS: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 \
                              (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
const CHROME_ANDROID: &str = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like \
                              Gecko) Chrome/142.0.0.0 Mobile Safari/537.36";
const SAFARI_PHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) \
                            AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 \
                            Safari/604.1";
const FIREFOX_LINUX: &str =
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";

const KINDS: [Kind; 4] = [
    Kind {
        of_hundred: 35,
        fields: &[
            ("sec-ch-ua", "\"Chromium\";v=\"142\", \"Not_A Brand\";v=\"99\""),
            ("sec-ch-ua-mobile", "?1"),
            ("sec-ch-ua-platform", "\"Android\""),
            ("Upgrade-Insecure-Requests", "1"),
            ("User-Agent", CHROME_ANDROID),
            ("Accept", PAGE_CHROME),
            ("Sec-Fetch-Site", "none"),
            ("Sec-Fetch-Mode", "navigate"),
            ("Sec-Fetch-User", "?1"),
            ("Sec-Fetch-Dest", "document"),
            PLAIN,
            LANGUAGE,
        ],
    },
    Kind {
        of_hundred: 25,
        fields: &[
            ("sec-ch-ua", "\"Chromium\";v=\"142\", \"Not_A Brand\";v=\"99\""),
            ("sec-ch-ua-mobile", "?0"),
            ("sec-ch-ua-platform", "\"Windows\""),
            ("Upgrade-Insecure-Requests", "1"),
            ("User-Agent", CHROME_WINDOWS),
            ("Accept", PAGE_CHROME),
            ("Sec-Fetch-Site", "none"),
            ("Sec-Fetch-Mode", "navigate"),
            ("Sec-Fetch-User", "?1"),
            ("Sec-Fetch-Dest", "document"),
            PLAIN,
            LANGUAGE,
        ],
    },
    Kind {
        of_hundred: 25,
        fields: &[
            ("Sec-Fetch-Dest", "document"),
            ("User-Agent", SAFARI_PHONE),
            ("Accept", PAGE),
            ("Sec-Fetch-Site", "none"),
            ("Sec-Fetch-Mode", "navigate"),
            LANGUAGE,
            ("Priority", "u=0, i"),
            PLAIN,
        ],
    },
    Kind {
        of_hundred: 15,
        fields: &[
            ("User-Agent", FIREFOX_LINUX),
            ("Accept", PAGE),
            LANGUAGE,
            PLAIN,
            ("Upgrade-Insecure-Requests", "1"),
            ("Sec-Fetch-Dest", "document"),
            ("Sec-Fetch-Mode", "navigate"),
            ("Sec-Fetch-Site", "none"),
            ("Sec-Fetch-User", "?1"),
        ],
    },
];

/// Languages, common ones more often.
const LANGUAGES: [&str; 8] = [
    "en-GB,en;q=0.9",
    "en-GB,en;q=0.9",
    "en-US,en;q=0.9",
    "en-US,en;q=0.9",
    "de-DE,de;q=0.9,en;q=0.7",
    "fr-FR,fr;q=0.9,en;q=0.7",
    "nl-NL,nl;q=0.9,en;q=0.7",
    "da-DK,da;q=0.9,en;q=0.7",
];

/// The browser of one of the people, or of who passes for one.
pub(crate) fn drawn(chance: &mut Chance) -> Fields {
    let mut lot = chance.below(100);
    let kind = KINDS.iter().find(|kind| {
        let is_it = lot < kind.of_hundred;
        lot = lot.saturating_sub(kind.of_hundred);
        is_it
    });
    let language = chance.one(&LANGUAGES).copied().unwrap_or("en");
    let fields = kind.map_or(&[][..], |kind| kind.fields);
    let spoken = |&(name, value)| (name, if name == LANGUAGE.0 { language } else { value });
    fields.iter().map(spoken).collect()
}

/// The browser at an address: the same each time.
pub(crate) fn of(source: Source) -> Fields {
    drawn(&mut Chance::fork(u64::from(source.number()), "guise"))
}

/// The same browser where nobody reads what comes: it takes pages compressed.
pub(crate) fn packed(fields: Fields) -> Fields {
    let taken = |(name, value)| (name, if name == PLAIN.0 { PACKED } else { value });
    fields.into_iter().map(taken).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_as_common_as_they_are_and_each_speaks_a_language() {
        assert_eq!(KINDS.iter().map(|kind| kind.of_hundred).sum::<u64>(), 100);
        let mut chance = Chance::new(4);
        let all: Vec<Fields> = (0..1_000).map(|_| drawn(&mut chance)).collect();
        let firefox = all.iter().filter(|fields| fields.contains(&("User-Agent", FIREFOX_LINUX)));
        assert!((80..250).contains(&firefox.count()));
        for fields in &all {
            assert!(fields.iter().any(|(name, value)| *name == LANGUAGE.0 && value.len() > 4));
            assert!(fields.contains(&PLAIN));
        }
        assert_eq!(of(Source::new(1, 2, 3)), of(Source::new(1, 2, 3)));
    }
}
