//! `fulmar token`: its words, and what is printed. What is done is in `control`.

use crate::{
    Place,
    control::{self, Reply, Request},
};
use anyhow::bail;
use clap::Subcommand;
use std::io::BufRead as _;

#[derive(Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token and print it, and nothing else.
    #[command(after_help = "Examples:\n  \
        fulmar token create bot --scopes \"read write\"\n  \
        TOKEN=$(fulmar token create ann)\n  \
        curl -H \"Authorization: Bearer $TOKEN\" \\\n    \
            http://127.0.0.1:8080/api/v1/timelines/home")]
    Create {
        /// Whose.
        name: String,
        /// Space-separated scopes.
        #[arg(long, default_value = "read write follow push")]
        scopes: String,
        #[command(flatten)]
        place: Place,
    },
    /// List a member's live tokens: number, app, scopes, since when.
    #[command(after_help = "Example:\n  fulmar token list ann")]
    List {
        /// Whose.
        name: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// End a token at once, and the streams that it opened.
    #[command(after_help = "Examples:\n  \
        fulmar token revoke 115617422303559680     by the number that `token list` shows\n  \
        fulmar token revoke - < leaked-token       by the token itself, from standard input")]
    Revoke {
        /// Its number, or `-` to read the token from standard input.
        token: String,
        #[command(flatten)]
        place: Place,
    },
}

/// Carries a command out and prints what came of it.
pub(crate) async fn run(command: TokenCommand) -> anyhow::Result<()> {
    match command {
        TokenCommand::Create { name, scopes, place } => {
            match control::run(&place, Request::TokenCreate { name, scopes }).await? {
                Reply::Token { token } => println!("{token}"),
                other => bail!("an answer to something else: {other:?}"),
            }
        }
        TokenCommand::List { name, json, place } => {
            let reply = control::run(&place, Request::TokenList { name }).await?;
            let Reply::Tokens { tokens } = reply else { bail!("an answer to something else") };
            if json {
                println!("{}", serde_json::to_string(&tokens)?);
                return Ok(());
            }
            for token in tokens {
                println!("{}\t{}\t{}\t{}", token.id, token.app, token.scopes, token.created);
            }
        }
        TokenCommand::Revoke { token, place } => {
            let token = if token == "-" {
                let mut line = String::new();
                std::io::stdin().lock().read_line(&mut line)?;
                line.trim().to_owned()
            } else {
                token
            };
            match control::run(&place, Request::TokenRevoke { token }).await? {
                Reply::Revoked { already: false } => println!("the token has ended"),
                Reply::Revoked { already: true } => println!("the token had ended before"),
                other => bail!("an answer to something else: {other:?}"),
            }
        }
    }
    Ok(())
}
