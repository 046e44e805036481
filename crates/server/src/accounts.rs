//! `fulmar account` and `fulmar token`: on the store itself, also beside a running server.

use crate::{
    Place, config,
    open::{self, Instance},
};
use anyhow::{Context as _, bail};
use model::{AccountId, AppId, Page, app::App, member::Role, scope};
use social::{access::sha256, members::SignUp};
use std::io::BufRead as _;

/// Makes a member; says why where the form is wrong.
pub(crate) async fn join(
    instance: &Instance,
    name: &str,
    email: &str,
    password: &str,
    role: Role,
) -> anyhow::Result<AccountId> {
    let form = SignUp {
        username: name.to_owned(),
        email: email.to_owned(),
        password: password.to_owned(),
        agreement: true,
        locale: None,
        reason: None,
    };
    match instance.social.join(&form, role, None).await? {
        Ok(id) => Ok(id),
        Err(wrong) => {
            let said: Vec<String> = wrong.iter().map(|(f, _, why)| format!("{f} {why}")).collect();
            bail!("{}", said.join("; "))
        }
    }
}

/// `fulmar account create`.
pub(crate) async fn create(
    place: &Place,
    name: &str,
    email: &str,
    role: &str,
    password_stdin: bool,
    json: bool,
) -> anyhow::Result<()> {
    let role = Role::from_word(role).context("--role is member, moderator or owner")?;
    let instance = open::open(place, &config::load(place)?)?;
    let password = if password_stdin {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line)?;
        line.trim_end_matches(['\r', '\n']).to_owned()
    } else {
        instance.social.secret()
    };
    let id = join(&instance, name, email, &password, role).await?;
    let shown = (!password_stdin).then_some(password);
    if json {
        let json = serde_json::json!({ "id": id.to_string(), "username": name, "email": email,
            "role": role.word(), "password": shown });
        println!("{json}");
    } else {
        println!("made @{name}");
        if let Some(password) = shown {
            println!("password: {password}");
        }
    }
    Ok(())
}

/// `fulmar account list`.
pub(crate) async fn list(place: &Place) -> anyhow::Result<()> {
    let instance = open::open(place, &config::load(place)?)?;
    let mut page = Page::newest(80);
    loop {
        let members = instance.social.store().members(page).await?;
        let Some(last) = members.last() else { return Ok(()) };
        page.max_id = Some(last.account.get());
        for member in members {
            let account = instance.social.account(member.account).await;
            let name = account.map_or("(suspended)".to_owned(), |a| a.account.username.clone());
            println!("{name}\t{}\t{}", member.role.word(), member.email);
        }
    }
}

/// `fulmar token create`: prints only the token.
pub(crate) async fn token(place: &Place, name: &str, scopes: &str) -> anyhow::Result<()> {
    let scopes = scope::parse(scopes).context("--scopes has an unknown scope")?;
    let instance = open::open(place, &config::load(place)?)?;
    let store = instance.social.store();
    let account = store.account_by_handle(name, None).await?;
    let account = account.with_context(|| format!("there is no member @{name}"))?;
    let app = command_line_app(&instance).await?;
    let now = instance.social.now();
    let token = store.create_token(app, Some(account.id), scopes, now).await?;
    println!("{}", api::issue_token(&instance.sealer, token));
    Ok(())
}

/// The app that tokens of the command line belong to. Nobody can log in with it: its secret is
/// not kept.
async fn command_line_app(instance: &Instance) -> anyhow::Result<AppId> {
    const CLIENT: &str = "fulmar-command-line";
    let store = instance.social.store();
    if let Some(app) = store.app_by_client(CLIENT).await? {
        return Ok(app.id);
    }
    let app = App {
        id: AppId::new(1).context("an id")?,
        client_id: CLIENT.to_owned(),
        client_secret_hash: sha256(instance.social.secret().as_bytes()),
        name: "Fulmar command line".to_owned(),
        website: None,
        redirect_uris: vec![],
        scopes: scope::parse("read write follow push profile").context("scopes")?,
        created: instance.social.now(),
    };
    Ok(store.create_app(&app).await?)
}
