//! `interlingua mock`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::Failure;
use crate::mock::{MockOptions, Script, bind};

#[derive(Debug, Args)]
#[command(after_help = "\
Endpoints
  POST /v1/chat/completions, /v1/responses, /v1/messages,
       /v1beta/models/{model}:generateContent, :streamGenerateContent
  GET  the model lists; /_mock/requests and /_mock/stats tell what was received

Scenarios, by model name (`mock-tool`, `gpt-5+tool`), in the text (`[[tool]]`),
or by header `x-mock-scenario`
  echo text tool text-tool parallel think think-tool redacted image refusal
  max_tokens stop_sequence json long:<n> usage empty blocked
  [[tool:NAME {\"argument\": 1}]] spells a call out

Faults, by model name (`gpt-5+fault=429:2,split`), in the text (`[[fault=…]]`),
by header `x-mock-fault`, or in the script. Times are milliseconds, the wait of a 429 seconds;
<n> counts content events from 0
  400 401 402 403 404 413 500 502 503 504 529     that status, with the provider's own body
  429[:<s>] 429-quota[:<s>] 429-bare              limited; quota used up; limited without a hint
  context policy                                  the prompt is too long; is against a policy
  delay-head:<ms> delay-first:<ms> delay-chunk:<ms>
  hang hang-after:<n>                             no answer at all; silence after n events
  close reset close-after:<bytes> reset-after:<bytes> close-mid-event[:<n>] close-at:<n> reset-at:<n> end-at:<n>
  error-first[:<status>] error-after:<n>[:<status>]  an error inside HTTP 200
  empty no-terminal no-finish malformed[:<n>]     broken streams
  split crlf cr comments content-type:<type> html:<status>

Script
  keys:  { \"key-small\": { rpm: 3, tpm: 10000 } }
  rules: [ { match: { key: \"key-bad*\", model: \"claude-*\", percent: 10, nth: [1, 2] },
             faults: [\"429:2\"] } ]")]
pub(super) struct Arguments {
    /// Address to listen on; port 0 lets the system choose
    #[arg(long, default_value = "127.0.0.1:9100")]
    listen: SocketAddr,
    /// Keys, limits and faults, as YAML
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// Ids, seals and percentages derive from it
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(super) fn run(arguments: Arguments) -> Result<(), Failure> {
    let script = arguments.script.map(|file| Script::load(&file)).transpose()?;
    let options = MockOptions { script, seed: arguments.seed, ..MockOptions::new(arguments.listen) };
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let mock = bind(options).await?;
        tracing::info!(address = %mock.address(), "simulating providers");
        mock.serve(async {
            // Without signals it runs until it is killed.
            let _ = tokio::signal::ctrl_c().await;
        })
        .await;
        Ok(())
    })
}
