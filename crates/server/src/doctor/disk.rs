//! Room on the disk beneath a folder, which the standard library does not tell.

use std::{ffi::CString, io, mem::MaybeUninit, os::unix::ffi::OsStrExt as _, path::Path};

/// Bytes that this process may still write, and bytes in all.
///
/// # Errors
/// What the system says.
pub(super) fn room(folder: &Path) -> io::Result<(u64, u64)> {
    let path = CString::new(folder.as_os_str().as_bytes())?;
    let mut found = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: `path` is a string that ends in a zero and lives through the call; `found` is room
    // for one `statvfs`, which the call fills when it returns 0 and which is read only then.
    #[expect(unsafe_code, reason = "the standard library has no such call")]
    let found = unsafe {
        if libc::statvfs(path.as_ptr(), found.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        found.assume_init()
    };
    let block_bytes = found.f_frsize;
    Ok((found.f_bavail.saturating_mul(block_bytes), found.f_blocks.saturating_mul(block_bytes)))
}
