//! The gateway itself.

use std::net::SocketAddr;

use super::Mean;
use crate::config::report::At;
use crate::config::units::Threads;
use crate::config::{Server, raw};

/// Most worker threads.
const THREADS_MAX: u64 = 1024;

/// Largest `body_bytes_max`: a body is held in memory.
const BODY_BYTES_MAX: u64 = 1 << 30;

impl Mean<'_> {
    pub(super) fn server(&mut self, at: &At<'_>, raw: &raw::Server, has_clients: bool) -> Server {
        let listen = self.listen(at, raw, has_clients);
        let admin_listen = self.admin_listen(at, raw, &listen);
        let admin_key_digests = self.keys(&at.key("admin_keys"), &raw.admin_keys);
        let threads = match raw.threads {
            Threads::Auto => std::thread::available_parallelism().map_or(1, usize::from),
            Threads::Count(count) => self.number(at, "threads", count, (1, THREADS_MAX)),
        };
        Server {
            listen,
            admin_listen,
            admin_key_digests,
            threads,
            body_bytes_max: self.number(at, "body_bytes_max", raw.body_bytes_max.0, (1, BODY_BYTES_MAX)),
            downstream_read_timeout: self.positive(at, "downstream_read_timeout", raw.downstream_read_timeout),
            downstream_write_timeout: self.positive(at, "downstream_write_timeout", raw.downstream_write_timeout),
            drain_timeout: raw.drain_timeout.0,
            echo_model: raw.echo_model,
            reasoning_content: raw.reasoning_content,
            strict: raw.strict,
            show_losses: raw.show_losses,
        }
    }

    fn listen(&mut self, at: &At<'_>, raw: &raw::Server, has_clients: bool) -> Vec<SocketAddr> {
        let at = at.key("listen");
        if raw.listen.0.is_empty() {
            let help = "write at least one, such as `127.0.0.1:8080`".to_owned();
            self.problems.error(&at, "there is no address to listen on", Some(help));
        }
        let mut listen = Vec::new();
        for (index, text) in raw.listen.0.iter().enumerate() {
            let at = at.index(index);
            let Some(address) = self.address(&at, text) else { continue };
            if listen.contains(&address) {
                self.problems.error(&at, format!("{address} is there twice"), None);
            }
            if !address.ip().to_canonical().is_loopback() && !has_clients {
                let message = format!(
                    "{address} can be reached from other machines, but there are no client keys: anybody could use your accounts"
                );
                let help = "add `clients` with a key each, or listen on `127.0.0.1`".to_owned();
                self.problems.error(&at, message, Some(help));
            }
            listen.push(address);
        }
        listen
    }

    fn admin_listen(&mut self, at: &At<'_>, raw: &raw::Server, listen: &[SocketAddr]) -> Option<SocketAddr> {
        let at = at.key("admin_listen");
        let address = self.address(&at, raw.admin_listen.as_deref()?)?;
        if listen.contains(&address) {
            let help = "use another port".to_owned();
            self.problems.error(&at, format!("{address} is an address for clients already"), Some(help));
        }
        if !address.ip().to_canonical().is_loopback() && raw.admin_keys.0.is_empty() {
            let message = format!("{address} can be reached from other machines, but there are no admin keys");
            let help = "add `admin_keys`, or use `127.0.0.1`".to_owned();
            self.problems.error(&at, message, Some(help));
        }
        Some(address)
    }

    fn address(&mut self, at: &At<'_>, text: &str) -> Option<SocketAddr> {
        let address = text.parse::<SocketAddr>().ok().filter(|address| address.port() != 0);
        if address.is_none() {
            let port = text.rsplit(':').next().filter(|port| port.parse::<u16>().is_ok_and(|port| port != 0));
            let help = format!("did you mean `127.0.0.1:{}`?", port.unwrap_or("8080"));
            let message = format!("`{}` is not `address:port` with an IP address", text.escape_debug());
            self.problems.error(at, message, Some(help));
        }
        address
    }
}
