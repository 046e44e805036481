//! The forgetful disk as a virtual file system of SQLite. All unsafe code of this crate is here.
//!
//! It stands in front of the platform's own: reads, locks and shared memory pass through, and
//! writes, lengths, synchronisations and deletions are told to the disk first, which may refuse
//! because the power is gone. As on the platform's, the folder is synchronised with the first
//! synchronisation of a journal that was opened to be made. <https://sqlite.org/vfs.html>

#![allow(unsafe_code, reason = "SQLite's file systems are tables of C functions")]

use super::disk::{Dark, Disk};
use libsqlite3_sys as ffi;
use parking_lot::Mutex;
use std::{
    ffi::{CStr, CString, c_char, c_int, c_void},
    mem::size_of,
    path::{Path, PathBuf},
    ptr,
};

/// What a registered file system leads to. Never freed: SQLite may ask for it until the end.
pub(super) struct Vfs {
    /// The name to open databases with.
    pub name: String,
    pub disk: Mutex<Disk>,
    real: *mut ffi::sqlite3_vfs,
}

// SAFETY: `real` is the platform's file system, which SQLite shares between threads itself.
unsafe impl Sync for Vfs {}

/// One open file: SQLite's part first, then ours; the platform's own follows in memory.
#[repr(C)]
struct File {
    base: ffi::sqlite3_file,
    vfs: *const Vfs,
    /// Absent for temporary files, which have no name and which nobody misses.
    node: Option<usize>,
    names_loose: bool,
}

/// Registers a file system of that name with an empty disk.
pub(super) fn register(name: &str) -> &'static Vfs {
    // SAFETY: initialising twice is allowed; the default file system lives as long as the process.
    let real = unsafe {
        assert_eq!(ffi::sqlite3_initialize(), ffi::SQLITE_OK);
        ffi::sqlite3_vfs_find(ptr::null())
    };
    let ours = Vfs { name: name.to_owned(), disk: Mutex::default(), real };
    let vfs: &'static Vfs = Box::leak(Box::new(ours));
    let c_name = CString::new(name).unwrap().into_raw();
    // SAFETY: `real` is valid and plain data. The copy is leaked, so that it outlives its use. The
    // functions that stay the platform's do not look at what was changed.
    unsafe {
        let mut table = *real;
        table.zName = c_name;
        table.pAppData = ptr::from_ref(vfs).cast_mut().cast();
        table.pNext = ptr::null_mut();
        table.szOsFile += c_int::try_from(size_of::<File>()).unwrap();
        table.xOpen = Some(open);
        table.xDelete = Some(delete);
        assert_eq!(ffi::sqlite3_vfs_register(Box::leak(Box::new(table)), 0), ffi::SQLITE_OK);
    }
    vfs
}

/// Our part of the table and of the file. SAFETY: only for pointers that SQLite made for us.
unsafe fn vfs_of(table: *mut ffi::sqlite3_vfs) -> &'static Vfs {
    unsafe { &*(*table).pAppData.cast::<Vfs>() }
}
unsafe fn path_of(name: *const c_char) -> PathBuf {
    Path::new(unsafe { CStr::from_ptr(name) }.to_str().unwrap()).to_owned()
}
unsafe fn real(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    unsafe { file.cast::<u8>().add(size_of::<File>()).cast() }
}
unsafe fn disk_says(
    file: *mut ffi::sqlite3_file,
    ask: impl FnOnce(&mut Disk, usize) -> Result<(), Dark>,
) -> bool {
    let (vfs, node) = unsafe { (&*(*file.cast::<File>()).vfs, (*file.cast::<File>()).node) };
    node.is_none_or(|node| ask(&mut vfs.disk.lock(), node).is_ok())
}

unsafe extern "C" fn open(
    table: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives memory of `szOsFile` bytes for the file and a name or null.
    unsafe {
        (*file).pMethods = ptr::null();
        let vfs = vfs_of(table);
        let path = (!name.is_null()).then(|| path_of(name));
        let is_new = path.as_ref().is_some_and(|path| !path.exists());
        if vfs.disk.lock().is_dark() {
            return ffi::SQLITE_CANTOPEN;
        }
        let opened = (*vfs.real).xOpen.unwrap()(vfs.real, name, real(file), flags, out);
        if opened != ffi::SQLITE_OK {
            return opened;
        }
        let node = match path.map(|path| vfs.disk.lock().opened(&path, is_new)).transpose() {
            Ok(node) => node,
            Err(Dark) => {
                close(file);
                return ffi::SQLITE_CANTOPEN;
            }
        };
        let journals =
            ffi::SQLITE_OPEN_WAL | ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_SUPER_JOURNAL;
        let names_loose = flags & ffi::SQLITE_OPEN_CREATE != 0 && flags & journals != 0;
        let base = ffi::sqlite3_file { pMethods: &METHODS };
        file.cast::<File>().write(File { base, vfs, node, names_loose });
        ffi::SQLITE_OK
    }
}

unsafe extern "C" fn delete(
    table: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    folder: c_int,
) -> c_int {
    // SAFETY: as SQLite promises of both pointers.
    unsafe {
        let vfs = vfs_of(table);
        if vfs.disk.lock().delete(&path_of(name), folder != 0).is_err() {
            return ffi::SQLITE_IOERR_DELETE;
        }
        (*vfs.real).xDelete.unwrap()(vfs.real, name, 0)
    }
}

/// A function that passes through to the platform's file.
macro_rules! pass {
    ($name:ident, $method:ident, ($($argument:ident: $kind:ty),*) $(-> $answer:ty)?) => {
        unsafe extern "C" fn $name(file: *mut ffi::sqlite3_file $(, $argument: $kind)*)
        $(-> $answer)? {
            // SAFETY: the platform's file follows ours and was opened with it.
            unsafe {
                let real = real(file);
                (*(*real).pMethods).$method.unwrap()(real $(, $argument)*)
            }
        }
    };
}

pass!(close, xClose, () -> c_int);
pass!(read, xRead, (into: *mut c_void, count: c_int, at: i64) -> c_int);
pass!(write_through, xWrite, (bytes: *const c_void, count: c_int, at: i64) -> c_int);
pass!(truncate_through, xTruncate, (length: i64) -> c_int);
pass!(file_size, xFileSize, (length: *mut i64) -> c_int);
pass!(lock, xLock, (level: c_int) -> c_int);
pass!(unlock, xUnlock, (level: c_int) -> c_int);
pass!(check_reserved, xCheckReservedLock, (answer: *mut c_int) -> c_int);
pass!(control, xFileControl, (word: c_int, argument: *mut c_void) -> c_int);
pass!(sector_size, xSectorSize, () -> c_int);
pass!(characteristics, xDeviceCharacteristics, () -> c_int);
pass!(shm_map, xShmMap,
    (page: c_int, size: c_int, extend: c_int, at: *mut *mut c_void) -> c_int);
pass!(shm_lock, xShmLock, (at: c_int, count: c_int, flags: c_int) -> c_int);
pass!(shm_barrier, xShmBarrier, ());
pass!(shm_unmap, xShmUnmap, (delete: c_int) -> c_int);

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    bytes: *const c_void,
    count: c_int,
    at: i64,
) -> c_int {
    // SAFETY: `bytes` are `count` bytes that live for the call.
    unsafe {
        let (count_bytes, place) = (usize::try_from(count).unwrap(), usize::try_from(at).unwrap());
        let slice = std::slice::from_raw_parts(bytes.cast::<u8>(), count_bytes);
        if disk_says(file, |disk, node| disk.write(node, place, slice)) {
            write_through(file, bytes, count, at)
        } else {
            ffi::SQLITE_IOERR_WRITE
        }
    }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, length: i64) -> c_int {
    // SAFETY: a file of ours.
    unsafe {
        let bytes = usize::try_from(length).unwrap();
        if disk_says(file, |disk, node| disk.set_length(node, bytes)) {
            truncate_through(file, length)
        } else {
            ffi::SQLITE_IOERR_TRUNCATE
        }
    }
}

/// The real disk is not asked: what matters is what ours keeps, and thousands of rounds are quick.
unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: a file of ours, which one thread uses at a time.
    unsafe {
        let ours = file.cast::<File>();
        let folder = (*ours).names_loose;
        if disk_says(file, |disk, node| disk.sync(node, folder)) {
            (*ours).names_loose = false;
            ffi::SQLITE_OK
        } else {
            ffi::SQLITE_IOERR_FSYNC
        }
    }
}

/// Version 2: shared memory for the log, but no mapping of files, which would pass us by.
static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
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
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};
