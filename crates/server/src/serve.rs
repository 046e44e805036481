//! `fulmar serve`: the owner account where there is none, the listener, the drain at the end.

use crate::{
    Place, chores,
    config::{self, Config, ProxyProtocol, ShieldMode},
    control::{self, Desk},
    demo,
    handed::Handed,
    limiter::Limiter,
    lock, log, memory, metrics,
    notify::Manager,
    open::{self, Instance},
    shielding::{self, Shield, kernel::Kernel},
    tls::{self, Tls},
};
use ::shield::edge;
use anyhow::Context as _;
use api::{Api, Parts};
use httpkit::{
    SharedFront, SharedPages,
    allowance::Allowance,
    client_address,
    hook::Hooked,
    rate::{self, RateMeter, Rule},
    request_id::RequestIds,
    security::Security,
    shared_page::Changes,
};
use model::{Timestamp, member::Role};
use social::{Social, media::Darkroom};
use std::{
    io::{IsTerminal as _, Write as _},
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Serves until SIGTERM or SIGINT, then finishes what is in flight.
pub(crate) async fn serve(
    place: &Place,
    listen: Option<SocketAddr>,
    demo: bool,
) -> anyhow::Result<()> {
    let config = config::load(place)?;
    log::start(&config.log);
    for advice in config::advice(place, &config) {
        tracing::warn!("{advice}");
    }
    open::folder(&place.data)?;
    let _lock = lock::take_for_server(&place.data).await?;
    // Before anything is made: whoever names a port that is taken finds no half of an instance.
    let address = listen.unwrap_or(config.server.listen);
    let options = edge_options(&config);
    let tls = Tls::from_config(&config, &place.data)?.map(Arc::new);
    let scheme = if tls.is_some() { "https" } else { "http" };
    let (doors, local) = doors(address, &config, tls.as_deref(), &options)?;
    if demo {
        demo::fill(place, &config).await?;
    }
    let (instance, kernel) = opened(place, &config, &doors, tls.as_deref()).await?;
    let shutdown = CancellationToken::new();
    let parts = parts(&config, &instance, scheme, local, shutdown.clone());
    let transport = transport(&parts.base_url, &config, tls.as_deref());
    let site = site(&parts, address_of(&config));
    let ids = RequestIds::starting_at(instance.social.unpredictable());
    let edge = edge::Edge::new(options);
    let (base_url, door) = (&parts.base_url, edge.handle());
    let shield = shield(&config, place, &instance, (base_url, door), ids.clone())?;
    let meter = Arc::new(metrics::Meter::new(api::ROUTES.iter().chain(web::ROUTES)));
    let counted = (edge.stats(), Arc::clone(&shield.gate), Arc::clone(&kernel));
    serve_figures(&parts, &meter, counted, tls.clone(), (place, &config))?;
    shield.keep_up(&instance, Arc::clone(&parts.shared), edge.handle(), &shutdown);
    let api = Api(Arc::new(parts));
    let router = api::router(api.clone(), web::router(site.clone()));
    let (router, measure) = metrics::measured(router, meter, config.metrics.listen.is_some());
    let service = Hooked::new(router, Security);
    let service = Hooked::new(service, api::cors());
    let service = Hooked::new(service, SharedFront(Arc::clone(&api.shared)));
    let service = Hooked::new(service, api::HomeFront(api.clone()));
    let service = Hooked::new(service, measure);
    let service = Hooked::new(service, api::Allowances(api));
    let service = Hooked::new(service, shield.learns(&instance));
    let service = Hooked::new(service, ids);
    let service = Hooked::new(Hooked::new(service, web::FailuresAsPages(site)), shield.cookies());
    let service = Hooked::new(Hooked::new(service, transport), limiter(&config, &instance));
    let service = shield.gate.around(service);
    let manager = Arc::new(Manager::of_this_process());
    watch_signals(shutdown.clone(), Arc::clone(&manager), tls.clone())?;
    let desk = Desk::open(&place.data)?;
    let desk = tokio::spawn(desk.serve(Arc::clone(&instance), shutdown.clone()));
    if let Some(tls) = tls {
        tokio::spawn(shutdown.clone().run_until_cancelled_owned(tls.watch()));
    }
    keep_house(place, &instance, &shutdown);
    let mut out = std::io::stdout();
    writeln!(out, "ready {scheme}://{local}")?;
    out.flush()?;
    manager.ready();
    tokio::spawn(manager.keep_telling());
    let drained = edge.serve(doors, service, shutdown).await?;
    kernel.close();
    shield.save().await;
    // It stops at once; its socket is to be gone before this process is.
    let _ = desk.await;
    let (requests, cut) = (drained.requests, drained.connections_cut);
    tracing::info!(requests, connections_cut = cut, "stopped");
    Ok(())
}

/// The instance, which has an owner from now on, and the kernel's part of its shield.
async fn opened(
    place: &Place,
    config: &Config,
    doors: &[edge::Door],
    tls: Option<&Tls>,
) -> anyhow::Result<(Arc<Instance>, Arc<Kernel>)> {
    let mut instance = open::open(place, config).await?;
    let kernel = Arc::new(Kernel::open(config, doors.iter().map(edge::Door::address).collect()));
    instance.kernel = Some(Arc::clone(&kernel));
    tls.map(|tls| tls.keep_tickets(&instance.sealer)).transpose()?;
    ensure_owner(place, &instance).await?;
    Ok((Arc::new(instance), kernel))
}

/// What the edge is held to. Raises the limit of open files first: each connection is one, and the
/// usual soft limit of 1,024 would be the cap.
fn edge_options(config: &Config) -> edge::Options {
    if let Err(error) = edge::raise_open_files() {
        tracing::warn!(%error, "the limit of open files stays as it was");
    }
    let server = &config.server;
    let mut only = server.trusted_proxies.clone();
    // Where there is no proxy, everybody may come by himself.
    if !only.is_empty() {
        only.extend(&server.direct_networks);
    }
    edge::Options {
        uncapped: server.trusted_proxies.clone(),
        proxy_protocol: server.proxy_protocol == ProxyProtocol::Required,
        only,
        ..edge::Options::default()
    }
}

/// The shield, with what it learnt before. A command finds it at the instance.
fn shield(
    config: &Config,
    place: &Place,
    instance: &Instance,
    (base_url, door): (&str, edge::Handle),
    ids: RequestIds,
) -> anyhow::Result<Shield> {
    let (address_of, is_secure) = (address_of(config), base_url.starts_with("https:"));
    let data = &place.data;
    let made = shielding::Made { config, data, instance, ids, address_of, is_secure, door };
    let raised = Shield::raise(made)?;
    Ok(instance.shield.get_or_init(|| raised).clone())
}

/// The plain limiter in the shield's place, where that is asked for.
fn limiter(config: &Config, instance: &Instance) -> Option<Limiter> {
    let seed = instance.social.unpredictable();
    let is_on = config.shield.mode == ShieldMode::Limiter;
    is_on.then(|| Limiter::new(seed, address_of(config)))
}

/// What is done beside serving, until the server stops.
fn keep_house(place: &Place, instance: &Instance, shutdown: &CancellationToken) {
    tokio::spawn(
        shutdown.clone().run_until_cancelled_owned(sweep(
            Arc::clone(&instance.social),
            instance.darkroom.clone(),
        )),
    );
    tokio::spawn(shutdown.clone().run_until_cancelled_owned(index(Arc::clone(&instance.social))));
    let jobs = chores::jobs(Arc::clone(&instance.social), instance.darkroom.clone());
    tokio::spawn(shutdown.clone().run_until_cancelled_owned(jobs));
    for _ in 0..social::limits::MAILS_AT_ONCE {
        let mail = chores::mail(Arc::clone(&instance.social));
        tokio::spawn(shutdown.clone().run_until_cancelled_owned(mail));
    }
    let expired = chores::remove_expired(Arc::clone(&instance.social));
    tokio::spawn(shutdown.clone().run_until_cancelled_owned(expired));
    let used = chores::note_tokens_used(Arc::clone(&instance.social));
    tokio::spawn(shutdown.clone().run_until_cancelled_owned(used));
    if let Some(kernel) = &instance.kernel {
        let kept = Arc::clone(kernel).keep(instance.shield.get().and_then(Shield::decider));
        tokio::spawn(shutdown.clone().run_until_cancelled_owned(kept));
    }
    let (social, room) = (Arc::clone(&instance.social), instance.darkroom.clone());
    let files = chores::sweep_files(social, room, place.data.clone());
    tokio::spawn(shutdown.clone().run_until_cancelled_owned(files));
    let memory = memory::give_back_now_and_then();
    tokio::spawn(shutdown.clone().run_until_cancelled_owned(memory));
}

/// The listening sockets, and the address of the one that serves.
fn doors(
    address: SocketAddr,
    config: &Config,
    tls: Option<&Tls>,
    options: &edge::Options,
) -> anyhow::Result<(Vec<edge::Door>, SocketAddr)> {
    let mut handed = Handed::to_this_process()?;
    let listener = handed.listen(address, options)?;
    let local = listener.local_addr();
    let mut doors = Vec::new();
    match tls {
        None => doors.push(edge::Door::plain(listener)),
        Some(tls) => {
            doors.push(edge::Door::tls(listener, tls.acceptor()));
            if let Some(plain) = config.tls.redirect_listen {
                doors.push(edge::Door::plain(handed.listen(plain, options)?));
            }
        }
    }
    handed.close_rest();
    Ok((doors, local))
}

fn parts(
    config: &Config,
    instance: &Instance,
    scheme: &str,
    local: SocketAddr,
    stopping: CancellationToken,
) -> Parts {
    let (base_url, domain) = match &config.server.domain {
        Some(domain) => (format!("https://{}", domain.as_str()), domain.as_str().to_owned()),
        None => (format!("{scheme}://{local}"), local.to_string()),
    };
    Parts {
        social: Arc::clone(&instance.social),
        shared: Arc::new(SharedPages::new(Heard(Arc::clone(&instance.social)))),
        homes: Arc::default(),
        meter: RateMeter::new(instance.social.unpredictable()),
        sign_ups: sign_ups(config, instance.social.unpredictable()),
        apps: apps(config, (1, api::limits::APPS), instance.social.unpredictable()),
        app_tokens: apps(config, (2, api::limits::APP_TOKENS), instance.social.unpredictable()),
        address_of: address_of(config),
        seats: api::Seats::of_streams(),
        upload_seats: api::Seats::of_uploads(),
        uploads: Allowance::new(rate::MEDIA, instance.social.unpredictable()),
        readiness: api::Readiness::default(),
        stopping,
        sealer: Arc::clone(&instance.sealer),
        darkroom: instance.darkroom.clone(),
        base_url,
        domain,
        title: config.server.title.clone(),
        description: config.server.description.clone(),
        contact_email: config.server.contact_email.as_ref().map_or(String::new(), |e| e.0.clone()),
        languages: config.server.languages.iter().map(|language| language.0.clone()).collect(),
        rules: config.server.rules.clone(),
        password_grant: config.oauth.password_grant,
        version: env!("CARGO_PKG_VERSION"),
    }
}

/// What shared answers are told of: what the hub has heard.
struct Heard(Arc<Social>);

impl Changes for Heard {
    fn pulse(&self) -> u64 {
        self.0.hub().pulse()
    }
    fn changed(&self, topics: &[u64], since: u64) -> bool {
        self.0.hub().changed(topics, since)
    }
    fn now(&self) -> Timestamp {
        self.0.now()
    }
}

/// Serves figures, where somebody wants them.
fn serve_figures(
    parts: &Parts,
    meter: &Arc<metrics::Meter>,
    (edge, gate, kernel): (Arc<edge::Stats>, Arc<shielding::Gate>, Arc<Kernel>),
    tls: Option<Arc<Tls>>,
    (place, config): (&Place, &Config),
) -> anyhow::Result<()> {
    let Some(listen) = config.metrics.listen else { return Ok(()) };
    let files = ["fulmar.db", "fulmar.db-wal"].map(|name| place.data.join(name));
    let figures = metrics::Sources {
        meter: Arc::clone(meter),
        edge,
        gate,
        social: Arc::clone(&parts.social),
        seats: parts.seats.clone(),
        shared: Arc::clone(&parts.shared),
        homes: Arc::clone(&parts.homes),
        kernel: Some(kernel),
        tls,
        database: files.into_iter().filter(|_| config.store.postgres_url.is_none()).collect(),
    };
    metrics::serve(listen, figures)
}

/// What holds for everything that comes to a server that speaks TLS.
fn transport(base_url: &str, config: &Config, tls: Option<&Tls>) -> Option<tls::Transport> {
    let days = config.tls.strict_days.count();
    Some(tls::Transport::new(base_url, days, tls?.fetched()))
}

/// The pages stand on the same parts as the API, and share its room for shared answers.
fn site(parts: &Parts, address_of: web::AddressOf) -> web::Site {
    web::Site(Arc::new(web::Parts {
        social: Arc::clone(&parts.social),
        shared: Arc::clone(&parts.shared),
        address_of,
        sealer: Arc::clone(&parts.sealer),
        base_url: parts.base_url.clone(),
        domain: parts.domain.clone(),
        title: parts.title.clone(),
        description: parts.description.clone(),
    }))
}

/// The allowance of apps that the host gives an address, or of tokens for them: so many for each.
fn apps(config: &Config, (each, rule): (u32, Rule), seed: u64) -> Allowance {
    let apps = u32::try_from(config.oauth.apps_per_address.count()).unwrap_or(u32::MAX);
    Allowance::new(Rule { limit: apps.saturating_mul(each), ..rule }, seed)
}

/// The allowance of sign-ups that the host gives an address.
fn sign_ups(config: &Config, seed: u64) -> Allowance {
    let limit = u32::try_from(config.signup.per_address.count()).unwrap_or(u32::MAX);
    Allowance::new(Rule { limit, ..rate::SIGN_UP }, seed)
}

/// Where a request comes from: its connection, or what a proxy of the host says of it.
fn address_of(config: &Config) -> api::AddressOf {
    let proxies = config.server.trusted_proxies.clone();
    let by = config.server.forwarded_header.by();
    Box::new(move |extensions, headers| {
        let info = extensions.get::<edge::ConnectionInfo>();
        let peer = info.map_or(Ipv4Addr::UNSPECIFIED.into(), |info| info.peer.ip());
        let is_proxy = |address| proxies.iter().any(|network| network.contains(&address));
        client_address(peer, headers, by, is_proxy)
    })
}

/// Makes the owner account on the first start. Its password is shown on a terminal; where there
/// is none it is left in the data folder, for the owner of the process only.
async fn ensure_owner(place: &Place, instance: &Instance) -> anyhow::Result<()> {
    if instance.social.store().owner().await?.is_some() {
        return Ok(());
    }
    let password = instance.social.secret();
    control::join(instance, "owner", "owner@localhost", &password, Role::Owner)
        .await
        .context("this instance has no owner: `fulmar account role NAME owner` makes one")?;
    if std::io::stderr().is_terminal() {
        eprintln!("made the account @owner (owner@localhost), password: {password}");
    } else {
        let path = place.data.join("owner-password");
        open::write_secret(&path, format!("{password}\n").as_bytes())?;
        eprintln!("made the account @owner (owner@localhost); password in {}", path.display());
    }
    Ok(())
}

/// Keeps the search index near what is posted. It rests a little longer than it works, so that
/// posting comes first while there is much to take in.
async fn index(social: Arc<Social>) {
    loop {
        let more = match social.index_search().await {
            Ok(more) => more,
            Err(error) => {
                tracing::warn!(%error, "the search index waits");
                false
            }
        };
        tokio::time::sleep(Duration::from_millis(if more { 25 } else { 500 })).await;
    }
}

/// Cleans abandoned uploads away, a bounded handful at a time, each hour and once at the start.
async fn sweep(social: Arc<Social>, darkroom: Darkroom) {
    let mut hours = tokio::time::interval(Duration::from_secs(3_600));
    loop {
        hours.tick().await;
        match social.sweep_media(&darkroom).await {
            Ok(0) => {}
            Ok(gone) => tracing::info!(gone, "abandoned uploads were cleaned away"),
            Err(error) => tracing::warn!(%error, "abandoned uploads stay for another hour"),
        }
    }
}

/// Hears the signals of the host: SIGTERM and SIGINT stop the server, SIGHUP has it read its
/// certificate again.
fn watch_signals(
    shutdown: CancellationToken,
    manager: Arc<Manager>,
    tls: Option<Arc<Tls>>,
) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hang_up.recv() => {}
            }
            manager.reloading();
            match &tls {
                Some(tls) => tls.read_again(),
                None => tracing::info!("there is no certificate to read again"),
            }
            manager.ready();
        }
        manager.stopping();
        tracing::info!("stopping: what was begun is finished first");
        shutdown.cancel();
    });
    Ok(())
}
