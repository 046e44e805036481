//! Returning visitors: no account, a browser that was here before, and the cookie that it was given
//! then. They read profiles and posts.

use std::{sync::Arc, time::Duration};

use crate::{
    atlas,
    limits::PATIENCE_MS,
    measure::Population,
    people::{
        Town, each, lost,
        person::{Ask, Person, ended},
    },
};

/// How many there are; each comes again and again.
const VISITORS: u32 = 120;

/// They come, so many times a second together.
pub(super) async fn live(town: &Arc<Town>, per_s: f64) {
    let visitor = |number: u32| {
        let visitor = Person::new(atlas::returning(number), town.dialer.resuming());
        if let Some(cookie) = &town.scene.visit_cookie {
            // Days old, each its own age.
            visitor.remember(&cookie(visitor.source, 2 + u64::from(number % 20)));
        }
        Arc::new(visitor)
    };
    let visitors: Vec<Arc<Person>> = (0..VISITORS).map(visitor).collect();
    each(town, Population::Returning, per_s, |chance, due| {
        let town = Arc::clone(town);
        let visitor = chance.one(&visitors).cloned();
        let post = chance.one(&town.scene.posts).cloned();
        let is_post = chance.below(3) == 0;
        async move {
            let (Some(visitor), Some(post)) = (visitor, post) else { return };
            let ticket = town.board.begin(Population::Returning, due);
            let path = match is_post {
                true => format!("/@{}/{}", post.author, post.id),
                false => format!("/@{}", post.author),
            };
            let ask = Ask { method: "GET", path: &path, fields: &visitor.browser, body: &[] };
            let patience = Duration::from_millis(PATIENCE_MS);
            match visitor.ask(&town, &ask, patience, due).await {
                Ok(answer) => ticket.end(ended(&answer, |page| page.text().contains(&post.author))),
                Err(why) => lost(ticket, &why),
            }
        }
    })
    .await;
}
