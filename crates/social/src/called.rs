//! Whom the words of a profile name. Looked up once, as the account's entry is read: a name that
//! somebody takes later, or an account that goes, is seen with the next reading.

use crate::{Social, VerbError, limits::CALLED_IN_PROFILE_MAX};
use model::{
    Account,
    text::{self, Handle},
};

/// Names as they were written, and whose they are.
#[derive(Debug, Default)]
pub struct Called(Box<[(Handle, Account)]>);

impl Called {
    /// Whose name this is, if it is anybody's.
    pub fn find(&self, handle: &Handle) -> Option<&Account> {
        let is = |named: &Handle| {
            named.username.eq_ignore_ascii_case(&handle.username) && named.domain == handle.domain
        };
        self.0.iter().find(|(named, _)| is(named)).map(|(_, account)| account)
    }
}

impl Social {
    /// Looks up whom a local profile names; what is written of a remote one has its links already.
    pub(crate) async fn called_in(&self, account: &Account) -> Result<Called, VerbError> {
        let rows = account.fields.iter().map(|field| field.value.as_str());
        let texts = rows.chain([account.note.as_str()]).filter(|text| text.contains('@'));
        let mut handles: Vec<Handle> = Vec::new();
        if account.is_local() {
            texts.for_each(|words| handles.extend(text::parse(words).mentions()));
        }
        let mut called = Vec::new();
        for handle in handles.into_iter().take(CALLED_IN_PROFILE_MAX) {
            let here = match &self.settings.domain {
                Some(home) => handle.clone().seen_from(home),
                None => handle.clone(),
            };
            let found = self.store.account_by_handle(&here.username, here.domain.as_deref());
            let found = found.await?.filter(|account| account.standing.suspended.is_none());
            called.extend(found.map(|account| (handle, account)));
        }
        Ok(Called(called.into()))
    }
}
