//! The configurations of the tests: one provider simulator as four upstreams, and some accounts on all of them.

use std::fmt::Write as _;

/// A configuration under construction. Strings are the insides of YAML flow mappings.
#[derive(Clone, Default)]
pub(crate) struct Stage {
    provider: u16,
    accounts: Vec<String>,
    server: Vec<String>,
    upstream: String,
    upstreams: Vec<String>,
    resilience: Vec<String>,
    /// Rules that stand before the usual ones, one a line.
    models: String,
    /// Whole sections, as they stand.
    more: String,
    /// The file that keeps what is learned; without one nothing is kept.
    state: Option<String>,
    /// The credential in the place of `key-<name>`, if it is to be another.
    credential: Option<String>,
}

impl Stage {
    /// On the simulator at `provider`.
    pub(crate) fn new(provider: u16) -> Self {
        Stage { provider, ..Stage::default() }
    }

    /// On the simulator at `provider`, with accounts of these names and the credentials `key-<name>`.
    pub(crate) fn with(provider: u16, accounts: &[&str]) -> Self {
        accounts.iter().fold(Stage::new(provider), |stage, name| stage.account(name, ""))
    }

    /// Adds an account on all four upstreams.
    pub(crate) fn account(mut self, name: &str, more: &str) -> Self {
        let comma = if more.is_empty() { "" } else { ", " };
        self.accounts.push(format!(
            "id: {name}, upstream: [chat, responses, anthropic, gemini], credential: key-{name}{comma}{more}"
        ));
        self
    }

    /// Adds an upstream of its own at `port`, with one account of the same name.
    pub(crate) fn elsewhere(mut self, name: &str, dialect: &str, port: u16, more: &str) -> Self {
        let path = if dialect.starts_with("openai") { "/v1" } else { "" };
        let url = format!("http://127.0.0.1:{port}{path}");
        self.upstreams.push(format!("id: {name}, dialect: {dialect}, base_url: '{url}'"));
        self.accounts.push(format!("id: {name}, upstream: {name}, credential: key-{name}{more}"));
        self
    }

    /// Adds an upstream and an account as they are written.
    pub(crate) fn entry(mut self, upstream: &str, account: &str) -> Self {
        self.upstreams.extend((!upstream.is_empty()).then(|| upstream.to_owned()));
        self.accounts.extend((!account.is_empty()).then(|| account.to_owned()));
        self
    }

    pub(crate) fn server(mut self, more: &str) -> Self {
        self.server.push(more.to_owned());
        self
    }

    /// Settings of every upstream.
    pub(crate) fn upstream(mut self, more: &str) -> Self {
        self.upstream = format!(", {more}");
        self
    }

    pub(crate) fn resilience(mut self, more: &str) -> Self {
        self.resilience.push(more.to_owned());
        self
    }

    pub(crate) fn model(mut self, rule: &str) -> Self {
        let _ = writeln!(self.models, "  - {{ {rule} }}");
        self
    }

    pub(crate) fn more(mut self, section: &str) -> Self {
        self.more.push_str(section);
        self.more.push('\n');
        self
    }

    /// Keeps what is learned in `file`.
    pub(crate) fn state(mut self, file: &str) -> Self {
        self.state = Some(file.to_owned());
        self
    }

    /// Gives the one account another credential.
    pub(crate) fn credential(mut self, credential: &str) -> Self {
        self.credential = Some(credential.to_owned());
        self
    }

    /// The file for a gateway on these ports.
    pub(crate) fn yaml(&self, port: u16, admin: u16) -> String {
        let server = [vec![String::new()], self.server.clone()].concat().join(", ");
        let mut text = format!(
            "server: {{ listen: '127.0.0.1:{port}', admin_listen: '127.0.0.1:{admin}', threads: 2{server} }}\n"
        );
        let state = self.state.as_ref().map_or("enabled: false".to_owned(), |file| format!("file: '{file}'"));
        let _ = writeln!(text, "state: {{ {state} }}");
        text.push_str("upstreams:\n");
        let root = format!("http://127.0.0.1:{}", self.provider);
        for (id, dialect, path) in [
            ("chat", "openai_chat", "/v1"),
            ("responses", "openai_responses", "/v1"),
            ("anthropic", "anthropic", ""),
            ("gemini", "gemini", ""),
        ] {
            let _ = writeln!(text, "  - {{ id: {id}, dialect: {dialect}, base_url: '{root}{path}'{} }}", self.upstream);
        }
        for upstream in &self.upstreams {
            let _ = writeln!(text, "  - {{ {upstream}{} }}", self.upstream);
        }
        text.push_str("accounts:\n");
        for account in &self.accounts {
            let account = match &self.credential {
                Some(credential) => account.replace("key-own", credential),
                None => account.clone(),
            };
            let _ = writeln!(text, "  - {{ {account} }}");
        }
        let _ = writeln!(text, "models:\n{}", self.models);
        for id in ["chat", "responses", "anthropic", "gemini"] {
            let _ = writeln!(text, "  - {{ match: '{id}/*', upstream: {id}, model: '{{1}}' }}");
        }
        text.push_str("  - { match: '*', upstream: [chat, responses, anthropic, gemini] }\n");
        let _ = writeln!(text, "resilience: {{ {} }}\n{}", self.resilience.join(", "), self.more);
        text
    }
}
