//! Every socket of the crate is made in `target.rs`, which only knows the loopback. Clippy bans the
//! calls that connect; this looks for the types and names by which one could go round it.

use std::path::{Path, PathBuf};

/// What only the target may say.
const WORDS: [&str; 11] = [
    "TcpSocket",
    "TcpStream::connect",
    "Socket::new",
    "UdpSocket",
    "UnixStream",
    "UnixDatagram",
    "libc::socket",
    "libc::connect",
    "libc::sendto",
    "SOCK_",
    "to_socket_addrs",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn no_socket_is_made_but_by_the_target() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 40, "only {} files", files.len());
    let mut homes = 0;
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a source");
        let said: Vec<_> = WORDS.iter().filter(|word| text.contains(**word)).collect();
        if file.ends_with("src/target.rs") {
            homes += 1;
            assert!(said.len() >= 3, "the home makes them: {said:?}");
        } else {
            assert!(said.is_empty(), "{} says {said:?}", file.display());
        }
    }
    assert_eq!(homes, 1);
}
