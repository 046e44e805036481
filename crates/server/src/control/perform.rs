//! What each request does, on an open instance: a verb, and its result in words. The same whether
//! the instance is being served or was opened by the command.

use super::{
    deny,
    wire::{Decided, Member, Reply, Request, TokenShown},
};
use crate::{
    limits::{DECISIONS_SHOWN, MEMBERS_PER_ANSWER, TOKENS_SHOWN},
    open::Instance,
    shielding::Status,
};
use anyhow::{Context as _, bail};
use model::{
    Account, AccountId, AppId, Page, Timestamp, TokenId,
    app::App,
    decision::Verdict,
    member::{self, Role},
    scope,
};
use social::{VerbError, access::sha256, decide::Cause, members::SignUp};
use std::path::Path;

/// Carries a request out.
///
/// # Errors
/// Why it was not: a sentence for whoever asked.
pub(super) async fn perform(instance: &Instance, request: Request) -> anyhow::Result<Reply> {
    match request {
        Request::AccountCreate { name, email, role, password } => {
            create(instance, &name, &email, &role, password).await
        }
        Request::AccountList { before } => list(instance, before).await,
        Request::AccountShow { name } => show(instance, &name).await,
        Request::AccountSuspend { name, reason } => {
            decide(instance, &name, Verdict::Suspend, reason).await
        }
        Request::AccountUnsuspend { name, reason } => {
            decide(instance, &name, Verdict::Unsuspend, reason).await
        }
        Request::AccountRole { name, role } => {
            decide(instance, &name, Verdict::Role(role_of(&role)?), String::new()).await
        }
        Request::AccountResetPassword { name, password } => reset(instance, &name, password).await,
        Request::AccountDelete { name, reason } => delete(instance, &name, reason).await,
        Request::TokenCreate { name, scopes } => token(instance, &name, &scopes).await,
        Request::TokenList { name } => tokens(instance, &name).await,
        Request::TokenRevoke { token } => revoke(instance, &token).await,
        Request::ShieldStatus { decisions } => {
            let shield = instance.shield.get();
            let gate = &shield.context("no server runs there, so that nothing is shielded")?.gate;
            Ok(Reply::Shield { status: Box::new(Status::of(gate, decisions)) })
        }
        Request::Backup { path, force } => {
            let taken = instance.backups.take(&instance.darkroom, Path::new(&path), force).await?;
            Ok(Reply::Backup { taken })
        }
        Request::ShieldList { after } => deny::list(instance, after.as_deref()).await,
        Request::ShieldClear { address } => deny::clear(instance, address.as_deref()).await,
        Request::ShieldDeny { address, seconds } => deny::deny(instance, &address, seconds).await,
    }
}

fn role_of(word: &str) -> anyhow::Result<Role> {
    Role::from_word(word)
        .with_context(|| format!("there is no role {word:?}: it is member, moderator or owner"))
}

/// A member by name, with or without `@`.
async fn found(instance: &Instance, name: &str) -> anyhow::Result<Account> {
    let bare = name.strip_prefix('@').unwrap_or(name);
    let store = instance.social.store();
    let account = store.account_by_handle(bare, None).await?.with_context(|| {
        format!("there is no member @{bare}: `fulmar account list` shows those there are")
    })?;
    if store.member(account.id).await?.is_none() {
        bail!("@{bare} was deleted; nothing is left of them but the name, which stays taken");
    }
    Ok(account)
}

/// A refusal in words; where the store failed, why.
fn said(error: VerbError) -> anyhow::Error {
    match error {
        VerbError::Store(error) => anyhow::Error::from(error),
        VerbError::Busy => anyhow::anyhow!("the server is busy: try again in a moment"),
        other => anyhow::anyhow!("{other}"),
    }
}

pub(super) fn moment(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.ms()).map_or_else(|_| "?".into(), |at| at.to_string())
}

async fn create(
    instance: &Instance,
    name: &str,
    email: &str,
    role: &str,
    password: Option<String>,
) -> anyhow::Result<Reply> {
    let role = role_of(role)?;
    let drawn = password.is_none();
    let password = password.unwrap_or_else(|| instance.social.secret());
    let id = join(instance, name, email, &password, role).await?;
    let member = one(instance, id).await?;
    Ok(Reply::Created { member, password: drawn.then_some(password) })
}

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
    match instance.social.join(&form, role).await.map_err(said)? {
        Ok(id) => Ok(id),
        Err(wrong) => {
            let said: Vec<String> = wrong.iter().map(|(f, _, why)| format!("{f} {why}")).collect();
            bail!("{}", said.join("; "))
        }
    }
}

/// Members of the list with their accounts, in its order.
async fn shown(instance: &Instance, list: Vec<member::Member>) -> anyhow::Result<Vec<Member>> {
    let store = instance.social.store();
    let ids: Vec<AccountId> = list.iter().map(|member| member.account).collect();
    let accounts = store.accounts(&ids).await?;
    let counts = store.account_counts(&ids).await?;
    let mut members = Vec::with_capacity(list.len());
    for member in list {
        let Some(account) = accounts.iter().find(|a| a.id == member.account) else { continue };
        let counted = counts.iter().find(|(id, _)| *id == member.account);
        let counts = counted.map(|(_, counts)| *counts).unwrap_or_default();
        members.push(Member {
            id: account.id.to_string(),
            username: account.username.clone(),
            display_name: account.display_name.clone(),
            email: member.email,
            role: member.role.word().to_owned(),
            suspended: account.standing.suspended.map(moment),
            created: moment(member.created),
            posts: counts.statuses,
            followers: counts.followers,
            following: counts.following,
            last_post: counts.last_status.map(moment),
        });
    }
    Ok(members)
}

async fn one(instance: &Instance, id: AccountId) -> anyhow::Result<Member> {
    let member = instance.social.store().member(id).await?;
    let mut shown = shown(instance, member.into_iter().collect()).await?;
    shown.pop().context("this account is nobody's who could log in")
}

async fn list(instance: &Instance, before: Option<i64>) -> anyhow::Result<Reply> {
    let page = Page { max_id: before, ..Page::newest(MEMBERS_PER_ANSWER) };
    let members = instance.social.store().members(page).await?;
    let more = members.len() == usize::try_from(MEMBERS_PER_ANSWER)?;
    Ok(Reply::Members { members: shown(instance, members).await?, more })
}

async fn show(instance: &Instance, name: &str) -> anyhow::Result<Reply> {
    let account = found(instance, name).await?;
    let store = instance.social.store();
    let mut decisions = Vec::new();
    for decision in store.decisions(account.id, DECISIONS_SHOWN).await? {
        let by = match decision.actor {
            Some(actor) => store.accounts(&[actor]).await?.pop().map(|a| a.username),
            None => None,
        };
        decisions.push(Decided {
            at: moment(decision.at),
            verdict: decision.verdict.word().to_owned(),
            reason: decision.reason,
            by,
        });
    }
    Ok(Reply::Shown { member: one(instance, account.id).await?, decisions })
}

async fn decide(
    instance: &Instance,
    name: &str,
    verdict: Verdict,
    reason: String,
) -> anyhow::Result<Reply> {
    let account = found(instance, name).await?;
    let cause = Cause { actor: None, reason };
    let done = instance.social.decide(account.id, verdict, cause).await.map_err(said)?;
    Ok(Reply::Decided { member: one(instance, account.id).await?, already: !done })
}

async fn delete(instance: &Instance, name: &str, reason: String) -> anyhow::Result<Reply> {
    let account = found(instance, name).await?;
    let cause = Cause { actor: None, reason };
    if !instance.social.delete_account(account.id, cause).await.map_err(said)? {
        bail!("@{} was deleted meanwhile", account.username);
    }
    Ok(Reply::Deleted { username: account.username })
}

async fn reset(instance: &Instance, name: &str, password: Option<String>) -> anyhow::Result<Reply> {
    let account = found(instance, name).await?;
    let drawn = password.is_none();
    let password = password.unwrap_or_else(|| instance.social.secret());
    let given = instance.social.give_password(account.id, &password, Cause::default()).await;
    given.map_err(said)?;
    let member = one(instance, account.id).await?;
    Ok(Reply::Password { member, password: drawn.then_some(password) })
}

/// Makes a token for a member.
pub(crate) async fn token(instance: &Instance, name: &str, scopes: &str) -> anyhow::Result<Reply> {
    let wanted = scope::parse(scopes).with_context(|| {
        format!("--scopes {scopes:?} has an unknown scope; they are: {}", scope_words())
    })?;
    let account = found(instance, name).await?;
    if account.standing.suspended.is_some() {
        bail!("@{} is suspended: no token of theirs would work", account.username);
    }
    let app = command_line_app(instance).await?;
    let now = instance.social.now();
    let token = instance.social.store().create_token(app, Some(account.id), wanted, now).await?;
    Ok(Reply::Token { token: api::issue_token(&instance.sealer, token, Some(account.id)) })
}

fn scope_words() -> String {
    scope::all_names().join(" ")
}

async fn tokens(instance: &Instance, name: &str) -> anyhow::Result<Reply> {
    let account = found(instance, name).await?;
    let store = instance.social.store();
    let mut tokens = Vec::new();
    for token in store.tokens_of(account.id, TOKENS_SHOWN).await? {
        let app = store.app(token.app).await?.map_or_else(|| "?".to_owned(), |app| app.name);
        tokens.push(TokenShown {
            id: token.id.to_string(),
            app,
            scopes: scope::names(token.scopes).join(" "),
            created: moment(token.created),
        });
    }
    Ok(Reply::Tokens { tokens })
}

async fn revoke(instance: &Instance, text: &str) -> anyhow::Result<Reply> {
    let own = text.parse::<TokenId>().ok().or_else(|| api::token_of(&instance.sealer, text));
    let id = own.context(
        "this is neither a token of this instance nor the number of one: \
         `fulmar token list NAME` shows the numbers",
    )?;
    let store = instance.social.store();
    if store.token(id).await?.is_none() {
        bail!("there is no token {id}: `fulmar token list NAME` shows those there are");
    }
    let done = store.revoke_token(id, instance.social.now()).await?;
    Ok(Reply::Revoked { already: !done })
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
