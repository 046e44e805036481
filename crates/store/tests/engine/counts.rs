//! Counters: exact at every moment, whoever writes beside whom, however a deed or a fold ends, and
//! wherever they are kept.

use crate::{members::join, plain_post, power::Chance, side_by_side};
use model::{
    AccountId, Event, StatusId, StoreError,
    event::Mark,
    member::Role,
    ports::{AccountStore, RelationStore, StatusStore},
    relation::FollowOptions,
    status::{ReblogOf, ReplyTo},
};
use parking_lot::Mutex;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};
use store::{Engine, SqlStore, params};
use testkit::{
    clock::START,
    conformance::{Case, Kind, check, check_on},
    heard::Heard,
    postgres::Cluster,
};

const MEMBERS: usize = 6;
const WRITERS: usize = 24;
const DEEDS: usize = 40;

/// Where each engine has its counters: rows, and what has moved since.
fn tables(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Sqlite => ("account_count", "status_count"),
        Kind::Postgres => (
            "(SELECT account_id, statuses, followers, following FROM account_count UNION ALL \
              SELECT account_id, statuses, followers, following FROM account_move)",
            "(SELECT status_id, replies, reblogs, favourites FROM status_count UNION ALL \
              SELECT status_id, replies, reblogs, favourites FROM status_move)",
        ),
    }
}

/// How many counters are wrong at one moment.
fn wrong(kind: Kind) -> String {
    let (accounts, statuses) = tables(kind);
    let account = |what: &str, truth: &str| {
        format!(
            "(SELECT COUNT(*) FROM account a WHERE \
             COALESCE((SELECT SUM(c.{what}) FROM {accounts} c WHERE c.account_id = a.id), 0) \
             <> (SELECT COUNT(*) FROM {truth} = a.id))"
        )
    };
    let status = |what: &str, truth: &str| {
        format!(
            "(SELECT COUNT(*) FROM status s WHERE \
             COALESCE((SELECT SUM(c.{what}) FROM {statuses} c WHERE c.status_id = s.id), 0) \
             <> (SELECT COUNT(*) FROM {truth} = s.id))"
        )
    };
    [
        account("statuses", "status t WHERE t.account_id"),
        account("followers", "follow t WHERE t.target_id"),
        account("following", "follow t WHERE t.account_id"),
        status("replies", "status t WHERE t.reply_to_id"),
        status("reblogs", "status t WHERE t.reblog_of_id"),
        status("favourites", "favourite t WHERE t.status_id"),
    ]
    .join(", ")
}

async fn assert_exact(store: &SqlStore, kind: Kind, when: &str) {
    match store.db().first(&format!("SELECT {}", wrong(kind)), params![]).await {
        Ok(row) => {
            let row = row.unwrap();
            let found: Vec<i64> = (0..6).map(|column| row.int(column).unwrap()).collect();
            assert_eq!(found, [0; 6], "counters that are wrong {when}");
        }
        // Its connection was ended, by this test.
        Err(StoreError::Away { .. }) => {}
        Err(other) => panic!("{other}"),
    }
}

/// Something that may fail when its connection is ended, and else does not.
fn fine<T>(result: Result<T, StoreError>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(StoreError::Away { .. } | StoreError::Unsettled { .. } | StoreError::Conflict(_)) => {
            None
        }
        Err(other) => panic!("{other}"),
    }
}

/// Members, and posts of the first that everybody is at.
struct Scene {
    members: Vec<AccountId>,
    posts: Vec<StatusId>,
}

impl Scene {
    async fn of(case: &Case) -> Self {
        let mut members = vec![];
        for number in 0..MEMBERS {
            members.push(join(case, &format!("member{number}"), Role::Member).await);
        }
        let mut posts = vec![];
        for _ in 0..4 {
            posts.push(case.store.create_status(plain_post(members[0])).await.unwrap().0.id);
        }
        Self { members, posts }
    }

    /// One deed of the kind that chance wants.
    async fn deed(&self, store: &SqlStore, chance: &mut Chance) {
        let who = self.members[chance.below(MEMBERS)];
        let whom = self.members[chance.below(MEMBERS)];
        let hot = self.posts[chance.below(self.posts.len())];
        let author = self.members[0];
        match chance.below(9) {
            0 | 1 => drop(fine(store.create_status(plain_post(author)).await)),
            2 => {
                let to = ReplyTo { status: Some(hot), account: author };
                let conversation = model::ConversationId::new(hot.get()).unwrap();
                let reply = model::status::NewStatus {
                    in_reply_to: Some((to, conversation)),
                    ..plain_post(who)
                };
                let made = fine(store.create_status(reply).await);
                if let Some((made, _)) = made.filter(|_| chance.below(2) == 0) {
                    fine(store.delete_status(who, made.id, START).await);
                }
            }
            3 => {
                let reblog_of = Some(ReblogOf { status: hot, account: author });
                let reblog = model::status::NewStatus { reblog_of, ..plain_post(who) };
                fine(store.create_status(reblog).await);
            }
            4 => {
                if let Some(Some(reblog)) = fine(store.reblog_by(who, hot).await) {
                    fine(store.delete_status(who, reblog, START).await);
                }
            }
            5 => {
                fine(store.mark(who, hot, Mark::Favourite, true, None, START).await);
            }
            6 => {
                fine(store.mark(who, hot, Mark::Favourite, false, None, START).await);
            }
            7 if who != whom => {
                fine(store.follow(who, whom, &FollowOptions::default(), START).await);
            }
            8 if who != whom => drop(fine(store.unfollow(who, whom).await)),
            _ => {
                let post = fine(store.create_status(plain_post(who)).await);
                if let Some((post, _)) = post {
                    let reblog_of = Some(ReblogOf { status: post.id, account: who });
                    let reblog = model::status::NewStatus { reblog_of, ..plain_post(whom) };
                    fine(store.create_status(reblog).await);
                    // With somebody's reblog of it.
                    fine(store.delete_status(who, post.id, START).await);
                }
            }
        }
    }
}

/// Writers through these stores, and somebody who looks at all counters again and again.
async fn churn(case: &Case, stores: &[SqlStore], done: &Arc<AtomicUsize>, seed: u64) {
    println!("counts: seed {seed}");
    let scene = Arc::new(Scene::of(case).await);
    let over = Arc::new(AtomicBool::new(false));
    let looking = {
        let (store, kind, over) = (case.store.clone(), case.ground.kind, Arc::clone(&over));
        tokio::spawn(async move {
            let mut looks = 0;
            while !over.load(Ordering::SeqCst) {
                assert_exact(&store, kind, "while deeds are under way").await;
                looks += 1;
            }
            looks
        })
    };
    side_by_side(WRITERS, |writer| {
        let (scene, done) = (Arc::clone(&scene), Arc::clone(done));
        let store = stores[writer % stores.len()].clone();
        async move {
            let mut chance = Chance(seed + u64::try_from(writer).unwrap());
            for _ in 0..DEEDS {
                scene.deed(&store, &mut chance).await;
                done.fetch_add(1, Ordering::SeqCst);
            }
        }
    })
    .await;
    over.store(true, Ordering::SeqCst);
    assert!(looking.await.unwrap() > 2, "nobody looked");
    assert_exact(&case.store, case.ground.kind, "at the end").await;
    assert_ports(case, &scene).await;
}

/// What the ports say is what is there.
async fn assert_ports(case: &Case, scene: &Scene) {
    let number = |sql: &'static str, id: i64| async move {
        let row = case.db.first(sql, params![id]).await.unwrap().unwrap();
        row.int(0).unwrap()
    };
    let counts = case.store.account_counts(&scene.members).await.unwrap();
    let mut all = 0;
    for (account, counts) in counts {
        let id = account.get();
        let of = "SELECT COUNT(*) FROM status WHERE account_id = ?1";
        assert_eq!(counts.statuses, number(of, id).await, "{account}");
        let of = "SELECT COUNT(*) FROM follow WHERE target_id = ?1";
        assert_eq!(counts.followers, number(of, id).await, "{account}");
        let of = "SELECT COUNT(*) FROM follow WHERE account_id = ?1";
        assert_eq!(counts.following, number(of, id).await, "{account}");
        assert_eq!(counts.last_status, (counts.statuses > 0).then_some(START), "{account}");
        all += counts.statuses;
    }
    let members = i64::try_from(scene.members.len()).unwrap();
    assert_eq!(case.store.totals().await.unwrap(), (members, all));
    for (status, counts) in case.store.status_counts(&scene.posts).await.unwrap() {
        let of = "SELECT COUNT(*) FROM favourite WHERE status_id = ?1";
        assert_eq!(counts.favourites, number(of, status.get()).await, "{status}");
        let of = "SELECT COUNT(*) FROM status WHERE reblog_of_id = ?1";
        assert_eq!(counts.reblogs, number(of, status.get()).await, "{status}");
        let of = "SELECT COUNT(*) FROM status WHERE reply_to_id = ?1";
        assert_eq!(counts.replies, number(of, status.get()).await, "{status}");
    }
}

/// Moves that nobody has folded.
async fn unfolded(case: &Case) -> i64 {
    let sql = "SELECT (SELECT COUNT(*) FROM account_move) + (SELECT COUNT(*) FROM status_move)";
    case.db.first(sql, params![]).await.unwrap().unwrap().int(0).unwrap()
}

async fn all_folded(case: &Case) {
    testkit::until("all moves are folded", || async { (unfolded(case).await == 0).then_some(()) })
        .await;
    assert_exact(&case.store, case.ground.kind, "when all is folded").await;
}

#[test]
fn counters_are_exact_at_every_moment_under_many_writers() {
    check(|case| async move {
        let stores = [case.store.clone()];
        churn(&case, &stores, &Arc::default(), 20_261_125).await;
        if case.ground.kind == Kind::Postgres {
            all_folded(&case).await;
        }
    });
}

#[test]
fn two_nodes_that_fold_at_once_count_nothing_twice() {
    check_on(Kind::Postgres, |case| async move {
        let ground = case.ground.as_node(1);
        let other = ground.open(case.clock.clone(), Arc::new(Heard::default())).await;
        let stores = [case.store.clone(), SqlStore::new(other)];
        churn(&case, &stores, &Arc::default(), 7).await;
        all_folded(&case).await;
    });
}

/// Server processes are ended at random, deeds and folds alike, as often as deeds go on.
#[test]
fn no_count_is_lost_or_doubled_when_connections_are_killed() {
    check_on(Kind::Postgres, |case| async move {
        let Engine::Postgres(options) = &case.ground.engine else { panic!("not PostgreSQL") };
        let name = options.url.rsplit('/').next().unwrap();
        let killer = Cluster::shared().client(name).await;
        let (done, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let killing = tokio::spawn({
            let (done, over) = (Arc::clone(&done), Arc::clone(&over));
            async move {
                let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                           WHERE datname = current_database() AND application_name = 'fulmar' \
                           AND state <> 'idle' ORDER BY random() LIMIT 1";
                let (mut next, mut killed) = (WRITERS, 0);
                while !over.load(Ordering::SeqCst) {
                    if done.load(Ordering::SeqCst) >= next {
                        next += WRITERS;
                        killed += killer.query(sql, &[]).await.unwrap().len();
                    }
                    tokio::task::yield_now().await;
                }
                killed
            }
        });
        let stores = [case.store.clone()];
        churn(&case, &stores, &done, 11).await;
        over.store(true, Ordering::SeqCst);
        assert!(killing.await.unwrap() > 3, "nothing was killed");
        // Whoever opens next folds what was left.
        let Case { ground, clock, heard, db, store } = case;
        drop((db, store));
        let db = ground.open(clock.clone(), heard.clone()).await;
        let case = Case { store: SqlStore::new(db.clone()), db, ground, clock, heard };
        all_folded(&case).await;
    });
}

/// A listener that reads once and then adds what it hears of is never wrong.
#[test]
fn a_number_of_posts_says_which_posts_are_in_it() {
    check_on(Kind::Postgres, |case| async move {
        let author = join(&case, "author", Role::Member).await;
        let over = Arc::new(AtomicBool::new(false));
        let samples = Arc::new(Mutex::new(vec![]));
        let looking = {
            let (store, over, samples) =
                (case.store.clone(), Arc::clone(&over), Arc::clone(&samples));
            tokio::spawn(async move {
                while !over.load(Ordering::SeqCst) {
                    for (_, counts) in store.account_counts(&[author]).await.unwrap() {
                        samples.lock().push((counts.statuses, counts.posts_below));
                    }
                }
            })
        };
        side_by_side(WRITERS, |_| {
            let store = case.store.clone();
            async move {
                for _ in 0..DEEDS {
                    store.create_status(plain_post(author)).await.unwrap();
                }
            }
        })
        .await;
        over.store(true, Ordering::SeqCst);
        looking.await.unwrap();
        let mut posts = vec![];
        for event in case.heard.events() {
            match event {
                Event::Posted { status, posts: None, .. } => posts.push(status.id.get()),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(posts.len(), WRITERS * DEEDS);
        let samples = samples.lock();
        assert!(samples.len() > 10, "nobody looked");
        for (statuses, below) in samples.iter() {
            let expected = posts.iter().filter(|id| *id < below).count();
            assert_eq!(*statuses, i64::try_from(expected).unwrap(), "below {below}");
        }
    });
}

/// Else a counter would move behind the back of the moves.
#[test]
fn counters_are_written_in_one_place() {
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut waiting = vec![source];
    let mut files = 0;
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        if path.ends_with("src/count.rs") || path.ends_with("postgres/fold.rs") {
            files += 1;
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for table in ["account_count ", "account_move", "status_count ", "status_move"] {
            assert!(!text.contains(table), "{} speaks of {table}", path.display());
        }
    }
    assert_eq!(files, 2);
}
