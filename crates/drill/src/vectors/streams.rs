//! HTTP/2 attackers: connections that write frames of a vector's own at a rate, and read what the
//! server says of them. A connection that the server ends is opened again from another source.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{io::AsyncWriteExt as _, task::JoinSet};

use crate::{
    clock,
    vectors::front::{Front, Ledger},
    wire::frames::{self, Reader, Seen},
};

/// What one turn of an attacker writes, and how many requests (or frames) that offers.
pub(super) struct Salvo {
    pub bytes: Vec<u8>,
    pub offers: usize,
}

/// How attackers of a vector go about it.
#[derive(Clone, Copy)]
pub(super) struct Manner {
    /// Connections at once.
    pub connections: usize,
    /// Settings with which each begins.
    pub settings: &'static [(u16, u32)],
    /// What is written in a turn, by the number of the turn on its connection; none when the
    /// connection has done all it was opened for and is only held.
    pub salvo: fn(&Front, u32) -> Option<Salvo>,
    /// Whether resets by the server are what the vector provokes, and count as refusals.
    pub counts_resets: bool,
}

/// Pause before a connection that ended is opened again.
const PAUSE: Duration = Duration::from_millis(50);

/// Attacks until the front's end.
pub(super) async fn attack(front: Arc<Front>, manner: Manner) {
    let mut attackers = JoinSet::new();
    for number in 0..manner.connections {
        let front = Arc::clone(&front);
        attackers.spawn(async move {
            let mut turn = 0;
            clock::until(front.start).await;
            while !front.is_over() {
                one(&front, manner, number + turn * manner.connections).await;
                turn += 1;
                clock::until((clock::now() + PAUSE).min(front.end)).await;
            }
        });
    }
    clock::until(front.end).await;
    attackers.shutdown().await;
}

/// One connection, from its opening to its end.
async fn one(front: &Arc<Front>, manner: Manner, number: usize) {
    let Ok(stream) = front.secure_http2(front.bots.numbered(number)).await else { return };
    let _held = front.ledger.hold();
    let (reader, mut writer) = tokio::io::split(stream);
    let watch = watch(front, Reader::new(reader), manner.counts_resets);
    let write = async {
        writer.write_all(&frames::preface(manner.settings)).await?;
        let share = front.offer.per_s / f64::from(u32::try_from(manner.connections).unwrap_or(1));
        let begin = clock::now();
        let mut offered = 0.0_f64;
        let mut turn = 0;
        while let Some(salvo) = (manner.salvo)(front, turn) {
            // By the rate, when this salvo is due: what the server does not take makes it late, and
            // is seen in what was offered.
            let due = begin + Duration::from_secs_f64((offered / share.max(0.001)).min(3_600.0));
            if due > clock::now() {
                writer.flush().await?;
                clock::until(due).await;
            }
            writer.write_all(&salvo.bytes).await?;
            writer.flush().await?;
            Ledger::add(&front.ledger.offered, salvo.offers);
            offered += f64::from(u32::try_from(salvo.offers).unwrap_or(0));
            turn += 1;
        }
        writer.flush().await?;
        std::future::pending::<std::io::Result<()>>().await
    };
    tokio::select! {
        _ended = watch => {}
        _broken = write => {}
    }
}

async fn watch<S: tokio::io::AsyncRead + Unpin>(
    front: &Front,
    mut reader: Reader<S>,
    counts_resets: bool,
) -> std::io::Result<()> {
    loop {
        let counter = match reader.next().await? {
            Seen::Served => &front.ledger.served,
            Seen::Refused => &front.ledger.refused,
            Seen::Reset if counts_resets => &front.ledger.refused,
            Seen::GoAway => {
                front.ledger.refused.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
            Seen::Reset | Seen::Other => continue,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
