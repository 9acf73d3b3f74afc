//! A model that may look at a clock. `cargo run -p interlingua-client --example tools -- MODEL`

use std::io::Write as _;
use std::time::SystemTime;

use interlingua_client::{ChatRequest, Client, Tool, ToolCall};
use serde_json::json;

#[derive(serde::Deserialize)]
struct Arguments {
    unit: String,
}

/// What the model called. What is wrong is told to it, so that it can mend its call.
fn clock(call: &ToolCall) -> String {
    let arguments: Arguments = match call.arguments() {
        Ok(arguments) => arguments,
        Err(error) => return format!("error: {error}"),
    };
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    match arguments.unit.as_str() {
        "milliseconds" => json!({"milliseconds": since.as_millis()}).to_string(),
        _ => json!({"seconds": since.as_secs()}).to_string(),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let model = std::env::args().nth(1).unwrap_or_else(|| "gemini-tool".to_owned());

    let client = Client::discover().await?;
    let tool = Tool::function("clock").description("Time since the Unix epoch.").parameters(json!({
        "type": "object",
        "properties": {"unit": {"type": "string", "enum": ["seconds", "milliseconds"]}},
        "required": ["unit"],
    }));
    let mut request = ChatRequest::new(model).tool(tool).user("How late is it? Use the clock.");
    let answer = client.chat_with_tools(&mut request, 5, async |call| clock(call)).await?;

    writeln!(std::io::stdout(), "{}", answer.text())?;
    Ok(())
}
