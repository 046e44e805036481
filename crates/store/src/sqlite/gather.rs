//! The log's file as the writer sees it: what one commit appends goes to the platform in one call.
//!
//! SQLite writes each page of a commit to its log in two calls, a head of 24 bytes and the page. A
//! group of 64 deeds changes about 80 pages, and their 160 calls took longer than the disk took to
//! synchronise them. Here they are gathered, and written just before the synchronisation that makes
//! the commit durable. Nobody reads them earlier: other connections learn of pages in the log from
//! the index in shared memory, where SQLite enters them after that synchronisation.
//!
//! Two things make this safe, and [`super::connect_writer`] sees to both. Every commit synchronises
//! the log (`synchronous=FULL`). And pages reach the log in commits alone (`cache_spill=OFF`), so
//! that nothing is held here once the write lock has been given back, when another process may be
//! appending to the same file. What could not be written is dropped: the commit has failed, and
//! SQLite begins at the same place again.
//!
//! Only logs are treated so. All else, and all other connections, go to the file system beneath,
//! which is the platform's or one of a test. <https://sqlite.org/vfs.html>

#![allow(unsafe_code, reason = "SQLite's file systems are tables of C functions")]

use super::closed;
use crate::limits::{LOG_GATHER_BYTES_MAX, LOG_WRITE_BYTES_MAX};
use model::StoreError;
use parking_lot::Mutex;
use rusqlite::ffi;
use std::{
    ffi::{CString, c_int, c_void},
    mem::size_of,
    ptr,
};

/// SQLite's table of functions first, then ours.
#[repr(C)]
struct Table {
    base: ffi::sqlite3_vfs,
    beneath: *mut ffi::sqlite3_vfs,
}

/// An open log: SQLite's part first, then ours; the file beneath follows in memory.
#[repr(C)]
struct Log {
    base: ffi::sqlite3_file,
    gathered: Gathered,
}

/// Bytes that are still to be written, all in a row.
#[derive(Default)]
struct Gathered {
    bytes: Vec<u8>,
    at: i64,
}

impl Gathered {
    /// Whether bytes at this place would go on where these end.
    fn goes_on(&self, at: i64) -> bool {
        i64::try_from(self.bytes.len()).is_ok_and(|length| self.at.checked_add(length) == Some(at))
    }
}

/// Registering looks first, and only then registers.
static REGISTERING: Mutex<()> = Mutex::new(());

/// The name of the file system that gathers over this one; `None` is the platform's. It is made at
/// the first call and never freed: SQLite may ask for it until the end.
pub(super) fn over(beneath: Option<&str>) -> Result<String, StoreError> {
    let name = format!("gathering-{}", beneath.unwrap_or_default());
    let text = |name: &str| CString::new(name).map_err(|e| StoreError::Broken(e.to_string()));
    let (c_name, c_beneath) = (text(&name)?, beneath.map(text).transpose()?);
    let _one_at_a_time = REGISTERING.lock();
    // SAFETY: the names end in nul. What is found lives as long as the process and is plain data;
    // the copy is leaked, and so is its name. Functions that stay as they were look at nothing
    // that differs from what they were made for.
    unsafe {
        if !ffi::sqlite3_vfs_find(c_name.as_ptr()).is_null() {
            return Ok(name);
        }
        let beneath =
            ffi::sqlite3_vfs_find(c_beneath.as_ref().map_or(ptr::null(), |name| name.as_ptr()));
        let ours = c_int::try_from(size_of::<Log>()).map_err(|_| closed())?;
        if beneath.is_null() {
            return Err(StoreError::Broken(format!("no file system for {name}")));
        }
        let mut base = *beneath;
        base.zName = c_name.into_raw();
        base.pNext = ptr::null_mut();
        base.szOsFile += ours;
        base.xOpen = Some(open);
        let table = Box::leak(Box::new(Table { base, beneath }));
        match ffi::sqlite3_vfs_register(&raw mut table.base, 0) {
            ffi::SQLITE_OK => Ok(name),
            code => Err(StoreError::Broken(format!("the file system {name}: {code}"))),
        }
    }
}

/// SAFETY: only for a log of ours.
unsafe fn beneath(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    unsafe { file.cast::<u8>().add(size_of::<Log>()).cast() }
}

unsafe extern "C" fn open(
    table: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives the table that was registered, and memory of `szOsFile` bytes, which
    // are enough for a log of ours and the file beneath it, or for that file alone.
    unsafe {
        let under = (*table.cast::<Table>()).beneath;
        let Some(open_under) = (*under).xOpen else { return ffi::SQLITE_CANTOPEN };
        if flags & ffi::SQLITE_OPEN_WAL == 0 {
            return open_under(under, name, file, flags, out);
        }
        (*file).pMethods = ptr::null();
        let opened = open_under(under, name, beneath(file), flags, out);
        if opened == ffi::SQLITE_OK {
            let base = ffi::sqlite3_file { pMethods: &METHODS };
            file.cast::<Log>().write(Log { base, gathered: Gathered::default() });
        }
        opened
    }
}

/// Writes what was gathered. It is gone from here whether or not that succeeds.
///
/// SAFETY: only for a log of ours.
unsafe fn flush(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: one thread uses a connection's file at a time; each part lives for its call.
    unsafe {
        let under = beneath(file);
        let Some(write) = (*(*under).pMethods).xWrite else { return ffi::SQLITE_IOERR_WRITE };
        let gathered = &mut (*file.cast::<Log>()).gathered;
        let mut written = ffi::SQLITE_OK;
        for part in gathered.bytes.chunks(LOG_WRITE_BYTES_MAX) {
            let Ok(count) = c_int::try_from(part.len()) else { return ffi::SQLITE_IOERR_WRITE };
            written = write(under, part.as_ptr().cast::<c_void>(), count, gathered.at);
            if written != ffi::SQLITE_OK {
                break;
            }
            gathered.at += i64::from(count);
        }
        gathered.bytes.clear();
        written
    }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    bytes: *const c_void,
    count: c_int,
    at: i64,
) -> c_int {
    // SAFETY: `bytes` are `count` bytes that live for the call; a log of ours.
    unsafe {
        let Ok(count) = usize::try_from(count) else { return ffi::SQLITE_IOERR_WRITE };
        let gathered = &mut (*file.cast::<Log>()).gathered;
        if !gathered.goes_on(at) || gathered.bytes.len() + count > LOG_GATHER_BYTES_MAX {
            let written = flush(file);
            if written != ffi::SQLITE_OK {
                return written;
            }
            gathered.at = at;
        }
        gathered.bytes.extend_from_slice(std::slice::from_raw_parts(bytes.cast::<u8>(), count));
        ffi::SQLITE_OK
    }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: a log of ours, which is not used again.
    unsafe {
        // Nothing is left here after a commit; what a failed one left is not to be written.
        ptr::drop_in_place(&raw mut (*file.cast::<Log>()).gathered);
        let under = beneath(file);
        (*(*under).pMethods).xClose.map_or(ffi::SQLITE_IOERR, |close| close(under))
    }
}

/// A function that goes to the file beneath, once all that was written has.
macro_rules! pass {
    ($name:ident, $method:ident, ($($argument:ident: $kind:ty),*)) => {
        unsafe extern "C" fn $name(file: *mut ffi::sqlite3_file $(, $argument: $kind)*) -> c_int {
            // SAFETY: a log of ours; the file beneath was opened with it.
            unsafe {
                let written = flush(file);
                if written != ffi::SQLITE_OK {
                    return written;
                }
                let under = beneath(file);
                (*(*under).pMethods)
                    .$method
                    .map_or(ffi::SQLITE_IOERR, |method| method(under $(, $argument)*))
            }
        }
    };
}

pass!(read, xRead, (into: *mut c_void, count: c_int, at: i64));
pass!(truncate, xTruncate, (length: i64));
pass!(sync, xSync, (flags: c_int));
pass!(file_size, xFileSize, (length: *mut i64));
pass!(lock, xLock, (level: c_int));
pass!(unlock, xUnlock, (level: c_int));
pass!(check_reserved, xCheckReservedLock, (answer: *mut c_int));
pass!(control, xFileControl, (word: c_int, argument: *mut c_void));

/// What a file says of its disk. It is no result, so nothing may go wrong on the way.
macro_rules! ask {
    ($name:ident, $method:ident) => {
        unsafe extern "C" fn $name(file: *mut ffi::sqlite3_file) -> c_int {
            // SAFETY: as above.
            unsafe {
                let under = beneath(file);
                (*(*under).pMethods).$method.map_or(0, |method| method(under))
            }
        }
    };
}

ask!(sector_size, xSectorSize);
ask!(characteristics, xDeviceCharacteristics);

/// Version 1: locks and shared memory are those of the database's file, not of its log.
static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 1,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved),
    xFileControl: Some(control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(characteristics),
    xShmMap: None,
    xShmLock: None,
    xShmBarrier: None,
    xShmUnmap: None,
    xFetch: None,
    xUnfetch: None,
};

#[cfg(test)]
mod tests {
    use super::super::{connect, connect_writer};
    use crate::Options;
    use rusqlite::Connection;
    use std::path::Path;

    fn count(conn: &Connection) -> i64 {
        conn.query_row("SELECT COUNT(*) FROM t", [], |row| row.get(0)).expect("a count")
    }

    fn insert(conn: &Connection, rows: i64) {
        let sql = "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n \
                   WHERE i < ?1) SELECT hex(randomblob(500)) FROM n";
        conn.execute(sql, [rows]).expect("rows");
    }

    fn log_bytes(file: &Path) -> u64 {
        file.with_extension("db-wal").metadata().expect("a log").len()
    }

    /// Rows that somebody finds who has the files alone, as after a kill.
    fn left_on_disk(file: &Path) -> i64 {
        let folder = tempfile::tempdir().expect("a folder");
        let copy = folder.path().join("copy.db");
        std::fs::copy(file, &copy).expect("the database");
        std::fs::copy(file.with_extension("db-wal"), copy.with_extension("db-wal")).expect("log");
        count(&Connection::open(copy).expect("the copy"))
    }

    #[test]
    fn what_was_committed_is_in_the_log_and_nothing_else_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let options = Options::at(folder.path().join("fulmar.db"));
        let writer = connect_writer(&options).expect("a writer");
        let other = connect(&options).expect("another");
        writer.execute_batch("CREATE TABLE t (text TEXT)").expect("a table");
        let mut rows = 0;
        // The last is more than the cache holds, and many times what is gathered.
        for more in [1, 40, 3_000, 1, 30_000] {
            writer.execute_batch("BEGIN IMMEDIATE").expect("begin");
            let before = log_bytes(&options.path);
            insert(&writer, more);
            assert_eq!((log_bytes(&options.path), count(&other)), (before, rows));
            writer.execute_batch("ROLLBACK; BEGIN IMMEDIATE").expect("again");
            insert(&writer, more);
            writer.execute_batch("COMMIT").expect("commit");
            rows += more;
            assert_eq!((count(&other), left_on_disk(&options.path)), (rows, rows));
            // Somebody else appends where the writer would have gone on.
            insert(&other, 2);
            rows += 2;
        }
        insert(&writer, 1);
        assert_eq!((count(&writer), left_on_disk(&options.path)), (rows + 1, rows + 1));
        let whole: String =
            other.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a check");
        assert_eq!(whole, "ok");
    }

    #[test]
    fn each_file_system_is_gathered_over_once() {
        for beneath in [None, Some("unix"), Some("unix"), None] {
            let name = super::over(beneath).expect("a name");
            assert_eq!(name, format!("gathering-{}", beneath.unwrap_or_default()));
        }
        assert!(super::over(Some("no such thing")).is_err());
    }
}
