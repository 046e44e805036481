//! Text as members type it and HTML as other servers send it: nothing panics, pieces add up, what
//! is rendered is what the sanitiser lets through.

use model::{
    language,
    text::{self, Handle, Links},
};

struct Here;
impl Links for Here {
    fn account(&self, handle: &Handle) -> Option<String> {
        Some(format!("https://example.org/@{}", handle.username))
    }
    fn tag(&self, name: &str) -> String {
        format!("https://example.org/tags/{name}")
    }
}

/// Tries one input.
pub fn run(data: &[u8]) {
    let Ok(source) = std::str::from_utf8(data) else { return };
    let text = text::parse(source);
    let _ = text.fits(500);
    assert_eq!(text::parse(text.source()).source(), text.source(), "cleaning twice changes");
    for name in text.tags() {
        assert_eq!(text::normalise_tag(&name), name, "a tag has two normal forms");
    }
    let html = text.to_html(&Here);
    let clean = text::sanitise(html.as_str());
    let opened = |html: &str| html.matches('<').count();
    assert!(
        opened(html.as_str()) > model::limits::REMOTE_HTML_TAGS
            || html.as_str().len() > model::limits::REMOTE_HTML_BYTES
            || html.as_str().len().pow(2) > model::limits::REMOTE_HTML_SEARCHED_BYTES
            || opened(clean.as_str()) == opened(html.as_str()),
        "own markup does not pass"
    );
    assert!(!text::sanitise(source).as_str().contains("<script"));
    text::plain(source);
    language::guess(source);
}
