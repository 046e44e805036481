//! `fulmar account`: its words, and what is printed. What is done is in `control`.

use crate::{
    Place,
    control::{self, Member, Reply, Request, Session},
};
use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use std::io::{BufRead as _, IsTerminal as _};

/// What every form of it takes.
#[derive(Args, Clone)]
pub(crate) struct Common {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Subcommand)]
pub(crate) enum AccountCommand {
    /// Make a member. The password is shown once, or read from standard input.
    #[command(after_help = "Examples:\n  \
        fulmar account create ann --email ann@example.org\n  \
        fulmar account create mo --email mo@example.org --role moderator\n  \
        fulmar account create bot --email bot@example.org --password-stdin --json < password")]
    Create {
        /// Username: letters, digits and underscores.
        name: String,
        /// E-mail address.
        #[arg(long)]
        email: String,
        /// member, moderator or owner.
        #[arg(long, default_value = "member")]
        role: String,
        /// Read the password from the first line of standard input.
        #[arg(long)]
        password_stdin: bool,
        #[command(flatten)]
        common: Common,
    },
    /// List the members, newest first.
    #[command(after_help = "Examples:\n  fulmar account list\n  \
        fulmar account list --json | jq -r '.[] | select(.role == \"owner\") | .username'")]
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Show one member, and what was decided about them.
    #[command(after_help = "Example:\n  fulmar account show ann")]
    Show {
        /// Whom.
        name: String,
        #[command(flatten)]
        common: Common,
    },
    /// Suspend a member: nobody sees them, and their apps and open streams are cut at once.
    #[command(after_help = "Example:\n  \
        fulmar account suspend spammer --reason \"sells watches in every thread\"")]
    Suspend {
        /// Whom.
        name: String,
        /// Why; kept with the decision.
        #[arg(long, default_value = "")]
        reason: String,
        #[command(flatten)]
        common: Common,
    },
    /// Lift a suspension.
    #[command(after_help = "Example:\n  fulmar account unsuspend ann --reason \"it was not her\"")]
    Unsuspend {
        /// Whom.
        name: String,
        /// Why; kept with the decision.
        #[arg(long, default_value = "")]
        reason: String,
        #[command(flatten)]
        common: Common,
    },
    /// Change a role: member, moderator or owner. The only owner stays one.
    #[command(after_help = "Example:\n  fulmar account role ann moderator")]
    Role {
        /// Whose.
        name: String,
        /// member, moderator or owner.
        role: String,
        #[command(flatten)]
        common: Common,
    },
    /// Delete a member for good: everybody stops seeing them at once, and what they left is removed
    /// while the server runs. The name stays taken.
    #[command(after_help = "Examples:\n  \
        fulmar account delete ann                            asks first\n  \
        fulmar account delete ann --yes --reason \"as they asked by mail\"")]
    Delete {
        /// Whom.
        name: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// Why; kept with the decision.
        #[arg(long, default_value = "")]
        reason: String,
        #[command(flatten)]
        common: Common,
    },
    /// Give a new password, and end every session and token of the member.
    #[command(after_help = "Examples:\n  \
        fulmar account reset-password ann                    draws one and shows it once\n  \
        fulmar account reset-password ann --password-stdin < password")]
    ResetPassword {
        /// Whose.
        name: String,
        /// Read the password from the first line of standard input.
        #[arg(long)]
        password_stdin: bool,
        #[command(flatten)]
        common: Common,
    },
}

/// The password from standard input, where asked for.
fn password(stdin: bool) -> anyhow::Result<Option<String>> {
    if !stdin {
        return Ok(None);
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("no password on standard input")?;
    let line = line.trim_end_matches(['\r', '\n']).to_owned();
    if line.is_empty() {
        bail!("standard input has no password in its first line");
    }
    Ok(Some(line))
}

/// Asks whoever sits at the terminal to type the name once more; nobody else is asked.
fn confirm(name: &str) -> anyhow::Result<()> {
    let bare = name.trim_start_matches('@');
    if !std::io::stdin().is_terminal() {
        bail!("this deletes @{bare} for good: say so with --yes");
    }
    eprint!("This deletes @{bare} and all that they posted, for good. Type the name to go on: ");
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("no answer")?;
    if line.trim().trim_start_matches('@') != bare {
        bail!("nothing was deleted");
    }
    Ok(())
}

/// Carries a command out and prints what came of it.
pub(crate) async fn run(command: AccountCommand) -> anyhow::Result<()> {
    let (request, common) = match command {
        AccountCommand::List { common } => return list(&common).await,
        AccountCommand::Create { name, email, role, password_stdin, common } => {
            let password = password(password_stdin)?;
            (Request::AccountCreate { name, email, role, password }, common)
        }
        AccountCommand::Show { name, common } => (Request::AccountShow { name }, common),
        AccountCommand::Suspend { name, reason, common } => {
            (Request::AccountSuspend { name, reason }, common)
        }
        AccountCommand::Unsuspend { name, reason, common } => {
            (Request::AccountUnsuspend { name, reason }, common)
        }
        AccountCommand::Role { name, role, common } => {
            (Request::AccountRole { name, role }, common)
        }
        AccountCommand::Delete { name, yes, reason, common } => {
            if !yes {
                confirm(&name)?;
            }
            (Request::AccountDelete { name, reason }, common)
        }
        AccountCommand::ResetPassword { name, password_stdin, common } => {
            let password = password(password_stdin)?;
            (Request::AccountResetPassword { name, password }, common)
        }
    };
    let reply = control::run(&common.place, request).await?;
    if common.json { print_json(reply) } else { print(reply) }
}

/// A member's entry with more beside it.
fn entry(member: &Member, more: serde_json::Value) -> anyhow::Result<serde_json::Value> {
    let mut entry = serde_json::to_value(member)?;
    if let (Some(entry), serde_json::Value::Object(more)) = (entry.as_object_mut(), more) {
        entry.extend(more);
    }
    Ok(entry)
}

fn print_json(reply: Reply) -> anyhow::Result<()> {
    let json = match reply {
        Reply::Created { member, password } | Reply::Password { member, password } => {
            entry(&member, serde_json::json!({ "password": password }))?
        }
        Reply::Shown { member, decisions } => {
            entry(&member, serde_json::json!({ "decisions": decisions }))?
        }
        Reply::Deleted { username } => serde_json::json!({ "deleted": username }),
        Reply::Decided { member, already } => {
            entry(&member, serde_json::json!({ "already": already }))?
        }
        other => bail!("an answer to something else: {other:?}"),
    };
    println!("{json}");
    Ok(())
}

fn print(reply: Reply) -> anyhow::Result<()> {
    match reply {
        Reply::Created { member, password } => {
            println!("made @{} ({})", member.username, member.role);
            if let Some(password) = password {
                println!("password: {password}");
            }
        }
        Reply::Password { member, password } => {
            println!(
                "@{} has a new password; their sessions and apps are logged out",
                member.username
            );
            if let Some(password) = password {
                println!("password: {password}");
            }
        }
        Reply::Decided { member, already } => {
            let state = if member.suspended.is_some() { "suspended" } else { "active" };
            let was = if already { "was already" } else { "is now" };
            println!("@{} ({}) {was} {state}", member.username, member.role);
        }
        Reply::Deleted { username } => {
            println!("@{username} is deleted; what they left is removed while the server runs");
        }
        Reply::Shown { member, decisions } => {
            println!("@{} {}", member.username, member.display_name);
            println!("  id         {}", member.id);
            println!("  e-mail     {}", member.email);
            println!("  role       {}", member.role);
            println!("  suspended  {}", member.suspended.as_deref().unwrap_or("no"));
            println!("  joined     {}", member.created);
            println!("  posts      {}", member.posts);
            println!("  last post  {}", member.last_post.as_deref().unwrap_or("never"));
            println!("  followers  {}", member.followers);
            println!("  following  {}", member.following);
            for decision in decisions {
                let by = decision.by.as_deref().unwrap_or("the command line");
                println!("  {} {} by {by} {}", decision.at, decision.verdict, decision.reason);
            }
        }
        other => bail!("an answer to something else: {other:?}"),
    }
    Ok(())
}

async fn list(common: &Common) -> anyhow::Result<()> {
    let mut session = Session::open(&common.place, false).await?;
    let (mut before, mut entries) = (None, Vec::new());
    loop {
        let Reply::Members { members, more } = session.ask(Request::AccountList { before }).await?
        else {
            bail!("an answer to something else");
        };
        before = members.last().and_then(|member| member.id.parse().ok());
        for member in members {
            if common.json {
                entries.push(member);
                continue;
            }
            let state = if member.suspended.is_some() { "\tsuspended" } else { "" };
            println!("{}\t{}\t{}{state}", member.username, member.role, member.email);
        }
        if !more || before.is_none() {
            break;
        }
    }
    if common.json {
        println!("{}", serde_json::to_string(&entries)?);
    }
    Ok(())
}
