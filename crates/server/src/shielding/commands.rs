//! `fulmar shield`: its words, and what is printed. What is done is in `control`.

use crate::{
    Place,
    control::{self, DeniedShown, Reply, Request, Session},
    limits::SHIELD_NOTES_SHOWN,
};
use anyhow::bail;
use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum ShieldCommand {
    /// Show what the shield of the running server sees and does.
    #[command(after_help = "Examples:\n  \
        fulmar shield status                      a table\n  \
        fulmar shield status --decisions 50       with the latest decisions, newest first\n  \
        fulmar shield status --json | jq .pressed")]
    Status {
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// How many of the latest decisions to show.
        #[arg(long, value_name = "N", default_value_t = SHIELD_NOTES_SHOWN.0)]
        decisions: u16,
        #[command(flatten)]
        place: Place,
    },
    /// List the addresses whose packets the kernel drops: since when, until when, why, how many.
    #[command(after_help = "Examples:\n  \
        fulmar shield list\n  \
        fulmar shield list --json | jq -r '.entries[].address'")]
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Forgive an address, or all of them. Who goes on is denied again.
    #[command(after_help = "Examples:\n  \
        fulmar shield clear 192.0.2.7       an IPv6 address stands for its /64\n  \
        fulmar shield clear                 all of them")]
    Clear {
        /// Which; without it, all.
        address: Option<String>,
        #[command(flatten)]
        place: Place,
    },
    /// Have the kernel drop what an address sends to this server, for a while.
    #[command(after_help = "Examples:\n  \
        fulmar shield deny 192.0.2.7\n  \
        fulmar shield deny 2001:db8:1:2::3 --seconds 86400    with its /64")]
    Deny {
        /// Which.
        address: String,
        /// For how long.
        #[arg(long, default_value_t = 3_600, value_parser = clap::value_parser!(u32).range(
            1..=i64::from(shield::limits::kernel::DENIED_S_MAX)
        ))]
        seconds: u32,
        #[command(flatten)]
        place: Place,
    },
}

/// Carries a command out and prints what came of it.
pub(crate) async fn run(command: ShieldCommand) -> anyhow::Result<()> {
    match command {
        ShieldCommand::Status { json, decisions, place } => status(&place, json, decisions).await,
        ShieldCommand::List { json, place } => list(&place, json).await,
        ShieldCommand::Clear { address, place } => {
            must_be_served(&place).await?;
            match control::run(&place, Request::ShieldClear { address }).await? {
                Reply::ShieldCleared { was_denied: None } => println!("all are forgiven"),
                Reply::ShieldCleared { was_denied: Some(true) } => println!("it is forgiven"),
                Reply::ShieldCleared { .. } => println!("it was not denied"),
                other => bail!("an answer to something else: {other:?}"),
            }
            Ok(())
        }
        ShieldCommand::Deny { address, seconds, place } => {
            must_be_served(&place).await?;
            match control::run(&place, Request::ShieldDeny { address, seconds }).await? {
                Reply::ShieldDenied { address } => {
                    println!("what {address} sends is dropped for {seconds} s");
                }
                other => bail!("an answer to something else: {other:?}"),
            }
            Ok(())
        }
    }
}

/// What is denied lives in a running server, and nowhere else.
async fn must_be_served(place: &Place) -> anyhow::Result<()> {
    if control::is_served(&place.data).await {
        return Ok(());
    }
    bail!("no server runs on {}, so nobody is denied", place.data.display())
}

async fn status(place: &Place, json: bool, decisions: u16) -> anyhow::Result<()> {
    let reply = control::run(place, Request::ShieldStatus { decisions }).await?;
    let Reply::Shield { status } = reply else { bail!("an answer to something else: {reply:?}") };
    if json {
        println!("{}", serde_json::to_string(&status)?);
    } else {
        print!("{}", status.text());
    }
    Ok(())
}

async fn list(place: &Place, json: bool) -> anyhow::Result<()> {
    must_be_served(place).await?;
    let mut session = Session::open(place, false).await?;
    let mut entries: Vec<DeniedShown> = Vec::new();
    let state = loop {
        let after = entries.last().map(|entry| entry.address.clone());
        let reply = session.ask(Request::ShieldList { after }).await?;
        let Reply::ShieldDenials { kernel, entries: more_entries, more } = reply else {
            bail!("an answer to something else: {reply:?}");
        };
        let is_over = !more || more_entries.is_empty();
        entries.extend(more_entries);
        if is_over {
            break kernel;
        }
    };
    if json {
        println!("{}", serde_json::json!({ "kernel": state, "entries": entries }));
        return Ok(());
    }
    if !state.starts_with("on") {
        eprintln!("the kernel drops nothing; {state}");
    }
    for entry in entries {
        let DeniedShown { address, since, until, why, dropped_packets, .. } = entry;
        println!("{address}\tsince {since}\tuntil {until}\t{why}\t{dropped_packets} dropped");
    }
    Ok(())
}
