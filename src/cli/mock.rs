//! `interlingua mock`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::Failure;
use crate::mock::{MockOptions, Script, bind};

#[derive(Debug, Args)]
#[command(after_help = "\
Endpoints: POST /v1/chat/completions, /v1/responses, /v1/messages, /v1beta/models/{model}:generateContent and
:streamGenerateContent; GET the model lists; GET /_mock/requests and /_mock/stats tell what was received.

Scenarios, by model name (`mock-tool`, `gpt-5+tool`), by `[[tool]]` in the text, or by header `x-mock-scenario`:
  echo text tool parallel think think-tool image refusal max_tokens stop_sequence json long:<n> usage empty
In the text, a call can be spelled out: `[[tool:Bash {\"command\":\"echo hi\"}]]`, also with think-tool.

Faults, by model name (`gpt-5+fault=429:2`), in `[[fault=…]]`, by header `x-mock-fault`, or in the script by key,
model, percentage or count: a status (400 401 403 404 413 429 500 503 529), delays, closed or reset connections, errors
inside a 200, streams without an end, and more; see src/mock/fault.rs.")]
pub(super) struct Arguments {
    /// Address to listen on; port 0 lets the system choose
    #[arg(long, default_value = "127.0.0.1:8081")]
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
