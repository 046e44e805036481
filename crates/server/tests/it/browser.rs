//! A browser as far as log-in pages need one: it keeps cookies, and sends a form's hidden fields
//! back with what somebody typed.

use crate::instance::Instance;
use std::{collections::BTreeMap, fmt::Write as _};

/// Its cookies.
#[derive(Clone, Default)]
pub struct Browser {
    cookies: BTreeMap<String, String>,
}

/// What it was answered.
pub struct Page {
    pub status: u16,
    pub html: String,
    head: String,
}

/// Pairs in a form's encoding.
pub fn form(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        let _ = write!(text, "{name}=");
        for byte in value.bytes() {
            let _ = write!(text, "%{byte:02X}");
        }
        text.push('&');
    }
    text.trim_end_matches('&').to_owned()
}

impl Page {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let is = |line: &&str| line.split_once(':').is_some_and(|(n, _)| n == name);
        self.head.lines().find(is).and_then(|line| line.split_once(": ")).map(|(_, value)| value)
    }

    /// All cookies that it sets.
    pub fn set_cookies(&self) -> Vec<&str> {
        self.head.lines().filter_map(|line| line.strip_prefix("set-cookie: ")).collect()
    }

    /// The hidden fields of its first form that has any, and where that goes.
    fn first_form(&self) -> (String, Vec<(String, String)>) {
        let (before, _) = self.html.split_once("type=\"hidden\"").expect("a form");
        let form = &self.html[before.rfind("<form").expect("a form")..];
        let form = form.split("</form>").next().expect("a form");
        let value = |text: &str, name: &str| {
            let (_, rest) = text.split_once(&format!(" {name}=\""))?;
            let raw = rest.split('"').next().unwrap_or_default();
            let plain = [("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">")];
            let text = plain.iter().fold(raw.to_owned(), |text, (from, to)| text.replace(from, to));
            Some(text.replace("&#38;", "&"))
        };
        let fields = form.split("<input type=\"hidden\"").skip(1).map(|input| {
            let input = input.split('>').next().unwrap_or_default();
            (value(input, "name").expect("a name"), value(input, "value").expect("a value"))
        });
        (value(form, "action").expect("an action"), fields.collect())
    }
}

impl Browser {
    /// One that was never here.
    pub fn new() -> Self {
        Self::default()
    }

    /// One with this cookie.
    pub fn with(name: &str, value: &str) -> Self {
        Self { cookies: BTreeMap::from([(name.to_owned(), value.to_owned())]) }
    }

    /// Forgets all cookies but one.
    pub fn keep_only(&mut self, name: &str) {
        self.cookies.retain(|known, _| known == name);
    }

    /// Gives it a cookie.
    pub fn set(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.to_owned(), value.to_owned());
    }

    /// A cookie's value.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(String::as_str)
    }

    /// Goes to a page.
    pub fn get(&mut self, here: &Instance, path: &str) -> Page {
        self.go(here, "GET", path, "", "")
    }

    /// Sends a page's form with these fields typed in.
    pub fn submit(&mut self, here: &Instance, page: &Page, typed: &[(&str, &str)]) -> Page {
        self.submit_with(here, page, typed, "sec-fetch-site: same-origin\r\n")
    }

    /// The same with other headers.
    pub fn submit_with(
        &mut self,
        here: &Instance,
        page: &Page,
        typed: &[(&str, &str)],
        more: &str,
    ) -> Page {
        let (action, hidden) = page.first_form();
        let mut pairs = typed.to_vec();
        for (name, value) in &hidden {
            if !typed.iter().any(|(known, _)| known == name) {
                pairs.push((name, value));
            }
        }
        let kind = format!("content-type: application/x-www-form-urlencoded\r\n{more}");
        self.go(here, "POST", &action, &kind, &form(&pairs))
    }

    fn go(&mut self, here: &Instance, method: &str, path: &str, more: &str, body: &str) -> Page {
        let pairs: Vec<String> = self.cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
        let more = format!(
            "accept: text/html\r\nuser-agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) \
             Gecko/20100101 Firefox/140.0\r\ncookie: {}\r\n{more}",
            pairs.join("; ")
        );
        let (head, html) = here.exchange(method, path, "", &more, body.as_bytes());
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status");
        let page = Page { status, html: String::from_utf8(html).expect("text"), head };
        for cookie in page.set_cookies() {
            let (name, rest) = cookie.split_once('=').expect("a cookie");
            let value = rest.split(';').next().unwrap_or_default();
            if rest.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        page
    }
}
