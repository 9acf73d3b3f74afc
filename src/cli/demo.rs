//! `interlingua demo`: the gateway with the provider simulator behind it, in one process.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;

use super::{Failure, print, serve};
use crate::config::Base;
use crate::mock::{MockError, MockOptions, bind};

pub(super) fn run(listen: SocketAddr) -> Result<(), Failure> {
    let providers = simulate()?;
    let text = configuration(listen, providers);
    print(&greeting(listen))?;
    serve::start(Base::Text(PathBuf::from("the demo's configuration"), text))
}

/// Starts the simulator in a thread that ends with the process.
fn simulate() -> Result<SocketAddr, Failure> {
    let (tell, told) = mpsc::channel();
    thread::Builder::new().name("providers".to_owned()).spawn(move || {
        let ran = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::from);
        let ran = ran.and_then(|runtime| {
            runtime.block_on(async {
                let mock = bind(MockOptions::new((Ipv4Addr::LOCALHOST, 0).into())).await?;
                let _ = tell.send(mock.address());
                mock.serve(std::future::pending::<()>()).await;
                Ok::<(), MockError>(())
            })?;
            Ok(())
        });
        if let Err(error) = ran {
            tracing::error!(%error, "the provider simulator ended");
        }
    })?;
    told.recv().map_err(|_| "the provider simulator did not start; the log says why".into())
}

/// Two accounts at each of three providers, all simulated.
fn configuration(listen: SocketAddr, providers: SocketAddr) -> String {
    format!(
        "\
server:
  listen: ['{listen}']
  show_losses: true
state: {{enabled: false}}
upstreams:
  - {{id: openai, dialect: openai_responses, base_url: 'http://{providers}/v1'}}
  - {{id: openai-chat, dialect: openai_chat, base_url: 'http://{providers}/v1'}}
  - {{id: anthropic, dialect: anthropic, base_url: 'http://{providers}'}}
  - {{id: gemini, dialect: gemini, base_url: 'http://{providers}'}}
accounts:
  - {{id: openai-1, upstream: [openai, openai-chat], credential: demo-openai-1}}
  - {{id: openai-2, upstream: [openai, openai-chat], credential: demo-openai-2}}
  - {{id: anthropic-1, upstream: anthropic, credential: demo-anthropic-1}}
  - {{id: anthropic-2, upstream: anthropic, credential: demo-anthropic-2}}
  - {{id: gemini-1, upstream: gemini, credential: demo-gemini-1}}
  - {{id: gemini-2, upstream: gemini, credential: demo-gemini-2}}
models:
  - {{match: 'gpt-*', upstream: [openai, openai-chat], model: 'gpt-5-mini+{{1}}', list: [gpt-text, gpt-tool, gpt-think]}}
  - {{match: 'claude-*', upstream: anthropic, model: 'claude-sonnet-4-5+{{1}}', list: [claude-text, claude-tool, claude-think]}}
  - {{match: 'gemini-*', upstream: gemini, model: 'gemini-2.5-flash+{{1}}', list: [gemini-text, gemini-tool, gemini-think]}}
  - {{match: gpt-embed, upstream: openai-chat, model: text-embedding-3-small}}
  - {{match: gpt-image, upstream: openai-chat, model: gpt-image-1}}
  - {{match: gpt-voice, upstream: openai-chat, model: gpt-4o-mini-tts}}
  - {{match: gpt-ear, upstream: openai-chat, model: gpt-4o-transcribe}}
  - {{match: gemini-embed, upstream: gemini, model: gemini-embedding-001}}
  - {{match: gemini-image, upstream: gemini, model: gemini-2.5-flash-image}}
  - {{match: gemini-voice, upstream: gemini, model: gemini-2.5-flash-preview-tts}}
  - {{match: gemini-ear, upstream: gemini, model: gemini-2.5-flash}}
mcp:
  demo: {{url: 'http://{providers}/mcp', credential: demo-tools}}
"
    )
}

fn greeting(listen: SocketAddr) -> String {
    format!(
        r#"
Interlingua is ready on http://{listen}, with simulated providers behind it. No key is needed.
Each line asks in one protocol for a model that speaks another; try them in a second terminal:

curl -s http://{listen}/v1/chat/completions -d '{{"model":"claude-text","messages":[{{"role":"user","content":"Hello"}}]}}'
curl -s http://{listen}/v1/responses -d '{{"model":"gemini-text","input":"Hello"}}'
curl -sN http://{listen}/v1/messages -d '{{"model":"gpt-text","max_tokens":100,"stream":true,"messages":[{{"role":"user","content":"Hello"}}]}}'
curl -s http://{listen}/v1beta/models/claude-text:generateContent -d '{{"contents":[{{"parts":[{{"text":"Hello"}}]}}]}}'

And beside answers: numbers of tokens, vectors, pictures, a tool server:

curl -s http://{listen}/v1/messages/count_tokens -d '{{"model":"gemini-text","messages":[{{"role":"user","content":"Hello"}}]}}'
curl -s http://{listen}/v1/embeddings -d '{{"model":"gemini-embed","input":"Hello"}}'
curl -s http://{listen}/v1/images/generations -d '{{"model":"gemini-image","prompt":"A lake"}}'
curl -s http://{listen}/mcp/demo -H 'accept: application/json, text/event-stream' -H 'content-type: application/json' -d '{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{{"protocolVersion":"2025-06-18","capabilities":{{}},"clientInfo":{{"name":"curl","version":"1"}}}}}}'

And what the accounts do, in another terminal (interlingua accounts status --help):

interlingua accounts status

Models: {{gpt,claude,gemini}}-{{text,tool,think,parallel,json,…}}, {{gpt,gemini}}-{{embed,image,voice,ear}}. Stop with Ctrl-C.

"#
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use interlingua_filters::Dialect;

    use super::*;
    use crate::config::inspect_text;

    #[test]
    fn what_the_greeting_names_is_served() {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
        let text = configuration(address, SocketAddr::from((Ipv4Addr::LOCALHOST, 10)));
        let config = inspect_text(Path::new("demo"), &text, &|_| None).map_err(|report| report.to_string());
        let config = config.unwrap().config;
        for (kind, upstream) in [("gpt", "openai-chat"), ("gemini", "gemini")] {
            for what in ["embed", "image", "voice", "ear"] {
                let route = config.routes.resolve(&format!("{kind}-{what}"), Dialect::OpenAiChat).unwrap();
                assert_eq!(route.steps[0].upstreams[0].id, upstream);
                assert!(!route.steps[0].model.contains('+'), "{kind}-{what} is a model, no scenario");
            }
        }
        assert_eq!(config.mcp[0].name, "demo");
        assert!(greeting(address).contains("/mcp/demo") && greeting(address).contains("gemini-embed"));
    }
}
