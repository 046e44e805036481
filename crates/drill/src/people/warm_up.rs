//! Bots that want to be known later: each visits a page once in the recorded peace, as a visitor
//! would. Whether it is served is not counted.

use std::{sync::Arc, time::Duration};

use crate::{
    chance::Chance,
    clock,
    limits::{PATIENCE_MS, WARMED},
    people::{
        Town,
        person::{Ask, Person},
    },
    vectors::warmed,
};

/// All of them, spread over the time there is.
pub(crate) async fn warm_up(town: &Arc<Town>, seed: u64) {
    let bots = warmed::bots(seed);
    let mut chance = Chance::fork(seed, "warm up");
    let marks = town.board.marks;
    let apart = (marks.end - marks.start) / WARMED;
    for number in 0..WARMED {
        clock::until(marks.start + apart * number).await;
        let source = bots.numbered(usize::try_from(number).unwrap_or(0));
        let post = chance.one(&town.scene.posts).cloned();
        let (Some(post), Some(place)) = (post, town.place()) else { continue };
        let town = Arc::clone(town);
        tokio::spawn(async move {
            let visitor = Person::new(source, town.dialer.resuming());
            let path = format!("/@{}", post.author);
            let ask = Ask { method: "GET", path: &path, fields: &visitor.browser, body: &[] };
            let patience = Duration::from_millis(PATIENCE_MS);
            let _seen = visitor.ask(&town, &ask, patience, clock::now()).await;
            drop(place);
        });
    }
}
