//! What the doctor looks at, one function each.

use super::{Finding, disk, good, note, tls, wrong};
use crate::{
    Place, backup,
    config::{self, Config, Kernel},
    control::{self, Reply, Request},
    limits::{BACKUP_AGE_DAYS, DISK_FREE_BYTES_LOW, DISK_FREE_BYTES_MIN, OPEN_FILES_FEW},
    open, owner,
    plural::plural,
    smtp::Smtp,
    world::WallClock,
};
use model::ports::Clock as _;
use shield::edge;
use std::{
    fs,
    io::ErrorKind,
    net::TcpListener,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
};
use store::{Db, Engine, Look};

/// Looks at everything that can be looked at.
pub(super) async fn all(place: &Place) -> Vec<Finding> {
    let mut findings = Vec::new();
    let config = match config::load(place) {
        Ok(config) => {
            let advice = config::advice(place, &config).into_iter();
            findings.extend(advice.map(|said| wrong("configuration", "a secret lies open", said)));
            findings.push(good("configuration", "it can be used"));
            Some(config)
        }
        Err(error) => {
            let said = format!("{error:#}");
            findings.push(wrong(
                "configuration",
                said,
                "mend it; `fulmar config check --config FILE` helps",
            ));
            None
        }
    };
    let data = &place.data;
    let (found, advice) = match control::is_instance(data) {
        Ok(true) => (None, ""),
        Ok(false) => (
            Some(format!("there is no instance in {}", data.display())),
            "name its folder with --data, or begin one with `fulmar serve`",
        ),
        Err(error) => (Some(format!("{error:#}")), "run this as the server's user"),
    };
    if let Some(found) = found {
        findings.push(wrong("data folder", found, advice));
        return findings;
    }
    let is_served = control::is_served(data).await;
    findings.push(folder(data));
    findings.push(owners(data));
    findings.extend(keys(data));
    findings.push(room(data));
    findings.push(open_files());
    findings.extend(restore(data));
    if let Some(config) = &config {
        findings.extend(database(&open::engine(data, config), is_served).await);
        findings.push(domain(config));
        findings.push(listening(config, is_served));
        findings.extend(tls::findings(data, config));
        findings.push(kernel(place, config, is_served).await);
        findings.push(sign_up(config));
        findings.push(mail(config).await);
        findings.push(last_backup(data));
    }
    findings
}

fn folder(data: &Path) -> Finding {
    const NAME: &str = "data folder";
    let shown = data.display();
    let (Ok(found), Ok(own)) = (fs::metadata(data), owner::process()) else {
        return wrong(NAME, format!("{shown} cannot be read"), "run this as the server's user");
    };
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let found = format!("{shown} has mode {mode:o}: others here can look into it");
        return wrong(NAME, found, format!("chmod 700 {shown}"));
    }
    if found.uid() != own && own != 0 {
        let found = format!("{shown} belongs to another user (number {})", found.uid());
        return wrong(NAME, found, "run this, and the server, as that user");
    }
    good(NAME, format!("{shown} is for its owner only"))
}

/// Whether everything is the folder's owner's: what a command as root has left, the server cannot
/// write.
fn owners(data: &Path) -> Finding {
    const NAME: &str = "owners";
    let shown = data.display();
    match owner::strangers(data) {
        Ok(others) => match others.first() {
            None => good(NAME, "all is the owner's of the data folder"),
            Some(first) => {
                let more = match others.len() {
                    1 => String::new(),
                    count => format!(", and {} more", count - 1),
                };
                let found = format!(
                    "{} belongs to another user than {shown}{more}: the server cannot write it",
                    first.display()
                );
                wrong(NAME, found, format!("chown -R --reference={shown} {shown}"))
            }
        },
        Err(error) => note(NAME, format!("not known: {error}"), "run this as the server's user"),
    }
}

fn keys(data: &Path) -> Vec<Finding> {
    const NAME: &str = "secrets";
    let mut findings = Vec::new();
    let entries = fs::read_dir(data).into_iter().flatten().flatten();
    let mut count = 0;
    for entry in entries {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !(name.ends_with(".key") || name == "owner-password") {
            continue;
        }
        count += 1;
        let mode = entry.metadata().map_or(0, |found| found.permissions().mode() & 0o777);
        if mode & 0o077 != 0 {
            let path = entry.path();
            let found = format!("{name} has mode {mode:o}: others here can read it");
            findings.push(wrong(NAME, found, format!("chmod 600 {}", path.display())));
        }
    }
    if fs::metadata(data.join("token.key")).map_or(0, |found| found.len()) != 32 {
        let advice = "put it back from a backup: without it nobody's app is logged in any more";
        findings.push(wrong(NAME, "token.key is damaged", advice));
    }
    if data.join("owner-password").exists() {
        let advice = "choose another password if you have not, and remove the file";
        findings.push(note(
            NAME,
            "owner-password, with the first password, is still there",
            advice,
        ));
    }
    if findings.is_empty() {
        findings.push(good(NAME, format!("{count} files, for their owner only")));
    }
    findings
}

fn room(data: &Path) -> Finding {
    const NAME: &str = "disk";
    const MIB: u64 = 1024 * 1024;
    let (free, total) = match disk::room(data) {
        Ok(found) => found,
        Err(error) => return note(NAME, format!("not known: {error}"), "look with `df`"),
    };
    let found = format!("{} MiB of {} MiB are free", free / MIB, total / MIB);
    let advice = "make room or give it more: with a full disk nobody can post";
    match free {
        ..DISK_FREE_BYTES_MIN => wrong(NAME, found, advice),
        DISK_FREE_BYTES_MIN..DISK_FREE_BYTES_LOW => note(NAME, found, advice),
        _ => good(NAME, found),
    }
}

fn open_files() -> Finding {
    const NAME: &str = "open files";
    // As the server does it, so that what is said is what the server gets.
    let _ = edge::raise_open_files();
    match edge::open_files_max() {
        Ok(files) if files < OPEN_FILES_FEW => note(
            NAME,
            format!("at most {files}, and each connection is one"),
            "raise the hard limit: LimitNOFILE=65536 in the unit, or `ulimit -Hn`",
        ),
        Ok(files) => good(NAME, format!("at most {files}")),
        Err(error) => note(NAME, format!("not known: {error}"), "look with `ulimit -Hn`"),
    }
}

fn restore(data: &Path) -> Option<Finding> {
    let said = backup::is_unfinished(data)?;
    Some(wrong("restore", said, "the server does not start before"))
}

async fn database(engine: &Engine, is_served: bool) -> Vec<Finding> {
    const NAME: &str = "database";
    let mut findings = Vec::new();
    if let Engine::Postgres(options) = engine
        && let Some(host) = options.in_the_clear()
    {
        let found = format!("{host} is spoken to in the clear: others on the way can read it all");
        let advice = "add ?sslmode=require to store.postgres_url, or reach it on this machine";
        findings.push(wrong("connection to the database", found, advice));
    }
    let found = match Db::inspect(engine, Look::Pages).await {
        Ok(found) => found,
        Err(error) => {
            let advice = match engine {
                Engine::Sqlite(_) => "is this the version that wrote it? Else restore a backup",
                Engine::Postgres(_) => "mend store.postgres_url, or the server that it names",
            };
            findings.push(wrong(NAME, format!("it cannot be opened: {error}"), advice));
            return findings;
        }
    };
    let posts = plural(found.statuses, "post", "posts");
    findings.push(match (found.damage, engine) {
        (Some(damage), _) => {
            let advice = "stop the server, keep a copy of the folder, and restore a backup";
            wrong(NAME, format!("it is damaged: {damage}"), advice)
        }
        (None, Engine::Sqlite(_)) => good(NAME, format!("sound; {posts}")),
        (None, Engine::Postgres(_)) => good(NAME, format!("PostgreSQL answers; {posts}")),
    });
    findings.push(match found.pending {
        0 => good("migrations", format!("all applied, up to {}", found.level)),
        pending if is_served => note(
            "migrations",
            format!("{pending} pending: the running server is older than this program"),
            "restart the server",
        ),
        pending => note(
            "migrations",
            format!("{pending} pending"),
            "the next start applies them, after a backup into the folder `backups`",
        ),
    });
    findings
}

fn domain(config: &Config) -> Finding {
    const NAME: &str = "domain";
    let advice = "set server.domain in the configuration";
    match &config.server.domain {
        Some(domain) => good(NAME, domain.as_str()),
        None if config.server.listen.ip().is_loopback() => {
            note(NAME, "not set: links lead to this machine only", advice)
        }
        None => wrong(NAME, "not set, though others can reach this server", advice),
    }
}

fn listening(config: &Config, is_served: bool) -> Finding {
    const NAME: &str = "listening";
    let address = config.server.listen;
    if is_served {
        return good(NAME, "the server of this folder runs and answers");
    }
    match TcpListener::bind(address) {
        Ok(_) => good(NAME, format!("{address} is free; no server runs")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => wrong(
            NAME,
            format!("another program listens on {address}"),
            "stop that one, or change server.listen (`ss -ltnp` shows who it is)",
        ),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => wrong(
            NAME,
            format!("{address} is not for this user: {error}"),
            "AmbientCapabilities=CAP_NET_BIND_SERVICE in the unit, or a port above 1023",
        ),
        Err(error) => wrong(
            NAME,
            format!("{address}: {error}"),
            "set server.listen to an address of this machine",
        ),
    }
}

/// Whether the kernel drops what offenders send. A running server is asked, since it may have other
/// rights than whoever looks.
async fn kernel(place: &Place, config: &Config, is_served: bool) -> Finding {
    const NAME: &str = "kernel";
    if config.shield.kernel == Kernel::Off {
        return good(NAME, "shield.kernel is off: offenders are refused by the server alone");
    }
    let off = if is_served {
        match control::run(place, Request::ShieldList { after: None }).await {
            Ok(Reply::ShieldDenials { kernel, .. }) if kernel.starts_with("on") => {
                return good(NAME, "it drops what proven offenders send");
            }
            Ok(Reply::ShieldDenials { kernel, .. }) => kernel,
            Ok(_) => "the server answered something else".to_owned(),
            Err(error) => format!("{error:#}"),
        }
    } else {
        match shield::kernel::probe() {
            Ok(()) => return good(NAME, "it would drop what proven offenders send"),
            Err(error) => format!("off: {error}, for this user"),
        }
    };
    note(
        NAME,
        format!("offenders are refused by the server alone; {off}"),
        "give the service CAP_NET_ADMIN, as under-attack.md says, or set shield.kernel to \"off\"",
    )
}

fn sign_up(config: &Config) -> Finding {
    const NAME: &str = "sign-up";
    if !config.signup.open {
        return good(NAME, "closed: `fulmar account create` makes members");
    }
    if config.mail.host.is_some() && config.signup.confirm {
        return good(NAME, "open to everybody who confirms an address");
    }
    note(
        NAME,
        "open to everybody at once, without confirmation by mail",
        "watch who joins (`fulmar account list`), or close it with signup.open = false",
    )
}

async fn mail(config: &Config) -> Finding {
    const NAME: &str = "mail";
    let smtp = match Smtp::from_config(config) {
        Ok(Some(smtp)) => smtp,
        Ok(None) => {
            let advice = "set [mail] in the configuration, so that members can help themselves";
            return note(NAME, "none is sent: nobody gets a new password by it", advice);
        }
        Err(error) => return wrong(NAME, format!("{error:#}"), "mend [mail] in the configuration"),
    };
    let place = smtp.place();
    match smtp.probe().await {
        Ok(()) => good(NAME, format!("{place} answers; nothing was sent")),
        Err(said) => {
            let advice = "until it answers, mails wait for about a day; see [mail], and its log";
            wrong(NAME, format!("{place}: {said}"), advice)
        }
    }
}

fn last_backup(data: &Path) -> Finding {
    const NAME: &str = "backup";
    let advice = "`fulmar backup FILE` each night, and keep a copy on another machine";
    let Some(last) = backup::last(data) else {
        return note(NAME, "none was ever taken", advice);
    };
    let taken = last.created.parse::<jiff::Timestamp>();
    let age_ms = taken.map_or(i64::MAX, |at| WallClock.now().ms() - at.as_millisecond());
    let age_days = age_ms / 86_400_000;
    let path = last.path.display();
    if age_days >= BACKUP_AGE_DAYS {
        return note(NAME, format!("the last is {age_days} days old: {path}"), advice);
    }
    if fs::metadata(&last.path).map_or(0, |found| found.len()) != last.bytes {
        let found = format!("{} is not there any more as it was written", path);
        return note(NAME, found, "was it moved to another machine? Then all is well");
    }
    good(NAME, format!("{} hours old: {path}", age_ms / 3_600_000))
}
