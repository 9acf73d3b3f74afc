//! The key `server`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::units::{ByteSize, OneOrMany, SecretText, Threads, TimeSpan};

/// The gateway itself.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Addresses for clients, as `address:port`. An address that is not loopback needs `clients`. A change needs a
    /// restart.
    pub listen: OneOrMany<String>,
    /// Address of the admin API and of the metrics. Default: none. A change needs a restart.
    pub admin_listen: Option<String>,
    /// Keys of the admin API, as in `clients`. Needed if `admin_listen` is not loopback. Default: none.
    pub admin_keys: OneOrMany<SecretText>,
    /// Worker threads: auto (one per processor) or a number, at most 1024. A change needs a restart.
    pub threads: Threads,
    /// Largest request body. A larger one is answered with 413.
    pub body_bytes_max: ByteSize,
    /// Longest wait for the next bytes of a client.
    pub downstream_read_timeout: TimeSpan,
    /// Longest wait for a client to take bytes.
    pub downstream_write_timeout: TimeSpan,
    /// How long requests in flight may go on when the process shall end.
    pub drain_timeout: TimeSpan,
    /// Name in translated answers the model that the client asked for, not the provider's.
    pub echo_model: bool,
    /// Show reasoning to clients of openai_chat as `reasoning_content`, which is not OpenAI's own.
    pub reasoning_content: bool,
    /// Refuse with 400 what cannot be translated without loss.
    pub strict: bool,
    /// Name the losses of a translation in a response header.
    pub show_losses: bool,
}

impl Default for Server {
    fn default() -> Self {
        Server {
            listen: OneOrMany(vec!["127.0.0.1:8080".to_owned()]),
            admin_listen: None,
            admin_keys: OneOrMany::default(),
            threads: Threads::Auto,
            body_bytes_max: ByteSize(100 << 20),
            downstream_read_timeout: TimeSpan::secs(60),
            downstream_write_timeout: TimeSpan::secs(30),
            drain_timeout: TimeSpan::secs(30),
            echo_model: true,
            reasoning_content: true,
            strict: false,
            show_losses: false,
        }
    }
}
