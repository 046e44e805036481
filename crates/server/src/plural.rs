//! Numbers of things in sentences.

/// `1 post`, `2 posts`.
pub(crate) fn plural<N: Copy + Into<i128>>(count: N, one: &str, many: &str) -> String {
    let count: i128 = count.into();
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_not_many() {
        for (count, said) in [(0, "0 posts"), (1, "1 post"), (2, "2 posts")] {
            assert_eq!(plural(count, "post", "posts"), said);
        }
    }
}
