//! Languages: ISO 639 codes, and a guess where the author gave none.

/// Bytes that a guess looks at: enough to tell, and bounded whatever is posted.
const SAMPLE_BYTES: usize = 400;

/// Whether a text has the form of a language code (`de`, `pt-BR`, `zh-Hant`).
pub fn is_code(text: &str) -> bool {
    let mut parts = text.split('-');
    let first = parts.next().unwrap_or("");
    (2..=3).contains(&first.len())
        && first.bytes().all(|b| b.is_ascii_lowercase())
        && parts.all(|p| (2..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// The language of a text, where that can be told with confidence. Two-letter code.
pub fn guess(text: &str) -> Option<&'static str> {
    let mut end = text.len().min(SAMPLE_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let found = whatlang::detect(text.get(..end)?)?;
    if !found.is_reliable() {
        return None;
    }
    CODES.iter().find(|(three, _)| *three == found.lang().code()).map(|(_, two)| *two)
}

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
        let german = "Der schnelle braune Fuchs springt über den faulen Hund und läuft weiter";
        assert_eq!(guess(german), Some("de"));
        assert_eq!(guess("日本語のテキストです。今日はいい天気ですね。"), Some("ja"));
        assert_eq!(guess("ok"), None);
    }
}
