//! What is kept of dealing with a certificate authority, in the data folder and for its owner only:
//! the account's key, the certificate with its key, and what was tried. The first two are keys like
//! any other there, so a backup has them (`docs/decisions/13`).

use super::schedule::History;
use crate::{
    certificate::{self, Facts},
    open::write_secret,
};
use anyhow::Context as _;
use instant_acme::AccountCredentials;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The account at a directory.
const ACCOUNT: &str = "acme-account.key";
/// The certificate, its chain and its key, in PEM.
const CERTIFICATE: &str = "certificate.key";
/// What was tried.
const HISTORY: &str = "acme-history.json";
/// How the first line of the certificate's file begins; the rest of it names the directory. Text
/// outside of the blocks of PEM means nothing to who reads those (RFC 7468, 5.2).
const FROM: &str = "Given by ";

/// An account.
#[derive(Serialize, Deserialize)]
pub(super) struct Account {
    /// Whose account it is.
    pub directory: String,
    /// What the directory knows of us.
    pub contact: Option<String>,
    pub credentials: AccountCredentials,
}

/// A certificate that was given.
pub(crate) struct Certificate {
    /// By whom.
    pub directory: String,
    /// The chain and the key, in PEM.
    pub pem: Vec<u8>,
    pub facts: Facts,
}

/// Where it is kept.
#[derive(Clone)]
pub(crate) struct Kept {
    data: PathBuf,
}

impl Kept {
    pub(crate) fn at(data: &Path) -> Self {
        Self { data: data.to_owned() }
    }

    /// The account at this directory, if there is one.
    pub(super) fn account(&self, directory: &str) -> anyhow::Result<Option<Account>> {
        let path = self.data.join(ACCOUNT);
        if !path.exists() {
            return Ok(None);
        }
        let said =
            || format!("{} is damaged: move it away, and an account is made", path.display());
        let account: Account =
            serde_json::from_slice(&certificate::read_file(&path)?).with_context(said)?;
        Ok(Some(account).filter(|account| account.directory == directory))
    }

    pub(super) fn keep_account(&self, account: &Account) -> anyhow::Result<()> {
        write_secret(&self.data.join(ACCOUNT), &serde_json::to_vec(account)?)
    }

    /// For an account that its directory does not know any more.
    pub(super) fn forget_account(&self) {
        let _ = std::fs::remove_file(self.data.join(ACCOUNT));
    }

    /// The certificate that was given last, if there is one.
    pub(crate) fn certificate(&self) -> anyhow::Result<Option<Certificate>> {
        let path = self.data.join(CERTIFICATE);
        if !path.exists() {
            return Ok(None);
        }
        let pem = certificate::read_file(&path)?;
        let facts = Facts::of_pem(&pem).with_context(|| path.display().to_string())?;
        let first = pem.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let first = String::from_utf8_lossy(first);
        let directory = first.strip_prefix(FROM).unwrap_or_default().to_owned();
        Ok(Some(Certificate { directory, pem, facts }))
    }

    /// Keeps a certificate with its key, in one file so that they always belong together.
    pub(super) fn keep_certificate(
        &self,
        directory: &str,
        chain_pem: &str,
        key_pem: &str,
    ) -> anyhow::Result<()> {
        let text = format!("{FROM}{directory}\n{key_pem}{chain_pem}");
        write_secret(&self.data.join(CERTIFICATE), text.as_bytes())
    }

    /// What was tried; nothing where that cannot be read.
    pub(crate) fn history(&self) -> History {
        let read = certificate::read_file(&self.data.join(HISTORY)).ok();
        read.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }

    pub(super) fn keep_history(&self, history: &History) -> anyhow::Result<()> {
        write_secret(&self.data.join(HISTORY), &serde_json::to_vec(history)?)
    }
}
