//! Writes the declared keys for people: the commented file of `fulmar config default`, and the
//! page `docs/operating/configuration.md`, which `fulmar config reference` prints.

use super::{
    declare::{Key, Section},
    keys,
};
use std::fmt::Write as _;

/// The configuration file with every key in it, each commented out at its default or an example.
pub(crate) fn default_file() -> String {
    let mut out = String::from(
        "# The configuration of Fulmar. Every key there is stands here, commented out: what is\n\
         # shown is its default, or an example where there is none. After a change, ask\n\
         # `fulmar config check --config THIS-FILE`. Passwords may come from files of their own\n\
         # (keys in `_file`).\n",
    );
    for Section { name, about, keys } in keys::declared() {
        let _ = write!(out, "\n{}[{name}]\n", comment(about));
        for key in keys {
            let value = shown(&key);
            let _ = write!(out, "\n{}#{} = {value}\n", comment(key.text), key.name);
        }
    }
    out
}

/// The page of documentation.
pub(crate) fn reference() -> String {
    let mut out = String::from(
        "# Configuration\n\n\
         One TOML file, named by `--config` or by the environment variable `FULMAR_CONFIG`. Every\n\
         key has a default, so an empty file, or none, is a configuration too. `fulmar config\n\
         default` prints a file with all keys to start from; `fulmar config check` says what\n\
         cannot be used, with its line and what would be valid.\n\n\
         This page is made from `crates/server/src/config/keys.rs` by `fulmar config reference`.\n",
    );
    for Section { name, about, keys } in keys::declared() {
        let _ = write!(out, "\n## `[{name}]`\n\n{}", prose(about));
        for key in keys {
            let _ = write!(out, "\n### `{name}.{}`\n\n{}", key.name, prose(key.text));
            let _ = write!(out, "\n- Valid: {}.\n", key.is);
            match (&key.default, key.like) {
                (Some(default), _) => {
                    let _ = writeln!(out, "- Default: `{default}`");
                }
                (None, _) => out.push_str("- Default: not set\n"),
            }
            if let Some(like) = key.like {
                let _ = writeln!(out, "- Example: `{} = {like}`", key.name);
            }
        }
    }
    out
}

fn shown(key: &Key) -> String {
    let fallback = || key.default.clone().unwrap_or_default();
    key.like.map_or_else(fallback, str::to_owned)
}

fn comment(lines: &[&str]) -> String {
    lines.iter().map(|line| format!("#{line}\n")).collect()
}

fn prose(lines: &[&str]) -> String {
    lines.iter().map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line))).collect()
}
