//! The nginx that refusals are held against: one worker on the server's core, refusing nearly all
//! that comes, and writing no log of it. Leaves what is measured to `refuse`.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use super::work::Process;
use crate::{ground, pin};

/// Its part that refuses a connection before TLS, where Debian puts it.
pub const STREAMS: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

/// A running nginx.
pub struct Nginx {
    child: Child,
    /// Where a client is held to a request a second.
    pub plain: u16,
    /// The same, by TLS.
    pub tls: u16,
    /// Where nobody may come, by TLS.
    pub denies: u16,
}

impl Nginx {
    /// Starts it with the certificate of this folder.
    ///
    /// # Errors
    /// When it does not listen.
    pub fn start(folder: &Path) -> Result<Self> {
        let (plain, tls, denies) = (free_port()?, free_port()?, free_port()?);
        let path = folder.join("nginx.conf");
        std::fs::write(&path, configuration(folder, (plain, tls, denies)))?;
        let mut command = Command::new("nginx");
        command.arg("-p").arg(folder).arg("-c").arg(&path);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if pin::possible() {
            pin::child(&mut command, pin::SERVER_CORE);
        }
        let child = command.spawn().context("start nginx")?;
        let mut nginx = Self { child, plain, tls, denies };
        ground::poll("nginx listens", Duration::from_secs(10), || {
            // Its own configuration is bad, or its ports were taken meanwhile.
            if nginx.child.try_wait().ok().flatten().is_some() {
                return Some(false);
            }
            (listens(tls) && listens(denies)).then_some(true)
        })?
        .then_some(())
        .context("nginx ended at once; `nginx -t` says why")?;
        Ok(nginx)
    }

    /// It, with its worker.
    pub fn process(&self) -> Process {
        Process(self.child.id())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its first process ends its worker; killed, it would leave it.
        let pid = self.child.id().to_string();
        let _told = Command::new("kill").args(["-TERM", &pid]).status();
        let _ended = self.child.wait();
    }
}

fn configuration(folder: &Path, (plain, tls, denies): (u16, u16, u16)) -> String {
    let folder = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("    {kind}_temp_path {folder}/nginx-{kind};\n"))
        .collect();
    let certificate =
        format!("ssl_certificate {folder}/chain.pem; ssl_certificate_key {folder}/key.pem;");
    format!(
        "load_module {STREAMS};\n\
         daemon off; worker_processes 1; user root; pid {folder}/nginx.pid;\n\
         error_log /dev/null crit; events {{ worker_connections 4096; }}\n\
         http {{\n{temporary}\
         access_log off; keepalive_requests 1000000000;\n\
         limit_req_zone $binary_remote_addr zone=all:10m rate=1r/s;\n\
         limit_req_status 429;\n\
         server {{\n\
         listen 127.0.0.1:{plain}; listen 127.0.0.1:{tls} ssl;\n{certificate}\n\
         location / {{ limit_req zone=all; empty_gif; }}\n}}\n}}\n\
         stream {{ server {{\n\
         listen 127.0.0.1:{denies} ssl; {certificate} deny all; return '';\n}} }}\n"
    )
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn listens(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_err()
}
