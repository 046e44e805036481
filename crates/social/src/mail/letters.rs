//! What letters say: plain text, short, with the name of this place and no more about the member
//! than their username, which is ASCII. All texts of mail stand here.

use super::MailSettings;
use crate::limits::{CONFIRM_LINK_HOURS, RESET_LINK_HOURS, SUBJECT_CHARACTERS_MAX};
use model::{
    Timestamp,
    mail::{Letter, Mail, MailKind},
};

/// Writes a mail to its address. `link` is what the link in it carries, where it has one.
pub(super) fn write(
    place: &MailSettings,
    mail: &Mail,
    to: &str,
    username: &str,
    link: Option<String>,
) -> Letter {
    let (title, domain, base) = (line(&place.title), &place.domain, &place.base_url);
    let at = if title == *domain { title.clone() } else { format!("{title} ({domain})") };
    let link = link.unwrap_or_default();
    let (subject, body) = match mail.kind {
        MailKind::Confirm => (
            format!("Confirm your address at {title}"),
            format!(
                "Hello,\n\n\
                 somebody signed up as @{username}, with this address, at\n\
                 {at}.\n\
                 If that was you, open this link and confirm it:\n\n\
                 {base}/auth/confirmation?token={link}\n\n\
                 The link works once, for {CONFIRM_LINK_HOURS} hours.\n\n\
                 If it was not you, do nothing: until then the account cannot be used.\n"
            ),
        ),
        MailKind::Reset => (
            format!("A new password for @{username} at {title}"),
            format!(
                "Hello @{username},\n\n\
                 somebody asked for a new password for your account at\n\
                 {at}.\n\n\
                 If that was you, choose it here:\n\n\
                 {base}/auth/password/edit?token={link}\n\n\
                 The link works once, for {RESET_LINK_HOURS} hours.\n\n\
                 If it was not you, do nothing: your password stays as it is, and whoever\n\
                 asked has learned nothing.\n"
            ),
        ),
        MailKind::PasswordChanged => (
            format!("Your password at {title} was changed"),
            format!(
                "Hello @{username},\n\n\
                 the password of your account at\n\
                 {at}\n\
                 was changed, and all apps and browsers were logged out.\n\n\
                 If that was you, all is well. If it was not, somebody else may read your\n\
                 mail: secure your mailbox first, then choose another password here:\n\n\
                 {base}/auth/password/new\n"
            ),
        ),
        MailKind::SignIn => {
            let (when, browser) = (moment(mail.created), line(&mail.about));
            (
                format!("A new log-in to your account at {title}"),
                format!(
                    "Hello @{username},\n\n\
                     somebody logged in to your account at\n\
                     {at}\n\
                     from where you have not been lately:\n\n\
                     {browser}, {when}\n\n\
                     If that was you, all is well. If it was not, they know your password:\n\
                     choose another one, which logs them out again.\n\n\
                     {base}/settings/password\n\n\
                     Who is logged in is shown here:\n\n\
                     {base}/settings/sessions\n"
                ),
            )
        }
    };
    let subject: String = subject.chars().take(SUBJECT_CHARACTERS_MAX).collect();
    Letter { id: mail.id, to: to.to_owned(), subject, body: format!("{body}\n-- \n{domain}\n") }
}

/// A time to the minute, as people write it.
fn moment(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(at.ms()).unwrap_or_default();
    at.strftime("%-d %B %Y, %H:%M UTC").to_string()
}

/// A text in one line.
fn line(text: &str) -> String {
    let spaced = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let words: String = spaced.collect();
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::MailId;

    fn letter(kind: MailKind, title: &str) -> Letter {
        let place = MailSettings {
            base_url: "https://social.example".into(),
            title: title.into(),
            domain: "social.example".into(),
            confirm: true,
        };
        let mail = Mail {
            id: MailId::new(7).expect("an id"),
            kind,
            account: None,
            address: "typed@example.org".into(),
            created: Timestamp::from_ms(1_700_000_000_000),
            about: if kind == MailKind::SignIn { "Firefox\non Linux".into() } else { "".into() },
        };
        write(&place, &mail, "ann@example.org", "ann", kind.purpose().map(|_| "SECRET".into()))
    }

    #[test]
    fn each_letter_says_whose_it_is_and_has_its_link_on_a_line_of_its_own() {
        for (kind, link) in [
            (MailKind::Confirm, "https://social.example/auth/confirmation?token=SECRET"),
            (MailKind::Reset, "https://social.example/auth/password/edit?token=SECRET"),
            (MailKind::PasswordChanged, "https://social.example/auth/password/new"),
            (MailKind::SignIn, "https://social.example/settings/password"),
            (MailKind::SignIn, "Firefox on Linux, 14 November 2023, 22:13 UTC"),
        ] {
            let letter = letter(kind, "The Harbour");
            assert_eq!(letter.to, "ann@example.org");
            assert!(letter.subject.contains("The Harbour"), "{}", letter.subject);
            assert!(letter.body.contains("@ann") && letter.body.contains("social.example"));
            assert!(letter.body.lines().any(|line| line == link), "{}", letter.body);
            assert!(letter.body.lines().all(|line| line.len() <= 78), "{}", letter.body);
        }
    }

    #[test]
    fn a_title_adds_no_header_and_no_line() {
        let letter = letter(MailKind::Reset, "The\r\nBcc: eve@example.org\r\n\r\nHarbour\u{0}");
        assert!(!letter.subject.chars().any(char::is_control), "{:?}", letter.subject);
        let named = "The Bcc: eve@example.org Harbour (social.example).";
        assert!(letter.body.lines().any(|line| line == named), "{}", letter.body);
        let long = super::tests::letter(MailKind::Reset, &"x".repeat(5_000));
        assert_eq!(long.subject.chars().count(), SUBJECT_CHARACTERS_MAX);
    }
}
