//! The configuration: one TOML file, every key with a default, unknown keys refused so that a
//! misspelt one is noticed. The keys stand in `keys`, once each; everything else is made from them.

mod declare;
mod keys;
mod kinds;
mod print;
#[cfg(test)]
mod tests;

pub(crate) use keys::{Config, Log};
pub(crate) use kinds::{Kernel, LogFormat, MailTls, ProxyProtocol, ShieldMode};
pub(crate) use print::{default_file, reference};

use crate::{Place, hint, limits::ACME_NAMES_MAX};
use anyhow::{Context as _, bail};
use httpkit::egress::{Egress, Proxy, ProxyError};
use kinds::Secret;
use std::path::{Path, PathBuf};

/// Most bytes of a file that holds one secret.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// Reads the file, if one was named, and the files of secrets that it names.
pub(crate) fn load(place: &Place) -> anyhow::Result<Config> {
    let Some(path) = &place.config else { return parse("") };
    let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => anyhow::anyhow!(
            "there is no configuration {0}: `fulmar config default > {0}` writes one with every \
             key, or leave --config out",
            path.display()
        ),
        std::io::ErrorKind::InvalidData => {
            anyhow::anyhow!("the configuration {} is no text in UTF-8", path.display())
        }
        _ => hint::reaching("read the configuration", path, &error),
    })?;
    parse(&text).with_context(|| format!("{} cannot be used", path.display()))
}

/// Reads a file's text; says everything that is wrong with it.
pub(crate) fn parse(text: &str) -> anyhow::Result<Config> {
    let mut reader = declare::Reader::new(text).map_err(anyhow::Error::msg)?;
    let mut config = keys::read(&mut reader);
    let mut problems = reader.problems();
    let store = &mut config.store;
    let read = secret(&mut store.postgres_url, &store.postgres_url_file, "store.postgres_url");
    problems.extend(read.err());
    let mail = &mut config.mail;
    problems.extend(secret(&mut mail.password, &mail.password_file, "mail.password").err());
    let egress = &mut config.egress;
    problems.extend(secret(&mut egress.proxy, &egress.proxy_file, "egress.proxy").err());
    problems.extend(disagreements(&config));
    if !problems.is_empty() {
        bail!("\n  {}", problems.join("\n  "));
    }
    Ok(config)
}

/// Fills a secret from the file that was named for it.
fn secret(
    value: &mut Option<Secret>,
    file: &Option<PathBuf>,
    key: &'static str,
) -> Result<(), String> {
    let Some(path) = file else { return Ok(()) };
    if value.is_some() {
        return Err(format!("`{key}` and `{key}_file` are both set: keep one"));
    }
    let text =
        secret_text(path).map_err(|why| format!("`{key}_file`: {}: {why}", path.display()))?;
    *value = Some(Secret::new(text));
    Ok(())
}

/// One line of a file that may be a pipe or a credential of the service manager.
fn secret_text(path: &Path) -> Result<String, String> {
    use std::io::Read as _;
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut text = String::new();
    let read = file.take(SECRET_BYTES_MAX).read_to_string(&mut text);
    read.map_err(|error| error.to_string())?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() || text.contains('\n') {
        return Err("it must hold the secret on one line, and nothing else".to_owned());
    }
    Ok(text.to_owned())
}

/// Keys that are valid by themselves and cannot be used together.
fn disagreements(config: &Config) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(filter) = &config.log.filter
        && let Err(error) = filter.parse::<tracing_subscriber::EnvFilter>()
    {
        found.push(format!("`log.filter` is no list of levels by target: {error}"));
    }
    if let Some(listen) = config.metrics.listen
        && !listen.ip().to_canonical().is_loopback()
        && !config.metrics.public
    {
        found.push(format!(
            "`metrics.listen` = {listen} can be reached by others: set `metrics.public = true` if \
             that is meant"
        ));
    }
    if config.server.proxy_protocol == ProxyProtocol::Required
        && config.server.trusted_proxies.is_empty()
    {
        found.push(
            "`server.proxy_protocol` is for connections from `server.trusted_proxies`: name them"
                .to_owned(),
        );
    }
    found.extend(config.egress_proxy().err().map(|error| format!("`egress.proxy`: {error}")));
    found.extend(mail_disagreements(config));
    found.extend(tls_disagreements(config));
    found
}

/// The same of the keys that certificates come from.
fn tls_disagreements(config: &Config) -> Vec<String> {
    let mut found = Vec::new();
    let tls = &config.tls;
    if tls.certificate.is_some() != tls.key.is_some() {
        found.push("`tls.certificate` and `tls.key` belong together: set both or none".to_owned());
    }
    if tls.redirect_listen.is_some() && tls.certificate.is_none() && !tls.acme {
        found.push(
            "`tls.redirect_listen` redirects to TLS: set `tls.acme` or `tls.certificate` too"
                .to_owned(),
        );
    }
    if !tls.acme {
        return found;
    }
    if tls.certificate.is_some() {
        found.push("`tls.acme` and `tls.certificate` are both set: keep one".to_owned());
    }
    if !tls.acme_terms_accepted {
        found.push(
            "`tls.acme` needs `tls.acme_terms_accepted = true`: read the terms of the authority \
             (Let's Encrypt: https://letsencrypt.org/repository/)"
                .to_owned(),
        );
    }
    if !tls.acme_directory.starts_with("https://") {
        found.push("`tls.acme_directory` must begin with https://".to_owned());
    }
    let names = config.certified_names();
    if names.is_empty() {
        found.push("`tls.acme` needs a name: set `server.domain`".to_owned());
    }
    if names.len() > ACME_NAMES_MAX {
        found.push(format!("`tls.acme_domains` has more than {ACME_NAMES_MAX} names"));
    }
    for name in names.iter().filter(|name| !is_public(name)) {
        found.push(format!("`tls.acme`: no authority certifies {name}: it is no public host name"));
    }
    found
}

/// Whether a name is one that authorities certify: no address, and not of one label.
fn is_public(name: &str) -> bool {
    name.contains('.') && name.parse::<std::net::IpAddr>().is_err()
}

impl Config {
    /// Names that a certificate of this server is for.
    pub(crate) fn certified_names(&self) -> Vec<String> {
        let own = &self.tls.acme_domains;
        let domains = if own.is_empty() { self.server.domain.as_slice() } else { own };
        domains.iter().map(|domain| domain.host().to_owned()).collect()
    }

    /// The proxy that everything goes out through.
    fn egress_proxy(&self) -> Result<Option<Proxy>, ProxyError> {
        self.egress.proxy.as_ref().map(|proxy| proxy.reveal().parse()).transpose()
    }

    /// How everything goes out.
    ///
    /// # Errors
    /// Never for a configuration that was read: what the key says was looked at then.
    pub(crate) fn way_out(&self) -> anyhow::Result<Egress> {
        let direct = self.egress.direct.iter().map(|host| host.as_str().to_owned()).collect();
        Ok(Egress::new(self.egress_proxy()?, self.egress.address, direct))
    }
}

/// The same, of mail.
fn mail_disagreements(config: &Config) -> Vec<String> {
    let mail = &config.mail;
    let mut found = Vec::new();
    let mut refuse = |is_wrong: bool, why: &str| {
        if is_wrong {
            found.push(why.to_owned());
        }
    };
    let Some(host) = &mail.host else {
        let is_begun = mail.from.is_some() || mail.user.is_some() || mail.password.is_some();
        refuse(is_begun, "there are keys in [mail], and no mail is sent: set `mail.host` too");
        return found;
    };
    refuse(mail.from.is_none(), "`mail.host` is set: set `mail.from` too");
    refuse(
        config.server.domain.is_none(),
        "`mail.host` is set: set `server.domain` too, links in mails lead there",
    );
    refuse(
        mail.user.is_some() != mail.password.is_some(),
        "`mail.user` and `mail.password` belong together: set both or none",
    );
    refuse(
        mail.tls == MailTls::None && !host.is_local(),
        "`mail.tls = \"none\"` would send mails and the password in the clear: that is accepted \
         for this machine only",
    );
    refuse(
        mail.tls == MailTls::None && mail.ca_file.is_some(),
        "`mail.ca_file` is for TLS, and `mail.tls` is \"none\": keep one",
    );
    found
}

/// What can be used and should be seen to: secrets that others on this machine can read.
pub(crate) fn advice(place: &Place, config: &Config) -> Vec<String> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut found = Vec::new();
    let (store, mail, egress) = (&config.store, &config.mail, &config.egress);
    let is_secret = |proxy: &Secret| proxy.reveal().contains('@');
    let holds = (store.postgres_url.is_some() && store.postgres_url_file.is_none())
        || (mail.password.is_some() && mail.password_file.is_none())
        || (egress.proxy.as_ref().is_some_and(is_secret) && egress.proxy_file.is_none());
    let own = place.config.as_ref().filter(|_| holds);
    let files = [&store.postgres_url_file, &mail.password_file, &egress.proxy_file];
    for path in own.into_iter().chain(files.into_iter().flatten()) {
        let mode = std::fs::metadata(path).map_or(0, |found| found.permissions().mode());
        if mode & 0o007 != 0 {
            found.push(format!(
                "{0} holds a secret and anybody here can read it: chmod o= {0}",
                path.display()
            ));
        }
    }
    found
}
