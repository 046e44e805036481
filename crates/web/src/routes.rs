//! Every page on one screen.

use crate::{
    Site, authorize, confirmation, files, front, leaving, login, password, post, profile, sessions,
    settings, tag,
};
use axum::{
    Router,
    routing::{self, MethodRouter},
};

/// Declares the pages once: for the router, and for whoever asks which there are.
macro_rules! routes {
    ($($method:ident $path:literal => $handler:expr;)*) => {
        /// Method and path of every page.
        pub const ROUTES: &[(&str, &str)] = &[$((stringify!($method), $path)),*];

        fn routed() -> Router<Site> {
            let mut router = Router::new();
            $(
                let method: MethodRouter<Site> = routing::$method($handler);
                router = router.route($path, method);
            )*
            router
        }
    };
}

routes! {
    get "/" => front::show;
    get "/@{name}" => profile::posts;
    get "/@{name}/with_replies" => profile::with_replies;
    get "/@{name}/media" => profile::media;
    get "/@{name}/{id}" => post::show;
    get "/tags/{name}" => tag::show;
    get "/auth/password/new" => password::ask_page;
    post "/auth/password/new" => password::ask;
    get "/auth/password/edit" => password::choose_page;
    post "/auth/password/edit" => password::choose;
    get "/auth/confirmation" => confirmation::page;
    post "/auth/confirmation" => confirmation::confirm;
    get "/auth/confirmation/new" => confirmation::ask_page;
    post "/auth/confirmation/new" => confirmation::ask;
    get "/oauth/authorize" => authorize::show;
    post "/oauth/authorize" => authorize::decide;
    get "/login" => login::show;
    post "/login" => login::enter;
    get "/logout" => login::leave_page;
    post "/logout" => login::leave;
    get "/settings" => settings::show;
    get "/settings/delete" => leaving::show;
    post "/settings/delete" => leaving::leave;
    get "/settings/password" => settings::password_page;
    post "/settings/password" => settings::password;
    get "/settings/sessions" => sessions::show;
    post "/settings/sessions" => sessions::end;
    get "/assets/{file}" => files::asset;
    get "/favicon.svg" => files::icon;
    get "/favicon.ico" => files::icon;
    get "/robots.txt" => files::robots;
}

/// All of it, ready to serve. What has no route is the business of whoever joins the rooms.
pub fn router(site: Site) -> Router {
    routed().with_state(site)
}
