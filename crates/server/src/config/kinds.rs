//! What a key's value may be: how it is read, what is said when it cannot be used, and how it is
//! shown. A value that was read is valid: nothing checks it again.

use httpkit::ForwardedBy;
use ipnet::IpNet;
use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};
use toml::{Value, de::DeValue};

/// A kind of value.
pub(crate) trait Kind: Sized {
    /// What values are, for people: it stands after "must be".
    fn is() -> String;
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong beyond "must be ...": empty, or beginning with a comma or a colon.
    fn read(value: &DeValue<'_>) -> Result<Self, String>;
    /// As TOML; none where it is unset.
    fn show(&self) -> Option<String>;
}

fn text<'a>(value: &'a DeValue<'_>) -> Result<&'a str, String> {
    value.as_str().ok_or_else(|| ", in quotes".to_owned())
}

fn quoted(text: &str) -> Option<String> {
    Some(Value::String(text.to_owned()).to_string())
}

impl<K: Kind> Kind for Option<K> {
    fn is() -> String {
        K::is()
    }
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        K::read(value).map(Some)
    }
    fn show(&self) -> Option<String> {
        self.as_ref().and_then(K::show)
    }
}

impl<K: Kind> Kind for Vec<K> {
    fn is() -> String {
        format!("a list; each entry is {}", K::is())
    }
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let list = value.as_array().ok_or_else(|| ", in brackets".to_owned())?;
        list.iter().map(|entry| K::read(entry.get_ref())).collect()
    }
    fn show(&self) -> Option<String> {
        let shown: Vec<String> = self.iter().filter_map(K::show).collect();
        Some(format!("[{}]", shown.join(", ")))
    }
}

impl Kind for bool {
    fn is() -> String {
        "true or false".to_owned()
    }
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| ", without quotes".to_owned())
    }
    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Kind for String {
    fn is() -> String {
        "text".to_owned()
    }
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        text(value).map(str::to_owned)
    }
    fn show(&self) -> Option<String> {
        quoted(self)
    }
}

impl Kind for PathBuf {
    fn is() -> String {
        "a path".to_owned()
    }
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let path = text(value)?;
        if path.is_empty() { Err(": it is empty".to_owned()) } else { Ok(path.into()) }
    }
    fn show(&self) -> Option<String> {
        quoted(&self.to_string_lossy())
    }
}

impl Kind for SocketAddr {
    fn is() -> String {
        "an address and a port, like \"127.0.0.1:8080\" or \"[::]:443\"".to_owned()
    }
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        text(value)?.parse().map_err(|_| String::new())
    }
    fn show(&self) -> Option<String> {
        quoted(&self.to_string())
    }
}

impl Kind for IpNet {
    fn is() -> String {
        "a network or an address, like \"10.0.0.0/8\" or \"::1\"".to_owned()
    }
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let text = text(value)?;
        let address = || text.parse().map(|address: std::net::IpAddr| address.into());
        text.parse().or_else(|_| address()).map_err(|_| String::new())
    }
    fn show(&self) -> Option<String> {
        quoted(&self.to_string())
    }
}

impl Kind for IpAddr {
    fn is() -> String {
        "an address, like \"203.0.113.7\" or \"2001:db8::7\"".to_owned()
    }
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        text(value)?.parse().map_err(|_| String::new())
    }
    fn show(&self) -> Option<String> {
        quoted(&self.to_string())
    }
}

/// A whole number within bounds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Whole<const LEAST: u64, const MOST: u64>(u64);

impl<const LEAST: u64, const MOST: u64> Whole<LEAST, MOST> {
    /// A default, checked as the program is compiled where it is one.
    pub(super) const fn new(number: u64) -> Self {
        assert!(LEAST <= number && number <= MOST, "a default lies within its bounds");
        Self(number)
    }
    /// The number, as what counts things in memory.
    pub(crate) fn count(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl<const LEAST: u64, const MOST: u64> Kind for Whole<LEAST, MOST> {
    fn is() -> String {
        format!("a whole number from {LEAST} to {MOST}")
    }
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let number = value.as_integer().ok_or_else(|| ", without quotes".to_owned())?;
        let number = u64::from_str_radix(&number.as_str().replace('_', ""), number.radix());
        match number {
            Ok(number) if (LEAST..=MOST).contains(&number) => Ok(Self(number)),
            _ => Err(String::new()),
        }
    }
    fn show(&self) -> Option<String> {
        Some(self.0.to_string())
    }
}

/// The name of this place in addresses: a host name in ASCII, with a port where it needs one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Domain(String);

impl Domain {
    /// As it is written in addresses, in lower case.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
    /// Its name without a port.
    pub(crate) fn host(&self) -> &str {
        self.0.split_once(':').map_or(&self.0, |(host, _)| host)
    }
}

impl Kind for Domain {
    fn is() -> String {
        "a host name, like \"example.org\" (international names as xn--...)".to_owned()
    }
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let domain = text(value)?.to_ascii_lowercase();
        if domain.contains("://") {
            return Err(", without https:// and without a path".to_owned());
        }
        let (host, port) = domain.split_once(':').unwrap_or((&domain, "443"));
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        let fits = host.len() <= 253 && host.split('.').all(label);
        if fits && port.parse::<u16>().is_ok_and(|port| port > 0) {
            Ok(Self(domain))
        } else {
            Err(String::new())
        }
    }
    fn show(&self) -> Option<String> {
        quoted(&self.0)
    }
}

/// Where another server is: a host name or an address, without a port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Host(String);

impl Host {
    /// One that is known to be a host, for defaults.
    pub(super) fn of(host: &str) -> Self {
        Self(host.to_owned())
    }
    /// As it was written, in lower case.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
    /// Whether it is this machine.
    pub(super) fn is_local(&self) -> bool {
        let address = self.0.parse::<std::net::IpAddr>();
        self.0 == "localhost" || address.is_ok_and(|address| address.to_canonical().is_loopback())
    }
}

impl Kind for Host {
    fn is() -> String {
        "a host name or an address, like \"mail.example.org\" or \"127.0.0.1\"".to_owned()
    }
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let host = text(value)?.to_ascii_lowercase();
        let is_address = host.parse::<std::net::IpAddr>().is_ok();
        if is_address || (!host.contains(':') && Domain::read(value).is_ok()) {
            return Ok(Self(host));
        }
        let with_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        Err(if with_port { ": the port has a key of its own".to_owned() } else { String::new() })
    }
    fn show(&self) -> Option<String> {
        quoted(&self.0)
    }
}

/// A language's code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Language(pub String);

impl Kind for Language {
    fn is() -> String {
        "a language's code, like \"en\" or \"de\"".to_owned()
    }
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let code = text(value)?;
        if model::language::is_code(code) { Ok(Self(code.to_owned())) } else { Err(String::new()) }
    }
    fn show(&self) -> Option<String> {
        quoted(&self.0)
    }
}

/// An e-mail address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Email(pub String);

impl Kind for Email {
    fn is() -> String {
        "an e-mail address, like \"owner@example.org\"".to_owned()
    }
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let address = text(value)?;
        let plain = !address.chars().any(|c| c.is_whitespace() || c.is_control());
        let parts = address.split_once('@');
        let whole = parts.is_some_and(|(name, host)| !name.is_empty() && host.len() > 2);
        if plain && whole { Ok(Self(address.to_owned())) } else { Err(String::new()) }
    }
    fn show(&self) -> Option<String> {
        quoted(&self.0)
    }
}

/// What nobody else may learn: a password, or an address that holds one. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    /// As read from a file of its own.
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }
    /// The secret, for whoever must present it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("(secret)")
    }
}

impl Kind for Secret {
    fn is() -> String {
        "text; it is never printed".to_owned()
    }
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        text(value).map(|text| Self(text.to_owned()))
    }
    fn show(&self) -> Option<String> {
        quoted("(secret)")
    }
}

/// Declares a kind whose values are a few words.
macro_rules! words {
    (
        $(#[doc = $doc:literal])+
        $name:ident { $($(#[doc = $what:literal])+ $variant:ident = $word:literal,)+ }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) enum $name { $( $(#[doc = $what])+ $variant, )+ }

        impl Kind for $name {
            fn is() -> String {
                let words = [$( concat!("\"", $word, "\"") ),+];
                match words.split_last() {
                    Some((last, [])) => (*last).to_owned(),
                    Some((last, first)) => format!("{} or {last}", first.join(", ")),
                    None => String::new(),
                }
            }
            fn read(value: &DeValue<'_>) -> Result<Self, String> {
                match text(value)? {
                    $( $word => Ok(Self::$variant), )+
                    _ => Err(String::new()),
                }
            }
            fn show(&self) -> Option<String> {
                quoted(match self { $( Self::$variant => $word, )+ })
            }
        }
    };
}

words! {
    /// How much the log says.
    LogLevel {
        /// Only what needs somebody.
        Error = "error",
        /// What may need somebody soon.
        Warn = "warn",
        /// Starts, stops and rare events.
        Info = "info",
        /// What is of use when something is looked for.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

impl LogLevel {
    /// As the logging library names it.
    pub(crate) fn level(self) -> tracing::Level {
        match self {
            Self::Error => tracing::Level::ERROR,
            Self::Warn => tracing::Level::WARN,
            Self::Info => tracing::Level::INFO,
            Self::Debug => tracing::Level::DEBUG,
            Self::Trace => tracing::Level::TRACE,
        }
    }
}

words! {
    /// What a line of the log looks like.
    LogFormat {
        /// For people.
        Text = "text",
        /// For machines: one object a line.
        Json = "json",
    }
}

words! {
    /// Whether proxies say whom they speak for before they say anything else.
    ProxyProtocol {
        /// They do not.
        Off = "off",
        /// They must.
        Required = "required",
    }
}

words! {
    /// The header in which proxies say for whom they ask.
    ForwardedHeader {
        /// What nearly all of them write.
        XForwardedFor = "x-forwarded-for",
        /// That of RFC 7239.
        Forwarded = "forwarded",
    }
}

impl ForwardedHeader {
    /// As whoever reads it names it.
    pub(crate) fn by(self) -> ForwardedBy {
        match self {
            Self::XForwardedFor => ForwardedBy::XForwardedFor,
            Self::Forwarded => ForwardedBy::Forwarded,
        }
    }
}

words! {
    /// How much the shield does.
    ShieldMode {
        /// Nothing is decided, counted or learnt.
        Off = "off",
        /// The same, but each address has a plain limit.
        Limiter = "limiter",
        /// It decides, counts and notes, and everybody is served.
        Observe = "observe",
        /// It decides.
        On = "on",
    }
}

impl ShieldMode {
    /// Whether the shield decides, if only to look on.
    pub(crate) const fn decides(self) -> bool {
        matches!(self, Self::Observe | Self::On)
    }

    /// As it is written.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Limiter => "limiter",
            Self::Observe => "observe",
            Self::On => "on",
        }
    }
}

words! {
    /// How a connection to a mail server is encrypted.
    MailTls {
        /// From its beginning (RFC 8314).
        Implicit = "implicit",
        /// After STARTTLS (RFC 3207), and never without.
        StartTls = "starttls",
        /// Not at all.
        None = "none",
    }
}

words! {
    /// Whether the kernel drops what offenders send.
    Kernel {
        /// Where it can be had.
        Auto = "auto",
        /// Never.
        Off = "off",
    }
}
