//! What a text is taken apart into, counted as and rendered to; also for hostile texts.

use super::*;
use crate::limits::{LINK_CHARACTERS, REMOTE_HTML_TAGS, STATUS_CHARACTERS};
use proptest::prelude::*;
use unicode_segmentation::UnicodeSegmentation;

struct Here;
impl Links for Here {
    fn account(&self, handle: &Handle) -> Option<String> {
        let domain = handle.domain.as_deref().unwrap_or("h");
        (handle.username != "nobody").then(|| format!("https://{domain}/@{}", handle.username))
    }
    fn spelling(&self, handle: &Handle) -> Option<String> {
        Some(handle.username.to_lowercase())
    }
    fn tag(&self, name: &str) -> String {
        format!("https://h/tags/{name}")
    }
}

fn spelled(token: Token<'_>) -> Option<String> {
    match token {
        Token::Plain(_) => None,
        Token::Link(link) => Some(link.to_owned()),
        Token::Mention(name, None) => Some(format!("@{name}")),
        Token::Mention(name, Some(domain)) => Some(format!("@{name}@{domain}")),
        Token::Tag(name) => Some(format!("#{name}")),
        Token::Emoji(name) => Some(format!(":{name}:")),
    }
}

#[track_caller]
fn check_found(source: &str, expected: &[&str]) {
    let text = parse(source);
    let found: Vec<String> = text.tokens().filter_map(spelled).collect();
    assert_eq!(found, expected, "in {source:?}");
}

#[test]
fn mentions_are_found_where_no_word_or_path_goes_on() {
    check_found("@ann hi", &["@ann"]);
    check_found("hi @ann, @bob@Example.org.", &["@ann", "@bob@Example.org"]);
    check_found("(@ann) .@ann \u{201c}@ann\u{201d}", &["@ann", "@ann", "@ann"]);
    check_found("@a.b-c@x.org", &["@a.b-c@x.org"]);
    check_found("@bob@bücher.example!", &["@bob@bücher.example"]);
    check_found("mail ann@example.org", &[]);
    check_found("a/@ann ?q=@ann", &[]);
    check_found("@ @. @- é@ann", &[]);
    check_found("https://h/@ann", &["https://h/@ann"]);
    check_found(&format!("@{}", "a".repeat(31)), &[]);
    check_found(&format!("@{}@x.org", "a".repeat(129)), &[]);
}

#[test]
fn hashtags_need_a_letter_and_may_be_of_any_script() {
    check_found("#Rust (#rust) ＃wide", &["#Rust", "#rust", "#wide"]);
    check_found("#1 #2nd #1_1 #_ #__", &["#2nd", "#1_1"]);
    check_found("#日本語 #हिन्दी #ไทย #русский", &["#日本語", "#हिन्दी", "#ไทย", "#русский"]);
    check_found(
        "#スター・ウォーズ! #نیم\u{200c}فاصله",
        &["#スター・ウォーズ", "#نیم\u{200c}فاصله"],
    );
    check_found("no#tag a/#b )#c =#d # ##e", &["#e"]);
    check_found("https://h/#frag", &["https://h/#frag"]);
    check_found(&format!("#{}", "a".repeat(101)), &[]);
}

#[test]
fn hashtags_have_one_normal_form() {
    for (display, name) in
        [("Rust", "rust"), ("ＲＵＳＴ", "rust"), ("ÄRGER", "ärger"), ("ｶﾀｶﾅ", "カタカナ")]
    {
        assert_eq!(normalise_tag(display), name);
        assert_eq!(normalise_tag(name), name);
    }
    assert_eq!(parse("#Rust #rust #RUST").tags(), ["rust"]);
}

#[test]
fn links_are_web_addresses_and_nothing_else() {
    check_found("see https://example.org/a?b=c#d.", &["https://example.org/a?b=c#d"]);
    check_found("(HTTP://Example.org/(x))", &["HTTP://Example.org/(x)"]);
    check_found("https://bücher.example/パス", &["https://bücher.example/パス"]);
    check_found("(https://пример.рф/путь).", &["https://пример.рф/путь"]);
    check_found("https://例え.テスト/ か", &["https://例え.テスト/"]);
    check_found("見て https://例え.テスト。次", &["https://例え.テスト"]);
    check_found("https://उदाहरण.परीक्षा", &["https://उदाहरण.परीक्षा"]);
    check_found("ftp://例え.テスト é://x.рф", &[]);
    check_found("javascript://x.org/%0a data://x.org ftp://x.org example.org", &[]);
    check_found("://x https://", &[]);
    check_found(&format!("https://x.org/{}", "a".repeat(3_000)), &[]);
}

#[test]
fn shortcodes_stand_free() {
    check_found(":cat: (:dog_2:)\n:x1:", &[":cat:", ":dog_2:", ":x1:"]);
    check_found("a:cat: :cat:b :c: :cat::dog: 12:30:45 : :", &[]);
}

#[test]
fn length_is_counted_as_clients_expect() {
    for (source, expected) in [
        ("", 0),
        ("a\r\nb", 3),
        ("👩‍👩‍👧‍👦🇩🇪", 2),
        ("e\u{301}", 1),
        ("https://example.org/a/very/long/path/that/goes/on/and/on", 23),
        ("https://x.org", 23),
        ("https://пример.рф/путь/который/очень/длинный", 23),
        ("@bob@example.org hi", 7),
        ("@bob hi #tag :cat:", 18),
    ] {
        assert_eq!(parse(source).length(), expected, "{source:?}");
    }
}

#[track_caller]
fn check_html(source: &str, expected: &str) {
    assert_eq!(parse(source).to_html(&Here).as_str(), expected);
}

#[test]
fn html_has_the_shape_that_clients_know() {
    check_html("", "");
    check_html("a\nb\n\n\nc", "<p>a<br />b</p><p>c</p>");
    check_html(":cat: @nobody@x.org", "<p>:cat: @nobody@x.org</p>");
    check_html(
        "@ann",
        "<p><span class=\"h-card\" translate=\"no\"><a href=\"https://h/@ann\" \
         class=\"u-url mention\">@<span>ann</span></a></span></p>",
    );
    check_html(
        "@ANN",
        "<p><span class=\"h-card\" translate=\"no\"><a href=\"https://h/@ANN\" \
         class=\"u-url mention\">@<span>ann</span></a></span></p>",
    );
    check_html(
        "#Rust",
        "<p><a href=\"https://h/tags/rust\" class=\"mention hashtag\" \
         rel=\"tag\">#<span>Rust</span></a></p>",
    );
    check_html(
        "https://www.example.org/234567890123456789012345",
        "<p><a href=\"https://www.example.org/234567890123456789012345\" target=\"_blank\" \
         rel=\"nofollow noopener noreferrer\" translate=\"no\"><span \
         class=\"invisible\">https://www.</span><span \
         class=\"ellipsis\">example.org/234567890123456789</span><span \
         class=\"invisible\">012345</span></a></p>",
    );
}

#[test]
fn two_people_of_one_name_are_told_apart() {
    let html = parse("@ann @ann@x.org").to_html(&Here);
    assert!(html.as_str().contains("@<span>ann@x.org</span>"), "{html}");
    assert!(!parse("@ann@x.org").to_html(&Here).as_str().contains("ann@x.org"));
}

#[test]
fn everything_is_escaped() {
    check_html("a < b & \"c\" 'd' >", "<p>a &lt; b &amp; &quot;c&quot; &#39;d&#39; &gt;</p>");
    let html = parse("https://x.org/\"onload=x https://x.org/'<script>").to_html(&Here);
    assert!(!html.as_str().contains("\"onload") && !html.as_str().contains("<script"), "{html}");
    let field = parse("https://x.org").to_field_html(&Here);
    assert!(field.as_str().starts_with("<a href") && field.as_str().contains(" me\""), "{field}");
    assert_eq!(escaped("<b>").as_str(), "&lt;b&gt;");
}

#[test]
fn control_characters_go_and_names_cannot_turn_their_surroundings() {
    assert_eq!(parse(" \0a\0\u{7}b\r\nc\rd\t\u{9b}e \0\n").source(), "ab\nc\nd\te");
    assert_eq!(line(" ann\n\u{202e}\u{2067}  lee\0\u{200f} "), "ann lee\u{200f}");
    assert!(matches!(paragraphs("as it is"), Cow::Borrowed(_)));
}

#[test]
fn what_is_too_much_is_refused() {
    let fits = |text: &str| parse(text).fits(STATUS_CHARACTERS);
    let too_long = Err(TextError::TooLong { max: STATUS_CHARACTERS });
    let many =
        |n: usize, sign: char| -> String { (0..n).map(|i| format!("{sign}u{i} ")).collect() };
    assert_eq!(fits(&"a".repeat(500)), Ok(()));
    assert_eq!(fits(&"a".repeat(501)), too_long);
    assert_eq!(fits(&"a".repeat(10_000)), too_long);
    assert_eq!(fits(&"a\u{301}".repeat(500)), Ok(()));
    // One letter under a tower of marks is one character, and still no post.
    assert_eq!(fits(&format!("a{}", "\u{301}".repeat(40_000))), too_long);
    assert_eq!(
        parse(&many(500, '@')).fits(5_000),
        Err(TextError::TooManyMentions { max: MENTIONS_PER_TEXT })
    );
    assert_eq!(
        parse(&many(500, '#')).fits(5_000),
        Err(TextError::TooManyTags { max: TAGS_PER_TEXT })
    );
    assert_eq!(parse(&"@ann ".repeat(400)).fits(5_000), Ok(()));
    assert_eq!(parse(&many(500, '@')).mentions().len(), MENTIONS_PER_TEXT);
    assert_eq!(parse(&many(500, '#')).tags().len(), TAGS_PER_TEXT);
}

#[test]
fn remote_markup_is_cut_down_and_its_words_stay() {
    for (html, expected) in [
        ("<p onclick=x>a<script>b</script><img src=x>c</p>", "<p>ac</p>"),
        ("<svg><script>x</script></svg><table><tr><td>c</table>", "c"),
        ("<h1>t</h1><style>p{}</style><p style=x class=\"mention evil\">a", "t<p>a</p>"),
        (
            "<ol start=3 reversed=x><li value=2>a</ol>",
            "<ol start=\"3\"><li value=\"2\">a</li></ol>",
        ),
        ("a<!--b-->c &amp; &lt;", "ac &amp; &lt;"),
    ] {
        let clean = sanitise(html);
        let clean = clean.as_str().replace(" reversed=\"x\"", "");
        assert_eq!(clean, expected, "{html}");
    }
    let link = sanitise("<a href=\"https://x.org\" rel=me target=_top class=\"u-url x\">a</a>");
    for part in ["rel=\"nofollow noopener noreferrer\"", "target=\"_blank\"", "class=\"u-url\""] {
        assert!(link.as_str().contains(part), "{link}");
    }
    for address in ["/etc", "javascript:x", "data:text/html,x", "//x.org"] {
        let html = sanitise(&format!("<a href=\"{address}\">a</a>"));
        assert!(!html.as_str().contains("href"), "{html}");
    }
}

#[test]
fn markup_that_is_dear_to_repair_loses_its_tags_only() {
    let unclosed: String = (0..REMOTE_HTML_TAGS).map(|n| format!("<b id=x{n}>")).collect();
    let html = sanitise(&format!("{unclosed}{}", "<p>a".repeat(2_000)));
    assert!(!html.as_str().contains("<b>") && html.as_str().contains('a'));
}

#[test]
fn text_that_is_dear_to_escape_loses_its_tags_only() {
    // Each took time that grew with its square.
    for special in ["&amp;", "&", "&x;", "\u{b0}", "\u{a0}"] {
        let html = sanitise(&format!("<b>a</b>{}", special.repeat(40_000)));
        assert!(html.as_str().starts_with("<p>a") && !html.as_str().contains("<b>"), "{special}");
    }
    // A few before much text cost as much as many.
    let html = sanitise(&format!("<b>a</b>{}{}", "&amp;".repeat(1_000), "abc ".repeat(60_000)));
    assert!(!html.as_str().contains("<b>"));
    // A long honest article keeps its markup.
    let sentence =
        "<p><b>Où</b> «\u{a0}Tom &amp; Léa\u{a0}» vont-ils\u{a0}? Chez eux, bien sûr.</p>";
    let article = sentence.repeat(250);
    assert_eq!(sanitise(&article).as_str().matches("<b>").count(), 250);
}

/// Names of the elements in a piece of cleaned HTML, where every `<` begins or ends one.
fn elements(html: &str) -> Vec<&str> {
    let name = |tag: &'_ str| tag.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(tag.len());
    let after = html.split('<').skip(1).map(|tag| tag.trim_start_matches('/'));
    after.map(|tag| tag.split_at(name(tag)).0).collect()
}

#[test]
fn the_words_of_html_are_read_for_search() {
    for (html, expected) in [
        ("<p>a<br>b</p><p>c &amp; d &#39;e&#x27; &nbsp;f</p>", "a\nb\n\nc & d 'e' \u{a0}f"),
        ("1 < 2 & 3 &unknown; &#xD800;", "1 < 2 & 3 &unknown; &#xD800;"),
        ("<a href=\"x\">link</a><!-- no -->!", "link!"),
        ("<unclosed", ""),
    ] {
        assert_eq!(plain(html), expected, "{html}");
    }
}

/// Texts that are likelier to hold something than chance would make them.
fn texts() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "@",
        "#",
        ":",
        "ann",
        "x.org",
        "https://",
        "http://[",
        "\u{202e}",
        "\0",
        "\r\n",
        "\n",
        " ",
        "<b>",
        "&amp;",
        "\"",
        "'",
        "e\u{301}",
        "👩‍👧",
        "＃",
        "_",
        "・",
        "日本",
        "İ",
        "ﷺ",
        ".",
        "/",
        "(",
        ")",
    ]);
    prop_oneof![any::<String>(), prop::collection::vec(pieces, 0..40).prop_map(|p| p.concat())]
}

/// What Mastodon keeps of remote markup, written down again so that a change is noticed here.
const ALLOWED: [&str; 20] = [
    "p",
    "br",
    "span",
    "a",
    "del",
    "s",
    "pre",
    "blockquote",
    "code",
    "b",
    "strong",
    "u",
    "i",
    "em",
    "ul",
    "ol",
    "li",
    "ruby",
    "rt",
    "rp",
];

/// Markup of elements and attributes, allowed or not, that chance alone would seldom spell.
fn markup() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "<p>",
        "</p>",
        "<b ",
        "<a href=",
        "javascript:x",
        "https://x.org",
        "<script>",
        "</script>",
        "<style>",
        "<svg>",
        "<math>",
        "<mtext>",
        "<title>",
        "<textarea>",
        "<noscript>",
        "<xmp>",
        "<img src=x onerror=x>",
        "<table>",
        "<td>",
        "<form>",
        "<select>",
        "<template>",
        "<plaintext>",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "<?",
        " onclick=x",
        " style=x",
        " class=mention",
        "\"",
        "'",
        ">",
        "/>",
        "&lt;",
        "&#x3c;",
        "&amp",
        "\u{a0}",
        "\0",
        "a",
        " ",
        "=",
    ]);
    let spelled = prop::collection::vec(pieces, 0..40).prop_map(|p| p.concat());
    prop_oneof!["[<>a-z/\"'=& ;#!-]{0,200}|.{0,80}", spelled]
}

proptest! {
    #[test]
    fn the_pieces_are_the_source_and_nothing_panics(source in texts()) {
        let text = parse(&source);
        let joined: String = text.tokens().map(|token| match token {
            Token::Plain(words) | Token::Link(words) => words.to_owned(),
            Token::Tag(name) => format!("#{name}"),
            other => spelled(other).unwrap_or_default(),
        }).collect();
        let narrow = |s: &str| s.replace('＃', "#");
        prop_assert_eq!(narrow(&joined), narrow(text.source()));
        let again = parse(text.source());
        prop_assert_eq!(again.source(), text.source());
    }

    #[test]
    fn counting_equals_the_plain_way(source in texts()) {
        let text = parse(&source);
        let mut counted = String::new();
        for token in text.tokens() {
            match token {
                Token::Link(_) => counted.push_str(&"x".repeat(LINK_CHARACTERS)),
                Token::Mention(name, _) => { counted.push('@'); counted.push_str(name); }
                Token::Plain(words) => counted.push_str(words),
                Token::Tag(name) => { counted.push('#'); counted.push_str(name); }
                Token::Emoji(name) => counted.push_str(&format!(":{name}:")),
            }
        }
        prop_assert_eq!(text.length(), counted.graphemes(true).count());
        prop_assert_eq!(graphemes(&source), source.graphemes(true).count());
    }

    #[test]
    fn own_html_passes_the_sanitiser_with_its_words_and_links(source in texts()) {
        let text = parse(&source);
        let html = text.to_html(&Here);
        let again = sanitise(html.as_str());
        let links = |html: &SafeHtml| html.as_str().matches("<a ").count();
        prop_assert_eq!(links(&again), links(&html));
        for element in elements(html.as_str()) {
            prop_assert!(["p", "br", "a", "span"].contains(&element), "{element:?} in {html}");
        }
        prop_assert_eq!(again.as_str().matches('<').count(), html.as_str().matches('<').count());
        let words = |html: &str| plain(html).split_whitespace().collect::<Vec<_>>().join(" ");
        prop_assert_eq!(words(again.as_str()), words(html.as_str()));
    }

    #[test]
    fn normal_forms_of_tags_stay_as_they_are(source in texts()) {
        for name in parse(&source).tags() {
            prop_assert_eq!(normalise_tag(&name), name);
        }
    }

    #[test]
    fn hostile_markup_never_panics_and_keeps_only_allowed_elements(html in markup()) {
        let clean = sanitise(&html);
        // What a browser makes of it must be as clean. The same it need not be: a paragraph in a
        // paragraph, as `<select>` makes possible, is put beside it when it is read again.
        let again = sanitise(clean.as_str());
        for element in elements(clean.as_str()).into_iter().chain(elements(again.as_str())) {
            prop_assert!(ALLOWED.contains(&element), "{element:?} in {clean}");
        }
        let words = |html: &SafeHtml| plain(html.as_str()).split_whitespace().collect::<String>();
        // A byte order mark is dropped where a document begins, so one more may appear there.
        let has_mark = html.contains('\u{feff}');
        prop_assert!(has_mark || words(&again) == words(&clean), "{clean} became {again}");
        plain(&html);
    }

    #[test]
    fn plain_markup_is_clean_after_once(html in "[<>a-z/\"'=& ;#!-]{0,200}|.{0,80}") {
        let clean = sanitise(&html);
        let has_mark = html.contains('\u{feff}');
        prop_assert!(has_mark || sanitise(clean.as_str()) == clean);
    }
}
