//! `fulmar`: one binary that hosts a microblog. The command line; what each command does is in the
//! module of its name. Only this room reads files, the clock and the operating system's chance.

mod accounts;
mod config;
mod open;
mod serve;
mod world;

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A small social network that you host yourself, for any Mastodon app.
#[derive(Parser)]
#[command(
    version,
    after_help = "Begin with:  fulmar serve\n\
    It makes a data folder and an owner account, and says where it listens."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Where the data and the configuration are; every command takes these.
#[derive(Args, Clone)]
pub(crate) struct Place {
    /// Folder of the database and the keys; made where it is missing.
    #[arg(long, default_value = "fulmar-data", global = true)]
    data: PathBuf,
    /// Configuration file (TOML); without one everything has a default.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve. Standard output carries one line, `ready http://ADDR:PORT`; the log goes to
    /// standard error.
    Serve {
        #[command(flatten)]
        place: Place,
        /// Address and port; port 0 takes a free one. Overrides `server.listen`.
        #[arg(long)]
        listen: Option<std::net::SocketAddr>,
    },
    /// Members of this instance.
    #[command(subcommand)]
    Account(AccountCommand),
    /// Access tokens, for bots and scripts.
    #[command(subcommand)]
    Token(TokenCommand),
    /// The configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Subcommand)]
enum AccountCommand {
    /// Make a member. The password is shown once, or read from standard input.
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
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// List the members, newest first.
    List {
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Subcommand)]
enum TokenCommand {
    /// Make a token and print it, and nothing else.
    Create {
        /// Whose.
        name: String,
        /// Space-separated scopes.
        #[arg(long, default_value = "read write follow push")]
        scopes: String,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Read the configuration and say whether it can be used.
    Check {
        #[command(flatten)]
        place: Place,
    },
}

fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing::Level::INFO)
        .init();
    match run(cli.command) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fulmar: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        match command {
            Command::Serve { place, listen } => serve::serve(&place, listen).await,
            Command::Account(AccountCommand::Create {
                name,
                email,
                role,
                password_stdin,
                json,
                place,
            }) => accounts::create(&place, &name, &email, &role, password_stdin, json).await,
            Command::Account(AccountCommand::List { place }) => accounts::list(&place).await,
            Command::Token(TokenCommand::Create { name, scopes, place }) => {
                accounts::token(&place, &name, &scopes).await
            }
            Command::Config(ConfigCommand::Check { place }) => {
                config::load(&place)?;
                println!("the configuration can be used");
                Ok(())
            }
        }
    });
    runtime.shutdown_background();
    result
}
