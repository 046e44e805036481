//! Words to search by: the form in which a text is looked up, whoever typed it how.

use unicode_normalization::UnicodeNormalization as _;

/// Longest word that is looked up, in characters; longer ones are cut. No language has such words.
const WORD_CHARACTERS_MAX: usize = 64;

/// The words of a text, in order: letters and digits, lower case, without accents. What `SQLite`'s
/// FTS5 makes of a text with `unicode61 remove_diacritics 2`, for engines that have no such thing.
/// Source: <https://www.sqlite.org/fts5.html#unicode61_tokenizer>.
pub fn words(text: &str) -> Vec<String> {
    // Accents come apart from their letters and are left out; what else came apart is joined again,
    // because the marks of other scripts are part of their letters.
    let is_accent = |c: &char| ('\u{300}'..='\u{36f}').contains(c);
    let folded: String = text.nfd().filter(|c| !is_accent(c)).nfc().collect();
    folded
        .to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| word.chars().take(WORD_CHARACTERS_MAX).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_letters_and_digits_in_lower_case_without_accents() {
        for (text, expected) in [
            ("The Möwe,  at 5 o'clock", "the mowe at 5 o clock"),
            ("https://example.org/a-b_c?d=%20", "https example org a b c d 20"),
            ("e\u{301}te\u{301} ÉTÉ été", "ete ete ete"),
            ("Straßenkatze 猫 が", "straßenkatze 猫 が"),
            ("ΩMEGA Ёж", "ωmega еж"),
            ("well-known #gull @ann@b.example", "well known gull ann b example"),
            (" .,! ", ""),
            ("", ""),
        ] {
            assert_eq!(words(text).join(" "), expected, "{text}");
        }
        assert_eq!(words(&"x".repeat(9_000)), ["x".repeat(WORD_CHARACTERS_MAX)]);
    }
}
