//! Whose the data is. The server runs as one user and the data folder is that user's; what a
//! command leaves there as root, the server can neither write nor, being mode 600, read.

use crate::limits::OWNERS_LOOKED_AT_MAX;
use anyhow::{Context as _, bail};
use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// The number of the user that this process is.
pub(crate) fn process() -> io::Result<u32> {
    Ok(fs::metadata("/proc/self")?.uid())
}

/// Refuses to write as root into somebody else's folder. To give the files away afterwards would
/// mean that root follows names in a folder in which another user may change them meanwhile.
pub(crate) fn fits(data: &Path) -> anyhow::Result<()> {
    let found = fs::metadata(data).with_context(|| format!("{}", data.display()))?;
    let own = process().context("it is not known which user this is")?;
    match refusal(own, found.uid(), data) {
        None => Ok(()),
        Some(why) => bail!("{why}"),
    }
}

fn refusal(own: u32, owner: u32, data: &Path) -> Option<String> {
    (own == 0 && owner != 0).then(|| {
        format!(
            "{} belongs to another user (number {owner}), whose server could not read what root \
             writes: run this as that user (`sudo -u '#{owner}' fulmar restore ...`), who must be \
             able to read the backup too; nothing was changed",
            data.display()
        )
    })
}

/// What in the folder does not belong to its owner. Looked at are its entries and those of its
/// folders, files of pictures excepted: whoever makes those makes their folders.
pub(crate) fn strangers(data: &Path) -> io::Result<Vec<PathBuf>> {
    let owner = fs::metadata(data)?.uid();
    let mut found = Vec::new();
    let mut looked_at = 0;
    let mut folders = vec![data.to_owned()];
    while let Some(folder) = folders.pop() {
        let is_top = folder == data;
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            looked_at += 1;
            if looked_at > OWNERS_LOOKED_AT_MAX {
                return Ok(found);
            }
            let about = entry.metadata()?;
            if about.uid() != owner {
                found.push(entry.path());
            }
            if is_top && about.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_restores_into_no_other_users_folder() {
        let data = Path::new("/var/lib/fulmar");
        for (own, owner, is_refused) in
            [(0, 0, false), (0, 998, true), (998, 998, false), (998, 0, false)]
        {
            let said = refusal(own, owner, data);
            assert_eq!(said.is_some(), is_refused, "{own} into a folder of {owner}: {said:?}");
            assert!(said.is_none_or(|said| said.contains("sudo -u '#998' fulmar restore")));
        }
    }
}
