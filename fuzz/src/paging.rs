//! Paging parameters in a query and the links made from it: the window is within its limits, and no
//! query breaks out of the `<...>` of a link or takes a header of its own.

use http::{Uri, header};
use httpkit::{PageQuery, body, limits, paging, reader};

/// Tries one input.
pub fn run(data: &[u8]) {
    let Ok(query) = std::str::from_utf8(data) else { return };
    if let Ok(params) = body::query_of(Some(query)) {
        crate::bounds::hold(&params);
        if let Ok(read) = reader::read::<PageQuery>(params) {
            for (usual, most) in [(20, 40), (40, 80), (20, u32::MAX)] {
                let page = read.page(usual, most);
                assert!((1..=most.min(limits::PAGE_LIMIT_MAX)).contains(&page.limit));
                for id in [page.max_id, page.since_id, page.min_id].into_iter().flatten() {
                    assert!(id >= 0, "a negative id");
                }
                let _ends = (page.above(), page.below(), page.ascending());
            }
        }
    }
    let Ok(uri) = format!("/api/v1/timelines/home?{query}").parse::<Uri>() else { return };
    let headers = paging::link("https://example.org", &uri, 9, 3);
    // A query that no header can carry leaves the link out; it never carries something else.
    let Some(link) = headers.get(header::LINK) else { return };
    let bytes = link.as_bytes();
    let count = |wanted: u8| bytes.iter().filter(|byte| **byte == wanted).count();
    assert_eq!((count(b'<'), count(b'>')), (2, 2), "{link:?}");
    assert!(!bytes.iter().any(u8::is_ascii_control), "{link:?}");
}
