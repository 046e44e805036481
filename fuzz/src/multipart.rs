//! `multipart/form-data`: nothing panics, limits hold, and it does not matter in which pieces the
//! body comes.

use bytes::Bytes;
use futures_util::{FutureExt, stream};
use httpkit::limits::UPLOAD_BYTES_MAX;
use httpkit::multipart;

/// Tries one input.
pub fn run(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let whole = multipart::parse_whole(rest, "B");
    if let Ok(params) = &whole {
        crate::bounds::hold(params);
    }
    let size = usize::from(*first % 32) + 1;
    let pieces: Vec<Result<Bytes, std::io::Error>> =
        rest.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let parts = multipart::parse(stream::iter(pieces), "B", UPLOAD_BYTES_MAX).now_or_never();
    let parts = parts.expect("a stream that never waits");
    // Which of two faults is met first may depend on the pieces; whether there is one may not.
    match (&whole, &parts) {
        (Ok(one), Ok(other)) => assert_eq!(one, other, "pieces of {size} bytes"),
        (Err(_), Err(_)) => {}
        _ => panic!("whole: {whole:?}, in pieces of {size} bytes: {parts:?}"),
    }
}
