//! `fulmar`: one binary that hosts a microblog. The command line; what each command does is in the
//! module of its name. Only this room reads files, the clock and the operating system's chance.

mod accounts;
mod acme;
mod backup;
mod certificate;
mod chores;
mod config;
mod control;
mod demo;
mod doctor;
mod drilling;
mod handed;
mod hint;
mod limiter;
mod limits;
mod lock;
mod log;
mod memory;
mod metrics;
mod notify;
mod open;
mod owner;
mod pipe;
mod plural;
mod serve;
mod shielding;
mod smtp;
mod tls;
mod tokens;
mod world;

use clap::{Args, Parser, Subcommand};
use doctor::What;
use std::path::PathBuf;

/// A small social network that you host yourself, for any Mastodon app.
#[derive(Parser)]
#[command(
    name = "fulmar",
    version,
    after_help = "Begin with:\n  \
      fulmar serve                          makes a data folder and an owner account\n\n\
    For a place of your own on the internet:\n  \
      fulmar config default > fulmar.toml   then set server.domain and server.listen\n  \
      fulmar config check --config fulmar.toml\n  \
      fulmar serve --config fulmar.toml --data /var/lib/fulmar\n\n\
    Commands about an instance take --data and --config; each has a --help with examples."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Where the data and the configuration are; every command takes these.
#[derive(Args, Clone)]
pub(crate) struct Place {
    /// Folder of the database and the keys; made where it is missing.
    #[arg(long, default_value = "fulmar-data", global = true, env = "FULMAR_DATA")]
    data: PathBuf,
    /// Configuration file (TOML); without one everything has a default.
    #[arg(long, global = true, env = "FULMAR_CONFIG")]
    config: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve. Standard output carries one line, `ready http://ADDR:PORT` (https with TLS); the log
    /// goes to standard error.
    #[command(after_help = "Examples:\n  \
        fulmar serve                              on 127.0.0.1:8080, data in ./fulmar-data\n  \
        fulmar serve --listen 127.0.0.1:0         on a free port, which the line `ready` names\n  \
        fulmar serve --demo --data /tmp/harbour    with invented members, to look around\n  \
        fulmar serve --config /etc/fulmar/fulmar.toml --data /var/lib/fulmar\n\n\
        SIGTERM and SIGINT finish what is in flight and end. SIGHUP reads the certificate\n\
        again, or asks for one that is due (tls.acme).")]
    Serve {
        #[command(flatten)]
        place: Place,
        /// Address and port; port 0 takes a free one. Overrides `server.listen`.
        #[arg(long, value_parser = hint::address)]
        listen: Option<std::net::SocketAddr>,
        /// Fill the data folder with a sample community first; only where it is empty.
        #[arg(long)]
        demo: bool,
    },
    /// Members of this instance.
    #[command(
        subcommand,
        after_help = "Examples:\n  \
        fulmar account create ann --email ann@example.org\n  \
        fulmar account reset-password ann         when ann is locked out\n  \
        fulmar account suspend spammer --reason \"sells watches\"\n\n\
        A running server knows at once what was done. Each has a --help of its own."
    )]
    Account(accounts::AccountCommand),
    /// Access tokens, for bots and scripts.
    #[command(
        subcommand,
        after_help = "Examples:\n  \
        fulmar token create bot --scopes \"read write\"\n  \
        fulmar token list ann                     every app that acts for ann\n  \
        fulmar token revoke - < leaked-token      ends it at once"
    )]
    Token(tokens::TokenCommand),
    /// Save posts, pictures and keys in one file, also while the server runs.
    #[command(after_help = "Examples:\n  \
        fulmar backup /srv/backups/fulmar-$(date +%F).tar.zst\n  \
        fulmar backup /mnt/usb/fulmar.tar.zst --force      over the one of yesterday\n\n\
        The running server writes the file itself. It holds the keys: keep it to yourself.")]
    Backup {
        /// The file to write.
        file: PathBuf,
        /// Overwrite a file that is there.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Put a backup into an empty data folder, and into an empty database where the configuration
    /// names PostgreSQL. No server may be running there.
    #[command(after_help = "Examples:\n  \
        fulmar restore fulmar.tar.zst --data /var/lib/fulmar\n  \
        fulmar restore fulmar.tar.zst --force      moves what is there into before-restore-DATE \
        inside it\n\n\
        Tables that are in PostgreSQL already move into a schema beside.\n\
        Everything is verified before anything is moved.")]
    Restore {
        /// The file to read.
        file: PathBuf,
        /// Move aside what is in the data folder and in the database.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Look whether all is well here, and say what to do. Ends with 1 if something is wrong.
    #[command(after_help = "Examples:\n  \
        fulmar doctor --config /etc/fulmar/fulmar.toml --data /var/lib/fulmar\n  \
        fulmar doctor --json | jq '.[] | select(.verdict != \"good\")'\n  \
        fulmar doctor --origin --address 203.0.113.7    what reveals where this server is")]
    Doctor {
        /// Look at what reveals this server's address, for whoever hides it behind proxies. Asks
        /// this machine's resolver and its own addresses, nobody else.
        #[arg(long)]
        origin: bool,
        /// One more address of this server: one that a router lends it, or an earlier one.
        #[arg(long, requires = "origin", value_name = "IP")]
        address: Vec<std::net::IpAddr>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Attack a scratch instance on this machine's loopback, and say what its members went through.
    #[command(after_help = drilling::AFTER_HELP)]
    Drill(drilling::DrillArgs),
    /// The shield of the running server: what it does, and who is kept out.
    #[command(
        subcommand,
        after_help = "Examples:\n  \
        fulmar shield status              what it sees and does\n  \
        fulmar shield list                whose packets the kernel drops\n  \
        fulmar shield clear 192.0.2.7     forgive an address"
    )]
    Shield(shielding::commands::ShieldCommand),
    /// The configuration.
    #[command(
        subcommand,
        after_help = "Examples:\n  \
        fulmar config default > fulmar.toml       every key, commented out at its default\n  \
        fulmar config check --config fulmar.toml  says all that is wrong, by lines"
    )]
    Config(ConfigCommand),
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Read the configuration and say whether it can be used.
    #[command(after_help = "Example:\n  \
        fulmar config check --config /etc/fulmar/fulmar.toml && systemctl restart fulmar")]
    Check {
        #[command(flatten)]
        place: Place,
    },
    /// Print a configuration file with every key, commented out at its default.
    #[command(after_help = "Example:\n  fulmar config default > fulmar.toml")]
    Default,
    /// Print the page of documentation of every key.
    #[command(hide = true)]
    Reference,
}

fn main() -> std::process::ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fulmar: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    if !matches!(command, Command::Serve { .. }) {
        log::quiet();
        // A drill writes to connections that end under it, which would end it too.
        if !matches!(command, Command::Drill(_)) {
            pipe::end_with_the_reader();
        }
    }
    memory::keep_pages_small();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        match command {
            Command::Serve { place, listen, demo } => serve::serve(&place, listen, demo).await,
            Command::Account(command) => accounts::run(command).await,
            Command::Token(command) => tokens::run(command).await,
            Command::Backup { file, force, place } => backup::run(&place, &file, force).await,
            Command::Restore { file, force, place } => backup::restore(&place, &file, force).await,
            Command::Doctor { json, origin, address, place } => {
                let what = if origin { What::Origin(address) } else { What::Health };
                doctor::run(&place, json, &what).await
            }
            Command::Drill(args) => drilling::run(args).await,
            Command::Shield(command) => shielding::commands::run(command).await,
            Command::Config(command) => configuration(&command),
        }
    });
    runtime.shutdown_background();
    result
}

fn configuration(command: &ConfigCommand) -> anyhow::Result<()> {
    match command {
        ConfigCommand::Check { place } => {
            let config = config::load(place)?;
            for advice in config::advice(place, &config) {
                eprintln!("fulmar: {advice}");
            }
            smtp::from_config(&config)?;
            match &place.config {
                Some(file) => println!("{} can be used", file.display()),
                None => println!(
                    "no file was named (--config or FULMAR_CONFIG): every key has its default"
                ),
            }
        }
        ConfigCommand::Default => print!("{}", config::default_file()),
        ConfigCommand::Reference => print!("{}", config::reference()),
    }
    Ok(())
}
