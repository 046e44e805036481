//! Whose request it is: nothing that a stranger writes before the proxy's own word changes how that
//! word is understood, and where no proxy speaks nothing is read at all.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use httpkit::{ForwardedBy, client_address};

/// Tries one input.
pub fn run(data: &[u8]) {
    let Ok(forged) = HeaderValue::from_bytes(data) else { return };
    let proxy = IpAddr::from([10, 0, 0, 1]);
    let client = IpAddr::from([198, 51, 100, 1]);
    for (by, name, word) in [
        (ForwardedBy::XForwardedFor, "x-forwarded-for", "198.51.100.1"),
        (ForwardedBy::Forwarded, "forwarded", "for=198.51.100.1"),
        (ForwardedBy::Forwarded, "forwarded", "for=\"198.51.100.1:80\";host=\"a,b\""),
    ] {
        let name = HeaderName::from_static(name);
        let mut headers = HeaderMap::new();
        headers.append(&name, forged.clone());
        let found = client_address(proxy, &headers, by, |_| false);
        assert_eq!(found, proxy, "who is no proxy is believed");
        // Whatever comes of it, it ends.
        let _ = client_address(proxy, &headers, by, |_| true);
        let appended = [data, b", ", word.as_bytes()].concat();
        let Ok(appended) = HeaderValue::from_bytes(&appended) else { return };
        headers.insert(&name, appended);
        let found = client_address(proxy, &headers, by, |address| address == proxy);
        assert_eq!(found, client, "{headers:?}");
    }
}
