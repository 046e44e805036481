//! Headers that tell browsers what our answers may do: nothing for the API, and for pages what each
//! page declares through [`Csp`]. Source: Content Security Policy Level 3; OWASP Secure Headers.

use aws_lc_rs::digest::{SHA256, digest};
use axum::response::Response;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::Request;
use http::header::{
    CONTENT_SECURITY_POLICY, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

use crate::hook::{After, Hook};

/// What one page may load and where its forms may go. Starts at nothing but our own style and
/// pictures: pages work without scripts, so none may run.
#[derive(Clone, Debug)]
pub struct Csp {
    form_action: String,
}

impl Csp {
    /// For our own pages.
    #[must_use]
    pub fn page() -> Self {
        Self { form_action: "'self'".to_owned() }
    }

    /// Also admits the address that a submitted form redirects to. Chromium applies `form-action`
    /// to redirects, and would silently stop a log-in on its way back to the app. An address whose
    /// origin cannot be written in a policy adds nothing.
    #[must_use]
    pub fn redirecting_to(mut self, address: &str) -> Self {
        if let Some(source) = source_of(address) {
            self.form_action.push(' ');
            self.form_action.push_str(&source);
        }
        self
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> HeaderValue {
        let policy = format!(
            "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; style-src 'self'; \
             img-src 'self'; media-src 'self'; form-action {}",
            self.form_action
        );
        HeaderValue::from_str(&policy).unwrap_or(API_POLICY)
    }
}

/// How a policy names a script or a style that stands in the page itself.
#[must_use]
pub fn inline_source(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(digest(&SHA256, text.as_bytes())))
}

/// The policy of everything that is not a page.
const API_POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; form-action 'none'");

/// `scheme://host:port` for web addresses, `scheme:` for an app's own scheme.
fn source_of(address: &str) -> Option<String> {
    let (scheme, rest) = address.split_once(':')?;
    let named = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if !named {
        return None;
    }
    let scheme = scheme.to_ascii_lowercase();
    if scheme != "http" && scheme != "https" {
        return Some(format!("{scheme}:"));
    }
    let rest = rest.strip_prefix("//")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    (!host.is_empty() && host.bytes().all(allowed)).then(|| format!("{scheme}://{host}"))
}

/// Adds to every answer what its page has not set already.
#[derive(Clone, Copy, Debug)]
pub struct Security;

impl Hook for Security {
    type Kept = ();

    fn before<B>(&self, _: &mut Request<B>) -> Result<(), Box<Response>> {
        Ok(())
    }

    fn after(&self, (): (), mut response: Response) -> After {
        let headers = response.headers_mut();
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.entry(REFERRER_POLICY).or_insert(HeaderValue::from_static("same-origin"));
        headers.entry(CONTENT_SECURITY_POLICY).or_insert(API_POLICY);
        headers.entry(X_FRAME_OPTIONS).or_insert(HeaderValue::from_static("DENY"));
        After::Now(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form_action(address: &str) -> String {
        let header = Csp::page().redirecting_to(address).header();
        let policy = header.to_str().expect("text").to_owned();
        policy.rsplit_once("form-action ").expect("a directive").1.to_owned()
    }

    #[test]
    fn the_redirect_is_admitted_by_origin() {
        assert_eq!(form_action("https://app.example/cb?x=1"), "'self' https://app.example");
        assert_eq!(form_action("http://127.0.0.1:3000/"), "'self' http://127.0.0.1:3000");
        assert_eq!(form_action("http://[::1]:3000/"), "'self' http://[::1]:3000");
        assert_eq!(form_action("com.example.app://cb"), "'self' com.example.app:");
        assert_eq!(form_action("https://user:word@app.example/"), "'self' https://app.example");
    }

    #[test]
    fn an_inline_text_is_named_by_its_hash() {
        // The example of Content Security Policy Level 3, section 8.3.
        let source = "'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='";
        assert_eq!(inline_source("alert('Hello, world.');"), source);
    }

    #[test]
    fn an_address_cannot_widen_the_policy() {
        for address in ["https://a; script-src *", "*", "", "https://", "a b:c", "https://a b/"] {
            assert_eq!(form_action(address), "'self'", "{address}");
        }
    }
}
