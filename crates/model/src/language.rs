//! Languages: ISO 639 codes, and a guess where the author gave none.

use crate::limits::{LANGUAGE_CODE_BYTES, LANGUAGE_SAMPLE_BYTES};
use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::LazyLock,
};
use whatlang::{Detector, Lang};

/// Whether a text is a language code (`de`, `pt-BR`, `zh-Hant`), short enough to store.
pub fn is_code(text: &str) -> bool {
    if text.len() > LANGUAGE_CODE_BYTES {
        return false;
    }
    let mut parts = text.split('-');
    let first = parts.next().unwrap_or("");
    (2..=3).contains(&first.len())
        && first.bytes().all(|b| b.is_ascii_lowercase())
        && parts.all(|p| (2..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// The code that an app means: as Mastodon reads it, a code that is none counts by its first part
/// (`en_US`, which Java's locales are called, is `en`), and what then is none is left out.
pub fn meant(text: &str) -> Option<String> {
    let text = text.trim();
    if is_code(text) {
        return Some(text.to_owned());
    }
    let first = text.split(['-', '_']).next().unwrap_or("").to_ascii_lowercase();
    is_code(&first).then_some(first)
}

/// The language of a text, where that can be told with confidence. Two-letter code.
///
/// Comparing with every profile of a script costs some 60 us, and with four of them some 20, more
/// than storing the post does. So common words name the likely languages first, and only their
/// profiles are compared; where all but a few of those words are of one language, none is.
pub fn guess(text: &str) -> Option<&'static str> {
    let sample = text.get(..text.floor_char_boundary(LANGUAGE_SAMPLE_BYTES))?;
    let found = match likely(sample) {
        Likely::One(language) => return code(language),
        Likely::Among(languages) => Detector::with_allowlist(languages.to_vec()).detect(sample)?,
        Likely::Any => whatlang::detect(sample)?,
    };
    if found.is_reliable() { code(found.lang()) } else { None }
}

fn code(language: Lang) -> Option<&'static str> {
    CODES.iter().find(|(three, _)| *three == language.code()).map(|(_, two)| *two)
}

/// How many languages are compared closely: the winner needs rivals, or every guess is certain.
const RIVALS: usize = 4;
/// Common words of a language, repeated ones too, from which on it may be named without a closer
/// look.
const CERTAIN_WORDS: u32 = 4;
/// One word in so many must then be one of them; in a text of that language one in five is.
const CERTAIN_SHARE: u32 = 8;
/// The next language has at most one of them for so many.
const CERTAIN_LEAD: u32 = 4;

/// What common words say about the language of a text.
enum Likely {
    /// This one.
    One(Lang),
    /// One of these.
    Among([Lang; RIVALS]),
    /// Nothing: there are too few of them, or the text is not mostly in Latin letters.
    Any,
}

/// Whether nine letters in ten are Latin ones.
fn is_latin(sample: &str) -> bool {
    if sample.is_ascii() {
        return true;
    }
    let letters = || sample.chars().filter(|c| c.is_alphabetic());
    let latin =
        letters().filter(|c| *c < '\u{250}' || ('\u{1e00}'..'\u{1f00}').contains(c)).count();
    latin * 10 >= letters().count() * 9
}

/// The languages whose common words the sample holds, most words first.
fn likely(sample: &str) -> Likely {
    if !is_latin(sample) {
        return Likely::Any;
    }
    let mut hits = [0_u32; COMMON.len()];
    let mut words = 0_u32;
    let lower = sample.to_lowercase();
    for word in lower.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()) {
        words += 1;
        for &at in places(word) {
            if let Some(hit) = hits.get_mut(at) {
                *hit += 1;
            }
        }
    }
    let mut order: [(u32, Lang); COMMON.len()] =
        std::array::from_fn(|at| COMMON.get(at).map_or((0, Lang::Eng), |(lang, _)| (0, *lang)));
    for (place, hits) in order.iter_mut().zip(hits) {
        place.0 = hits;
    }
    // Stable: languages without a hit stay in the table's order, the widest spoken first.
    order.sort_by_key(|(hits, _)| std::cmp::Reverse(*hits));
    let [(most, first), (next, second), (_, third), (_, fourth), ..] = order;
    if most >= CERTAIN_WORDS && most * CERTAIN_SHARE >= words && next * CERTAIN_LEAD <= most {
        return Likely::One(first);
    }
    if most < 2 { Likely::Any } else { Likely::Among([first, second, third, fourth]) }
}

/// The places in the table of the languages that have this word among their common ones.
fn places(word: &str) -> &'static [usize] {
    WORDS.get(word).map_or(&[], Vec::as_slice)
}

/// For every common word the places in the table of the languages that have it.
static WORDS: LazyLock<HashMap<&str, Vec<usize>, BuildHasherDefault<Folded>>> =
    LazyLock::new(|| {
        let mut places: HashMap<&str, Vec<usize>, _> = HashMap::default();
        for (at, (_, words)) in COMMON.iter().enumerate() {
            for word in words {
                places.entry(*word).or_default().push(at);
            }
        }
        places
    });

/// FNV-1a. The words in the map are ours, so nobody can choose some that meet in it, and the usual
/// hasher costs more than all else that is done with a short word.
/// Source: <https://datatracker.ietf.org/doc/html/draft-eastlake-fnv>.
struct Folded(u64);

impl Default for Folded {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Folded {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

/// Short words that nearly every longer text of a language holds, and few of its neighbours.
const COMMON: [(Lang, [&str; 12]); 24] = [
    (Lang::Eng, ["the", "and", "of", "to", "is", "in", "that", "for", "you", "it", "with", "this"]),
    (Lang::Spa, ["que", "de", "la", "el", "en", "los", "una", "por", "con", "para", "es", "pero"]),
    (
        Lang::Deu,
        ["der", "die", "und", "das", "ist", "nicht", "ich", "ein", "den", "mit", "es", "auf"],
    ),
    (Lang::Fra, ["le", "la", "les", "et", "des", "est", "que", "une", "pas", "pour", "dans", "je"]),
    (
        Lang::Por,
        ["que", "de", "não", "uma", "os", "para", "com", "em", "um", "mais", "por", "você"],
    ),
    (Lang::Ita, ["che", "di", "il", "la", "non", "per", "una", "sono", "con", "del", "è", "anche"]),
    (Lang::Nld, ["de", "het", "een", "van", "en", "ik", "niet", "dat", "is", "op", "voor", "met"]),
    (Lang::Swe, ["och", "att", "det", "är", "som", "på", "en", "jag", "inte", "för", "av", "med"]),
    (Lang::Dan, ["og", "det", "er", "at", "en", "af", "ikke", "jeg", "til", "på", "som", "hvad"]),
    (Lang::Nob, ["og", "det", "er", "som", "ikke", "jeg", "på", "til", "av", "en", "for", "hva"]),
    (Lang::Pol, ["nie", "to", "się", "na", "jest", "że", "do", "co", "jak", "za", "ale", "już"]),
    (Lang::Ces, ["je", "se", "na", "to", "že", "ale", "jsem", "ve", "by", "si", "jako", "který"]),
    (Lang::Slk, ["je", "sa", "na", "to", "že", "ale", "som", "vo", "by", "si", "ako", "ktorý"]),
    (Lang::Hun, ["az", "és", "hogy", "nem", "egy", "is", "de", "ez", "van", "meg", "csak", "már"]),
    (Lang::Ron, ["și", "de", "nu", "la", "în", "că", "cu", "este", "pe", "mai", "din", "pentru"]),
    (
        Lang::Tur,
        ["bir", "ve", "bu", "için", "de", "da", "ne", "çok", "ben", "gibi", "daha", "değil"],
    ),
    (
        Lang::Fin,
        ["ja", "on", "ei", "se", "että", "en", "mutta", "ole", "niin", "hän", "oli", "kun"],
    ),
    (Lang::Est, ["ja", "on", "ei", "see", "et", "ma", "aga", "ka", "oli", "kui", "mis", "nii"]),
    (Lang::Hrv, ["je", "se", "da", "na", "su", "nije", "za", "ali", "što", "kao", "sam", "od"]),
    (Lang::Slv, ["je", "in", "da", "se", "na", "ni", "pa", "za", "ki", "so", "sem", "tudi"]),
    (Lang::Lit, ["ir", "kad", "yra", "ne", "tai", "kaip", "su", "bet", "aš", "jau", "iš", "dar"]),
    (Lang::Lav, ["un", "ir", "ka", "es", "ar", "nav", "tas", "bet", "kas", "no", "lai", "viņš"]),
    (
        Lang::Ind,
        [
            "yang", "dan", "di", "itu", "dengan", "untuk", "tidak", "ini", "dari", "saya", "ada",
            "akan",
        ],
    ),
    (
        Lang::Vie,
        ["và", "là", "của", "không", "có", "một", "cho", "tôi", "được", "này", "với", "người"],
    ),
];

/// ISO 639-3 to 639-1, for the languages that the guesser knows and that have a two-letter code.
const CODES: [(&str, &str); 40] = [
    ("eng", "en"),
    ("deu", "de"),
    ("fra", "fr"),
    ("spa", "es"),
    ("por", "pt"),
    ("ita", "it"),
    ("nld", "nl"),
    ("rus", "ru"),
    ("ukr", "uk"),
    ("pol", "pl"),
    ("ces", "cs"),
    ("slk", "sk"),
    ("swe", "sv"),
    ("dan", "da"),
    ("nob", "no"),
    ("fin", "fi"),
    ("est", "et"),
    ("lav", "lv"),
    ("lit", "lt"),
    ("hun", "hu"),
    ("ron", "ro"),
    ("bul", "bg"),
    ("srp", "sr"),
    ("hrv", "hr"),
    ("slv", "sl"),
    ("ell", "el"),
    ("tur", "tr"),
    ("ara", "ar"),
    ("heb", "he"),
    ("pes", "fa"),
    ("urd", "ur"),
    ("hin", "hi"),
    ("ben", "bn"),
    ("tam", "ta"),
    ("tha", "th"),
    ("vie", "vi"),
    ("ind", "id"),
    ("cmn", "zh"),
    ("jpn", "ja"),
    ("kor", "ko"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_guesses() {
        for good in ["en", "pt-BR", "zh-Hant", "ast"] {
            assert!(is_code(good), "{good}");
        }
        for bad in ["", "e", "EN", "english", "en-", "en_US", "<b"] {
            assert!(!is_code(bad), "{bad}");
        }
        // Every part has the right form, and there is no end of them.
        assert!(is_code(&format!("de{}", "-abcdefgh-ij".repeat(2))));
        assert!(!is_code(&format!("de{}", "-aa".repeat(12))));
        assert_eq!(guess("日本語のテキストです。今日はいい天気ですね。"), Some("ja"));
        assert_eq!(guess("ok"), None);
    }

    #[test]
    fn a_code_is_read_as_apps_write_it() {
        for (text, code) in [
            ("pt-BR", Some("pt-BR")),
            (" de", Some("de")),
            ("en_US", Some("en")),
            ("EN", Some("en")),
            ("en-", Some("en")),
            ("de_at_1996_and_more_than_fits", Some("de")),
            ("", None),
            ("english", None),
            ("<b", None),
            ("_US", None),
        ] {
            assert_eq!(meant(text).as_deref(), code, "{text:?}");
        }
    }

    #[test]
    fn languages_are_told_apart_from_their_neighbours() {
        for (code, text) in [
            ("en", "I think that we should go to the park in the evening when it is not so hot"),
            ("de", "Der schnelle braune Fuchs springt über den faulen Hund und läuft weiter"),
            (
                "nl",
                "Ik heb vandaag een mooie wandeling gemaakt met mijn hond in het bos van de buren",
            ),
            (
                "fr",
                "Je ne sais pas si nous allons partir demain, mais il fait beau dans les montagnes",
            ),
            ("es", "No sé si mañana vamos a salir, pero el tiempo en las montañas es muy bueno"),
            (
                "pt",
                "Não sei se amanhã vamos sair, mas o tempo nas montanhas está muito bom para você",
            ),
            (
                "it",
                "Non so se domani usciremo, ma il tempo nelle montagne è molto bello anche per te",
            ),
            (
                "sv",
                "Jag vet inte om vi ska åka till stugan i morgon, men vädret är fint på fjället",
            ),
            ("pl", "Nie wiem, czy jutro pojedziemy w góry, ale pogoda jest ładna i już się cieszę"),
            ("fi", "En tiedä lähdemmekö huomenna vuorille, mutta sää on kaunis ja hän on iloinen"),
            (
                "tr",
                "Yarın dağlara gidip gitmeyeceğimizi bilmiyorum ama hava çok güzel ve bu bir şans",
            ),
            ("ru", "Я не знаю, поедем ли мы завтра в горы, но погода очень хорошая и мне радостно"),
            ("ar", "لا أعرف ما إذا كنا سنذهب إلى الجبال غدا ولكن الطقس جميل جدا هذه الأيام"),
        ] {
            assert_eq!(guess(text), Some(code), "{text}");
        }
    }

    #[test]
    fn only_what_is_clear_is_named_without_a_closer_look() {
        for (text, clear) in [
            ("The harbour was quiet and two fulmars sat on the wall as if they owned it", true),
            ("Ich war mit der Katze im Garten und das Wetter ist nicht so gut, die Sonne", true),
            // Neighbours share their words.
            ("No sé si mañana vamos a salir, pero el tiempo en las montañas es muy bueno", false),
            ("Jeg vet ikke om det er på tide, og jeg er ikke den som spør", false),
            // Two languages in one text.
            ("The cat and the dog und der Hund und die Katze, is it das oder ist es nicht", false),
            // A few common words amid many that nobody knows.
            (
                "the of and to kvark zorb plim frell drubb hask ulm onter fess glab trosk yimm \
              brall cloom dax erf glonk hurm ixle jorp kloon lerp mook norb oople pank quib rast \
              slun tweng ulp vonk",
                false,
            ),
            ("the cat and the dog", false),
        ] {
            assert_eq!(matches!(likely(text), Likely::One(_)), clear, "{text}");
        }
    }

    #[test]
    fn what_says_too_little_gets_no_guess() {
        for text in ["", "ok", "lol", "😀😀😀", "12345", "https://x.org", "asdf qwer"] {
            assert_eq!(guess(text), None, "{text}");
        }
    }
}
