//! The loop of a model that calls tools.

use crate::chat::{ChatRequest, ChatResponse, Message, ToolCall};
use crate::{Client, Error};

impl Client {
    /// Asks, lets `call` do what the model calls, tells it the results, and asks again, until it calls nothing more.
    /// `request` is the whole conversation then. Calls of one turn are done one after the other, in their order.
    ///
    /// What `call` gives is told to the model, also what went wrong: `format!("error: …")` lets it mend its call.
    ///
    /// ```no_run
    /// # use interlingua_client::{ChatRequest, Client, Tool};
    /// # async fn run(client: Client) -> Result<(), interlingua_client::Error> {
    /// let mut request = ChatRequest::new("gpt-tool").tool(Tool::function("clock")).user("What time is it?");
    /// let answer = client.chat_with_tools(&mut request, 5, async |call| format!("{} says 12:00", call.name())).await?;
    /// # let _ = answer;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`Client::chat`], and [`Error::TooManyTurns`] after `turns_max` answers.
    pub async fn chat_with_tools(
        &self,
        request: &mut ChatRequest,
        turns_max: u32,
        mut call: impl AsyncFnMut(&ToolCall) -> String,
    ) -> Result<ChatResponse, Error> {
        for _ in 0..turns_max {
            let answer = self.chat(request).await?;
            let Some(message) = answer.message().cloned() else { return Ok(answer) };
            let calls = message.tool_calls.clone();
            request.messages.push(message);
            if calls.is_empty() {
                return Ok(answer);
            }
            for one in &calls {
                let result = call(one).await;
                request.messages.push(Message::tool(&one.id, result));
            }
        }
        Err(Error::TooManyTurns(turns_max))
    }
}
