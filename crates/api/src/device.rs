//! The cookie of a browser that somebody logged in with: it admits to nothing, and only lets its
//! member try a password where strangers have used the tries up. It is sealed, so nobody makes one.

use crate::Api;
use axum::http::{HeaderMap, HeaderValue};
use httpkit::{cookie::Transport, seal::Kind};
use model::AccountId;
use social::access::Device;

const COOKIE: &str = "device";
/// A year.
const AGE_S: u64 = 365 * 86_400;

fn transport(api: &Api) -> Transport {
    if api.base_url.starts_with("https:") { Transport::Secure } else { Transport::Plain }
}

/// The browser that a request comes from, if it is a known one.
pub(crate) fn known(api: &Api, headers: &HeaderMap) -> Option<Device> {
    let text = transport(api).read(headers, COOKIE)?;
    let bytes: [u8; 16] = api.sealer.open(Kind::Device, text)?.try_into().ok()?;
    let [account, number] = [bytes.first_chunk::<8>()?, bytes.last_chunk::<8>()?];
    let account = AccountId::new(i64::from_be_bytes(*account))?;
    Some(Device { account, number: u64::from_be_bytes(*number) })
}

/// The `Set-Cookie` that makes a browser a known one.
pub(crate) fn remember(api: &Api, account: AccountId) -> Option<HeaderValue> {
    let mut bytes = account.get().to_be_bytes().to_vec();
    bytes.extend_from_slice(&api.social.unpredictable().to_be_bytes());
    transport(api).set(COOKIE, &api.sealer.seal(Kind::Device, &bytes), Some(AGE_S))
}
