//! The handshake that follows a greeting. It takes a turn (`handshakes`) wherever the next bytes
//! can have us compute with public keys: for the greeting, and where that named no key
//! that we take, or an older protocol, for each flight until the end. With the usual greeting all
//! such work is done once it is answered, and who has come so far waits for nobody.
//!
//! Leaves to `connection` what is spoken afterwards, and to `judge` how long a peer may take.

use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};

use tokio_rustls::server::TlsStream;

use super::gauge::Gauge;
use super::handshakes::{Merit, Turn};
use super::io::Metered;
use super::stats::{Cut, Handshaken};
use super::tickets::Note;
use super::{clock, limits, tls};
use crate::gate::thread_work_ns;

/// Goes through with it. A ticket that says who came before gives its bearer the rank of the known
/// at once; one that turns out not to be its bearer's takes it away again.
pub(super) async fn shake_hands(
    mut greeted: tls::Greeted,
    acceptor: &tls::Acceptor,
    gauge: &Arc<Gauge>,
    peer: IpAddr,
) -> Option<(TlsStream<Metered>, tls::Protocol)> {
    let (shared, now_unix_s) = (&gauge.shared, clock::unix_s());
    let said = greeted.note.take().and_then(|(note, number)| {
        let voucher = shared.known.behind(&note, now_unix_s)?;
        let counts = acceptor.tickets.spend(number);
        let count = if counts { &shared.stats.tickets } else { &shared.stats.tickets_void };
        count.fetch_add(1, Relaxed);
        counts.then_some(voucher)
    });
    let was_known = gauge.is_known();
    let promoted =
        said.is_some_and(|voucher| shared.promote(gauge, voucher.principal)) && !was_known;
    shared.networks.lock().see(peer);
    let lineage = acceptor.tickets.lineage();
    let next = |proven: Option<Note>| {
        let voucher = proven.and_then(|note| shared.known.behind(&note, now_unix_s));
        Note { lineage, voucher }
    };
    let work = Work { gauge, peer, is_stranger: !gauge.is_known() };
    let turn = work.turn().await?;
    if greeted.was_left() {
        return None;
    }
    gauge.set_lineage(lineage);
    let shaken = match work.paid(|| acceptor.answer(greeted, next)) {
        Ok(answered) => work.finish(answered, turn).await?,
        Err(greeted) => {
            drop(turn);
            Err(greeted.turn_away().await)
        }
    };
    let Ok(shaken) = shaken else {
        shared.stats.count_handshake(Handshaken::Failed);
        return None;
    };
    let ended = if shaken.resumed { Handshaken::Resumed } else { Handshaken::Full };
    shared.stats.count_handshake(ended);
    gauge.may_teach(peer);
    if promoted && !shaken.resumed {
        shared.stats.tickets_void.fetch_add(1, Relaxed);
        shared.demote(gauge);
    }
    Some((shaken.stream, shaken.protocol))
}

/// Whose handshake it is.
struct Work<'a> {
    gauge: &'a Gauge,
    peer: IpAddr,
    is_stranger: bool,
}

impl<'a> Work<'a> {
    /// Goes on with a handshake that was answered in this turn. None when its peer is to go.
    async fn finish(
        &self,
        mut answered: tls::Answered,
        turn: Turn<'a>,
    ) -> Option<std::io::Result<tls::Shaken>> {
        let (is_dear, mut turn) = (answered.is_dear(), turn);
        for turns in 1.. {
            self.gauge.greeted();
            let polled = poll_fn(|context| Poll::Ready(self.poll(&mut answered, context))).await;
            // Everybody else who is ready comes first, and only then who waits for this turn.
            tokio::task::yield_now().await;
            drop(turn);
            if let Poll::Ready(outcome) = polled {
                return Some(outcome);
            }
            if !is_dear || turns >= limits::HANDSHAKE_TURNS_MAX {
                break;
            }
            poll_fn(|context| answered.poll_stirs(context)).await;
            self.gauge.waits_again();
            turn = self.turn().await?;
        }
        if is_dear {
            return Some(Err(std::io::ErrorKind::InvalidData.into()));
        }
        Some(poll_fn(|context| self.poll(&mut answered, context)).await)
    }

    fn poll(
        &self,
        answered: &mut tls::Answered,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<tls::Shaken>> {
        self.paid(|| Pin::new(answered).poll(context))
    }

    /// Waits until it may be worked at. None when it is to go instead.
    async fn turn(&self) -> Option<Turn<'a>> {
        let shared = &self.gauge.shared;
        let (all, merit) = match self.is_stranger {
            true => (&shared.handshakes, Merit::of(shared.networks.lock().merit(self.peer))),
            false => (&shared.known_handshakes, Merit::default()),
        };
        let turn = all.turn(merit).await;
        if turn.is_none() {
            self.gauge.cut(Cut::Evicted);
        }
        turn
    }

    /// Works, and has strangers pay for it.
    fn paid<T>(&self, work: impl FnOnce() -> T) -> T {
        let before_ns = thread_work_ns();
        let done = work();
        if self.is_stranger {
            let us = thread_work_ns().saturating_sub(before_ns) / 1_000;
            self.gauge.shared.handshakes.spent(us);
        }
        done
    }
}
