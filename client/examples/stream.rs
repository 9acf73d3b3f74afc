//! An answer as it comes, and whole at its end. `cargo run -p interlingua-client --example stream -- MODEL QUESTION`

use std::io::Write as _;

use interlingua_client::{Accumulator, ChatRequest, Client};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let model = arguments.next().unwrap_or_else(|| "claude-text".to_owned());
    let question = arguments.next().unwrap_or_else(|| "Count to ten, in words.".to_owned());

    let client = Client::discover().await?;
    let mut stream = client.chat_stream(&ChatRequest::new(model).user(question)).await?;
    let (mut out, mut whole) = (std::io::stdout(), Accumulator::default());
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        write!(out, "{}", chunk.text())?;
        out.flush()?;
        whole.push(chunk);
    }
    let tokens = whole.finish().usage.map_or(0, |usage| usage.completion_tokens);
    writeln!(out, "\n({tokens} tokens)")?;
    Ok(())
}
