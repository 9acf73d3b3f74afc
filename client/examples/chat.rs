//! One question, one answer. `cargo run -p interlingua-client --example chat -- MODEL QUESTION`

use std::io::Write as _;

use interlingua_client::{ChatRequest, Client};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let model = arguments.next().unwrap_or_else(|| "gpt-text".to_owned());
    let question = arguments.next().unwrap_or_else(|| "Say hello.".to_owned());

    let client = Client::discover().await?;
    let request = ChatRequest::new(model).system("Answer briefly.").user(question);
    let answer = client.chat(&request).await?;

    writeln!(std::io::stdout(), "{}", answer.text())?;
    Ok(())
}
