//! What requests about denied addresses do. Only a running server has such; a command without one
//! hears so.

use super::{
    perform::moment,
    wire::{DeniedShown, Reply},
};
use crate::{limits::DENIALS_PER_ANSWER, open::Instance, shielding::kernel::Kernel};
use anyhow::Context as _;
use model::Timestamp;
use shield::kernel::Listed;
use std::net::IpAddr;

fn kernel(instance: &Instance) -> anyhow::Result<&Kernel> {
    instance.kernel.as_deref().context("no server runs here, so nobody is denied")
}

/// An address as somebody types it; of an IPv6 network, its first.
fn address(text: &str) -> anyhow::Result<IpAddr> {
    let bare = match text.split_once('/') {
        Some((bare, "64")) if bare.contains(':') => bare,
        _ => text,
    };
    bare.parse().with_context(|| {
        format!("{text:?} is no single address or /64, like 192.0.2.7 or 2001:db8::1")
    })
}

/// An entry's address as it is shown: an IPv6 one stands for its network.
fn shown(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("{address}/64"),
    }
}

/// Denied addresses that come after this one.
pub(super) async fn list(instance: &Instance, after: Option<&str>) -> anyhow::Result<Reply> {
    let kernel = kernel(instance)?;
    let after = after.map(address).transpose()?;
    let now = instance.social.now();
    let all = kernel.list().await?;
    let mut rest = all.iter().filter(|entry| after.is_none_or(|after| entry.address > after));
    let page = rest.by_ref().take(DENIALS_PER_ANSWER);
    let entries = page.map(|entry| denied(entry, now)).collect();
    Ok(Reply::ShieldDenials { kernel: kernel.state(), entries, more: rest.next().is_some() })
}

fn denied(entry: &Listed, now: Timestamp) -> DeniedShown {
    let later = |ms: u64| now.ms().saturating_add(i64::try_from(ms).unwrap_or(i64::MAX));
    let until = later(entry.left_ms);
    let since = until.saturating_sub(i64::try_from(entry.lasts_ms).unwrap_or(i64::MAX));
    DeniedShown {
        address: shown(entry.address),
        since: moment(Timestamp::from_ms(since)),
        until: moment(Timestamp::from_ms(until)),
        why: entry.why.code().to_owned(),
        dropped_packets: entry.dropped.packets,
        dropped_bytes: entry.dropped.bytes,
    }
}

/// Forgives one address, or all.
pub(super) async fn clear(instance: &Instance, text: Option<&str>) -> anyhow::Result<Reply> {
    let kernel = kernel(instance)?;
    let was_denied = match text {
        Some(text) => Some(kernel.forgive(address(text)?).await?),
        None => {
            kernel.forgive_all().await?;
            None
        }
    };
    tracing::info!(address = text.unwrap_or("all"), "an operator forgave who was denied");
    Ok(Reply::ShieldCleared { was_denied })
}

/// Denies one address.
pub(super) async fn deny(instance: &Instance, text: &str, seconds: u32) -> anyhow::Result<Reply> {
    let (kernel, address) = (kernel(instance)?, address(text)?);
    kernel.deny(address, seconds).await.with_context(|| format!("cannot deny {address}"))?;
    tracing::info!(%address, seconds, "an operator had an address denied");
    Ok(Reply::ShieldDenied { address: address.to_string() })
}
