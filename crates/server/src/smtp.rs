//! The way out for mail: one SMTP conversation a letter (RFC 5321) with the server that the host
//! names, encrypted (RFC 8314) unless it is this machine. Says whether another try may help; when
//! that is, and what a letter says, is decided in `social`.

mod wire;

use crate::{
    config::{Config, MailTls},
    limits::MAIL_QUIT_S,
};
use anyhow::{Context as _, anyhow};
use async_trait::async_trait;
use httpkit::egress::{Egress, Reach, Target};
use lettre::{
    Address, Message,
    message::{
        Body, Mailbox,
        header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue, MIME_VERSION_1_0},
    },
    transport::smtp::{
        Error,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{
            AsyncSmtpConnection, AsyncTokioStream, Certificate, CertificateStore, TlsParameters,
        },
        extension::ClientId,
    },
};
use model::{
    mail::Letter,
    ports::{MailError, Mailer},
};
use social::mail::MailSettings;
use std::{future::Future, io, sync::Arc, time::Duration, time::SystemTime};

/// Bytes of a line in a mail, without its end (RFC 5322, section 2.1.1).
const LINE_BYTES_MAX: usize = 998;

/// How a conversation is encrypted.
enum Encryption {
    /// From its beginning, before the library for mail knows of it.
    Implicit(wire::Encrypter),
    /// By that library, after its first words.
    StartTls(TlsParameters),
    /// Not at all.
    None,
}

/// The mail server that the host named.
pub(crate) struct Smtp {
    host: String,
    port: u16,
    egress: Egress,
    tls: Encryption,
    hello: ClientId,
    credentials: Option<Credentials>,
    from: Mailbox,
    /// What stands behind the `@` of message ids.
    domain: String,
    /// In which a letter has gone, or has not.
    deadline: Duration,
}

/// How this place sends mail; none where no mail server is configured.
///
/// # Errors
/// When the configuration cannot be used.
pub(crate) fn from_config(
    config: &Config,
) -> anyhow::Result<Option<(MailSettings, Arc<dyn Mailer>)>> {
    let Some(smtp) = Smtp::from_config(config)? else { return Ok(None) };
    let domain = config.server.domain.as_ref().map_or("", |domain| domain.as_str());
    let settings = MailSettings {
        base_url: format!("https://{domain}"),
        title: config.server.title.clone(),
        domain: domain.to_owned(),
        confirm: config.signup.confirm,
    };
    Ok(Some((settings, Arc::new(smtp))))
}

impl Smtp {
    /// As configured; none where no mail server is.
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub(crate) fn from_config(config: &Config) -> anyhow::Result<Option<Self>> {
        let mail = &config.mail;
        let (Some(host), Some(from)) = (&mail.host, &mail.from) else { return Ok(None) };
        let host = host.as_str().to_owned();
        let usual = match mail.tls {
            MailTls::Implicit => 465,
            MailTls::StartTls => 587,
            MailTls::None => 25,
        };
        let port = mail.port.map_or(Ok(usual), |port| u16::try_from(port.count()))?;
        let tls = match mail.tls {
            MailTls::None => Encryption::None,
            MailTls::Implicit => Encryption::Implicit(wire::Encrypter::new(&host, config)?),
            MailTls::StartTls => Encryption::StartTls(parameters(&host, config)?),
        };
        let from: Address = from
            .0
            .parse()
            .map_err(|_| anyhow!("`mail.from`: {} cannot be the sender of a mail", from.0))?;
        let credentials = mail.user.as_ref().zip(mail.password.as_ref());
        let domain = config.server.domain.as_ref().map_or("localhost", |domain| domain.as_str());
        let domain = domain.split(':').next().unwrap_or(domain).to_owned();
        Ok(Some(Self {
            host,
            port,
            egress: config.way_out()?,
            tls,
            hello: ClientId::Domain(domain.clone()),
            credentials: credentials
                .map(|(user, password)| Credentials::new(user.clone(), password.reveal().into())),
            from: Mailbox::new(Some(one_line(&config.server.title)), from),
            domain,
            deadline: Duration::from_secs(mail.timeout_s.count() as u64),
        }))
    }

    /// Where it is, for people.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// A conversation up to where a letter could be sent. Whatever fails here is no letter's fault.
    async fn connect(&self) -> Result<AsyncSmtpConnection, MailError> {
        let away = |error: io::Error| MailError::Later(one_line(&error.to_string()));
        let is_verified = matches!(self.tls, Encryption::Implicit(_));
        let to = Target { host: &self.host, port: self.port, is_verified };
        let socket = self.egress.open(to, Reach::Anywhere).await.map_err(away)?;
        let stream: Box<dyn AsyncTokioStream> = match &self.tls {
            Encryption::Implicit(tls) => Box::new(tls.encrypt(socket).await.map_err(away)?),
            Encryption::StartTls(_) | Encryption::None => Box::new(socket),
        };
        let conversation = AsyncSmtpConnection::connect_with_transport(stream, &self.hello).await;
        self.enter(conversation).await.map_err(|error| later(&error))
    }

    /// Encrypts a conversation that is not yet, and logs in.
    async fn enter(
        &self,
        conversation: Result<AsyncSmtpConnection, Error>,
    ) -> Result<AsyncSmtpConnection, Error> {
        let mut conversation = conversation?;
        if let Encryption::StartTls(tls) = &self.tls {
            conversation.starttls(tls.clone(), &self.hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            conversation.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(conversation)
    }

    /// Connects, logs in, and sends nothing: for whoever looks whether all is well.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub(crate) async fn probe(&self) -> Result<(), String> {
        let probed = within(self.deadline, async {
            let mut conversation = self.connect().await?;
            if !conversation.test_connected().await {
                return Err(MailError::Later("it does not answer NOOP".to_owned()));
            }
            quit(conversation).await;
            Ok(())
        });
        probed.await.map_err(|error| error.to_string())
    }

    fn message(&self, letter: &Letter) -> anyhow::Result<Message> {
        let to: Address = letter.to.parse().context("the address is none")?;
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        Ok(Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(one_line(&letter.subject))
            .date(now())
            // The same in every attempt, so that whoever gets it twice can know it as one.
            .message_id(Some(format!("<{}.mail@{}>", letter.id.get(), self.domain)))
            // Answers of machines are not wanted (RFC 3834, section 5).
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
            .header(MIME_VERSION_1_0)
            .header(ContentType::TEXT_PLAIN)
            .body(body(&letter.body))?)
    }
}

#[async_trait]
impl Mailer for Smtp {
    async fn send(&self, letter: &Letter) -> Result<(), MailError> {
        // Only the kind of defect is said: the text would name the address.
        let never = |_| MailError::Never("no mail can be made for this address".to_owned());
        let message = self.message(letter).map_err(never)?;
        within(self.deadline, async {
            let mut conversation = self.connect().await?;
            let taken = conversation.send(message.envelope(), &message.formatted()).await;
            taken.map_err(|error| of_letter(&error))?;
            // It was taken, whatever comes now.
            tokio::spawn(quit(conversation));
            Ok(())
        })
        .await
    }
}

/// A text as it travels: as it is where it may (RFC 5322, section 2.1.1), so that a link reads as a
/// link whatever shows the mail; else encoded.
fn body(text: &str) -> Body {
    let fits = text.is_ascii() && text.lines().all(|line| line.len() <= LINE_BYTES_MAX);
    if !fits {
        return Body::new(text.to_owned());
    }
    let lines = text.replace('\n', "\r\n").into_bytes();
    Body::dangerous_pre_encoded(lines, ContentTransferEncoding::SevenBit)
}

/// TLS to this host: the public roots, and the one that the host named.
fn parameters(host: &str, config: &Config) -> anyhow::Result<TlsParameters> {
    let mut tls =
        TlsParameters::builder(host.to_owned()).certificate_store(CertificateStore::WebpkiRoots);
    for authority in wire::authorities(config)? {
        tls = tls.add_root_certificate(Certificate::from_der(authority.to_vec())?);
    }
    tls.build_rustls().context("TLS to the mail server cannot be used")
}

/// Ends a conversation properly, for a while.
async fn quit(mut conversation: AsyncSmtpConnection) {
    let _ = tokio::time::timeout(Duration::from_secs(MAIL_QUIT_S), conversation.abort()).await;
}

async fn within<T>(
    deadline: Duration,
    work: impl Future<Output = Result<T, MailError>>,
) -> Result<T, MailError> {
    let late = |_| MailError::Later(format!("no end within {} s", deadline.as_secs()));
    tokio::time::timeout(deadline, work).await.map_err(late)?
}

/// What went wrong before a letter was sent.
fn later(error: &Error) -> MailError {
    MailError::Later(said(error))
}

/// What went wrong with a letter: a 5xx is the server's last word about it (RFC 5321, 4.2.1).
fn of_letter(error: &Error) -> MailError {
    let is_unfit = error.is_client() && error.to_string().contains("SMTPUTF8");
    if error.is_permanent() || is_unfit { MailError::Never(said(error)) } else { later(error) }
}

/// An error in one line, without the addresses that servers like to repeat.
fn said(error: &Error) -> String {
    let text = error.to_string();
    let mut words = Vec::new();
    for word in text.split_whitespace() {
        words.push(if word.contains('@') { "(address)" } else { word });
    }
    one_line(&words.join(" "))
}

/// A text without line breaks, which would begin a header of their own.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn now() -> SystemTime {
    use model::ports::Clock as _;
    let ms = u64::try_from(crate::world::WallClock.now().ms()).unwrap_or(0);
    std::time::UNIX_EPOCH + Duration::from_millis(ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_travels_as_it_is_where_it_may() {
        let long = "x".repeat(LINE_BYTES_MAX);
        for (text, expected) in [
            ("one\n.\ntwo\n".to_owned(), ContentTransferEncoding::SevenBit),
            (format!("{long}\n"), ContentTransferEncoding::SevenBit),
            (format!("{long}x\n"), ContentTransferEncoding::QuotedPrintable),
            ("Welcome to Häfen\n".to_owned(), ContentTransferEncoding::QuotedPrintable),
        ] {
            let made = body(&text);
            assert_eq!(made.encoding(), expected);
            if expected == ContentTransferEncoding::SevenBit {
                assert_eq!(made.as_ref(), text.replace('\n', "\r\n").as_bytes());
            }
        }
    }

    #[test]
    fn no_text_has_two_lines() {
        assert_eq!(one_line("The\r\nBcc: x\u{0}"), "The  Bcc: x ");
    }
}
