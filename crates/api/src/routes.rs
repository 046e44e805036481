//! Every route on one screen, with the table that the documentation is made from.

use crate::caller::{MEDIA, UploadScope};
use crate::{
    Api, accounts, emails, instance, lists, media, notifications, oauth, relations, reports,
    scheduled, search, statuses, streaming, timelines,
};
use axum::{
    Extension, Router,
    routing::{self, MethodRouter},
};
use httpkit::{body::BodyLimit, cors::Cors};

/// The routes that take files, and so larger bodies, with what a token needs for it.
const UPLOADS: [(&str, UploadScope); 3] = [
    ("/api/v1/media", UploadScope(MEDIA)),
    ("/api/v2/media", UploadScope(MEDIA)),
    ("/api/v1/accounts/update_credentials", UploadScope("write:accounts")),
];

/// Declares the routes once: for the router, and for the table of what is answered.
macro_rules! routes {
    ($($method:ident $path:literal => $handler:expr;)*) => {
        /// Method and path of every endpoint that is answered.
        pub const ROUTES: &[(&str, &str)] = &[$((stringify!($method), $path)),*];

        fn routed() -> Router<Api> {
            let mut router = Router::new();
            $(
                let method: MethodRouter<Api> = routing::$method($handler);
                let upload = UPLOADS.iter().find(|(path, _)| *path == $path);
                let method = match upload {
                    Some((_, scope)) => {
                        method.layer((Extension(BodyLimit::UPLOADS), Extension(*scope)))
                    }
                    None => method,
                };
                // Mastodon answers with a slash at the end too, and Mastodon.py asks so.
                if !$path.contains("{*") {
                    router = router.route(concat!($path, "/"), method.clone());
                }
                router = router.route($path, method);
            )*
            router
        }
    };
}

routes! {
    get "/health" => instance::health;
    get "/ready" => instance::ready;
    get "/static/avatar.svg" => instance::avatar;
    get "/static/header.svg" => instance::header_picture;
    get "/.well-known/nodeinfo" => instance::nodeinfo_links;
    get "/.well-known/webfinger" => instance::webfinger;
    get "/.well-known/host-meta" => instance::host_meta;
    get "/.well-known/oauth-authorization-server" => instance::oauth_metadata;
    get "/nodeinfo/2.0" => instance::nodeinfo;
    get "/api/v2/instance" => instance::v2;
    get "/api/v1/instance" => instance::v1;
    get "/api/v1/custom_emojis" => instance::emojis;
    get "/api/v2/search" => search::search;
    post "/api/v1/apps" => oauth::create_app;
    get "/api/v1/apps/verify_credentials" => oauth::verify_app;
    post "/oauth/token" => oauth::token;
    post "/oauth/revoke" => oauth::revoke;
    get "/oauth/userinfo" => oauth::userinfo;
    post "/oauth/userinfo" => oauth::userinfo;
    post "/api/v1/accounts" => accounts::create;
    post "/api/v1/emails/confirmations" => emails::resend;
    get "/api/v1/emails/check_confirmation" => emails::check;
    get "/api/v1/accounts" => accounts::many;
    get "/api/v1/accounts/verify_credentials" => accounts::verify;
    patch "/api/v1/accounts/update_credentials" => accounts::update;
    get "/api/v1/accounts/lookup" => accounts::lookup;
    get "/api/v1/accounts/search" => search::search_accounts;
    get "/api/v1/accounts/relationships" => relations::relationships;
    get "/api/v1/accounts/{id}" => accounts::show;
    get "/api/v1/accounts/{id}/statuses" => accounts::statuses;
    get "/api/v1/accounts/{id}/followers" => relations::followers;
    get "/api/v1/accounts/{id}/following" => relations::following;
    get "/api/v1/accounts/{id}/lists" => lists::with;
    post "/api/v1/accounts/{id}/follow" => relations::follow;
    post "/api/v1/accounts/{id}/unfollow" => relations::unfollow;
    post "/api/v1/accounts/{id}/remove_from_followers" => relations::remove_follower;
    post "/api/v1/accounts/{id}/block" => relations::block;
    post "/api/v1/accounts/{id}/unblock" => relations::unblock;
    post "/api/v1/accounts/{id}/mute" => relations::mute;
    post "/api/v1/accounts/{id}/unmute" => relations::unmute;
    post "/api/v1/accounts/{id}/note" => relations::note;
    get "/api/v1/blocks" => relations::blocks;
    get "/api/v1/mutes" => relations::mutes;
    get "/api/v1/follow_requests" => relations::requests;
    post "/api/v1/follow_requests/{id}/authorize" => relations::authorize;
    post "/api/v1/follow_requests/{id}/reject" => relations::reject;
    post "/api/v1/reports" => reports::create;
    get "/api/v1/preferences" => accounts::preferences;
    get "/api/v1/markers" => accounts::markers;
    post "/api/v1/markers" => accounts::set_markers;
    get "/api/v1/favourites" => statuses::favourites;
    get "/api/v1/bookmarks" => statuses::bookmarks;
    post "/api/v2/media" => media::create;
    post "/api/v1/media" => media::create_v1;
    get "/api/v1/media/{id}" => media::show;
    put "/api/v1/media/{id}" => media::describe;
    delete "/api/v1/media/{id}" => media::delete;
    get "/media/{*key}" => media::file;
    post "/api/v1/statuses" => statuses::create;
    get "/api/v1/statuses" => statuses::many;
    get "/api/v1/statuses/{id}" => statuses::show;
    put "/api/v1/statuses/{id}" => statuses::edit;
    delete "/api/v1/statuses/{id}" => statuses::delete;
    get "/api/v1/statuses/{id}/context" => statuses::context;
    get "/api/v1/statuses/{id}/source" => statuses::source;
    get "/api/v1/statuses/{id}/history" => statuses::history;
    get "/api/v1/statuses/{id}/favourited_by" => statuses::favourited_by;
    get "/api/v1/statuses/{id}/reblogged_by" => statuses::reblogged_by;
    post "/api/v1/statuses/{id}/favourite" => statuses::favourite;
    post "/api/v1/statuses/{id}/unfavourite" => statuses::unfavourite;
    post "/api/v1/statuses/{id}/bookmark" => statuses::bookmark;
    post "/api/v1/statuses/{id}/unbookmark" => statuses::unbookmark;
    post "/api/v1/statuses/{id}/pin" => statuses::pin;
    post "/api/v1/statuses/{id}/unpin" => statuses::unpin;
    post "/api/v1/statuses/{id}/mute" => statuses::mute;
    post "/api/v1/statuses/{id}/unmute" => statuses::unmute;
    post "/api/v1/statuses/{id}/reblog" => statuses::reblog;
    post "/api/v1/statuses/{id}/unreblog" => statuses::unreblog;
    get "/api/v1/scheduled_statuses" => scheduled::all;
    get "/api/v1/scheduled_statuses/{id}" => scheduled::show;
    put "/api/v1/scheduled_statuses/{id}" => scheduled::edit;
    delete "/api/v1/scheduled_statuses/{id}" => scheduled::delete;
    get "/api/v1/polls/{id}" => statuses::poll;
    post "/api/v1/polls/{id}/votes" => statuses::vote;
    get "/api/v1/timelines/home" => timelines::home;
    get "/api/v1/timelines/public" => timelines::public;
    get "/api/v1/timelines/tag/{tag}" => timelines::tag;
    get "/api/v1/timelines/list/{id}" => timelines::list;
    get "/api/v1/streaming" => streaming::socket;
    get "/api/v1/streaming/health" => streaming::health;
    get "/api/v1/streaming/{*stream}" => streaming::events;
    get "/api/v1/lists" => lists::all;
    post "/api/v1/lists" => lists::create;
    get "/api/v1/lists/{id}" => lists::show;
    put "/api/v1/lists/{id}" => lists::change;
    delete "/api/v1/lists/{id}" => lists::delete;
    get "/api/v1/lists/{id}/accounts" => lists::members;
    post "/api/v1/lists/{id}/accounts" => lists::add;
    delete "/api/v1/lists/{id}/accounts" => lists::remove;
    get "/api/v1/notifications" => notifications::all;
    get "/api/v1/notifications/unread_count" => notifications::unread;
    post "/api/v1/notifications/clear" => notifications::clear;
    get "/api/v1/notifications/{id}" => notifications::show;
    post "/api/v1/notifications/{id}/dismiss" => notifications::dismiss;
}

/// All of it beside the routes of other fronts, ready to serve; [`cors`] and [`crate::Allowances`]
/// belong around it. What none of them has is refused in the API's shape.
pub fn router(api: Api, beside: Router) -> Router {
    let all = routed().fallback(instance::nowhere).with_state(api).merge(beside);
    all.method_not_allowed_fallback(instance::no_such_method)
}

/// Where the paths begin that scripts of other places may use.
const OPEN: [&str; 10] = [
    "/api/",
    "/oauth/token",
    "/oauth/revoke",
    "/oauth/userinfo",
    "/media/",
    "/static/",
    "/.well-known/",
    "/nodeinfo/",
    "/health",
    "/ready",
];

/// Apps in browsers come from anywhere, so everybody is admitted: nothing here is authorised by a
/// cookie.
pub fn cors() -> Cors {
    let exposed = ["link", "retry-after", "x-request-id", "idempotency-key", "etag"];
    let exposed = exposed.iter().chain(&httpkit::rate::HEADERS).copied();
    Cors::new(exposed, |path| OPEN.iter().any(|start| path.starts_with(start)))
}
