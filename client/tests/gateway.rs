//! The client against the real gateway, with the provider simulator behind it.
#![cfg(test)]

#[path = "gateway/rig.rs"]
mod rig;

use std::time::{Duration, Instant};

use interlingua_client::chat::FinishReason;
use interlingua_client::{Accumulator, ChatRequest, Client, Error, Retry, Role, Tool, ToolChoice};
use rig::Rig;
use serde_json::{Value, json};

fn hello() -> ChatRequest {
    ChatRequest::new("m").user("hello")
}

#[tokio::test]
async fn a_question_is_answered_whole_and_as_a_stream() {
    let rig = Rig::start("").await;
    let client = rig.client().await;
    let answer = client.chat(&hello().max_completion_tokens(200)).await.unwrap();
    assert_eq!((answer.text().as_str(), answer.finish_reason()), ("You said: hello", Some(&FinishReason::Stop)));
    assert!(answer.request_id.is_some() && answer.usage.is_some_and(|usage| usage.total_tokens > 0));
    let mut stream = client.chat_stream(&hello()).await.unwrap();
    assert!(stream.request_id().is_some());
    let (mut pieces, mut whole) = (0, Accumulator::default());
    while let Some(chunk) = stream.next().await {
        whole.push(chunk.unwrap());
        pieces += 1;
    }
    let streamed = whole.finish();
    assert!(pieces > 2, "{pieces}");
    assert_eq!(streamed.text(), "You said: hello");
    assert!(streamed.usage.is_some(), "usage is asked for");
    assert_eq!(client.models().await.unwrap(), ["m"]);
}

#[tokio::test]
async fn a_limit_is_waited_for_as_long_as_it_says() {
    let rig = Rig::start("rules: [{match: {key: key-a, nth: 1}, faults: ['429:2']}]").await;
    let begun = Instant::now();
    assert_eq!(rig.client().await.chat(&hello()).await.unwrap().text(), "You said: hello");
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(1500) && took < Duration::from_secs(15), "{took:?}");
    assert_eq!(rig.asked().await, 2, "it is asked once more, and not before");
}

#[tokio::test]
async fn a_limit_beyond_the_patience_is_told_at_once_with_all_that_is_known() {
    let rig = Rig::start("rules: [{match: {key: key-a}, faults: ['429:300']}]").await;
    let begun = Instant::now();
    let error = rig.client().await.chat_stream(&hello()).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(error.status(), Some(429));
    let wait = error.retry_after().unwrap();
    assert!(wait > Duration::from_secs(250) && wait <= Duration::from_secs(400), "{wait:?}");
    assert!(error.request_id().is_some() && !error.refusal().unwrap().message.is_empty());
    assert_eq!(rig.asked().await, 1);
}

#[tokio::test]
async fn the_caller_s_own_faults_are_told_and_not_asked_again() {
    let rig = Rig::start("").await;
    let client = rig.client().await;
    let error = client.chat(&ChatRequest::new("nobody-has-it").user("hello")).await.unwrap_err();
    assert_eq!((error.status(), error.code()), (Some(404), Some("model_not_found")));
    assert_eq!(error.refusal().unwrap().param.as_deref(), Some("model"));
    let stranger = rig.builder().key("another-key-of-somebody").build().await.unwrap();
    assert_eq!(stranger.chat(&hello()).await.unwrap_err().status(), Some(401));
    assert_eq!(rig.asked().await, 0);
}

#[tokio::test]
async fn trouble_is_asked_again_a_bounded_number_of_times() {
    let rig = Rig::start("rules: [{match: {key: key-a}, faults: ['500']}]").await;
    let retry = Retry { attempts_max: 3, first: Duration::from_millis(20), ..Retry::default() };
    let error = rig.builder().retry(retry).build().await.unwrap().chat(&hello()).await.unwrap_err();
    assert!(error.status().is_some_and(|status| status >= 500), "{error}");
    let many = rig.asked().await;
    let error = rig.builder().retry(Retry::NEVER).build().await.unwrap().chat(&hello()).await.unwrap_err();
    assert!(error.status().is_some());
    let once = rig.asked().await - many;
    assert_eq!(many, 3 * once, "the gateway's own attempts, for each of the client's");
}

#[tokio::test]
async fn a_stream_that_breaks_gives_what_came_and_one_typed_error() {
    for fault in ["close-at:2", "error-after:2"] {
        let rig = Rig::start(&format!("rules: [{{match: {{key: key-a}}, faults: ['{fault}']}}]")).await;
        let request = ChatRequest::new("m").user("a text of more than a few words, so that it comes in pieces");
        let mut stream = rig.client().await.chat_stream(&request).await.unwrap();
        let (mut text, mut errors) = (String::new(), Vec::new());
        while let Some(item) = stream.next().await {
            match item {
                Ok(chunk) => text.push_str(chunk.text()),
                Err(error) => errors.push(error),
            }
        }
        assert!(text.starts_with("You said"), "{fault}: {text}");
        assert_eq!(errors.len(), 1, "{fault}: {errors:?}");
        assert!(matches!(errors[0], Error::Refused(_)) && errors[0].status().is_none(), "{fault}: {errors:?}");
        assert!(errors[0].request_id().is_some());
        assert!(rig.client().await.chat_stream(&request).await.unwrap().whole().await.is_err());
    }
}

#[tokio::test]
async fn a_tool_is_called_and_its_result_told_in_two_turns() {
    let rig = Rig::start("").await;
    let client = rig.client().await;
    let weather = Tool::function("weather").description("The weather of a city.").parameters(json!({
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
    }));
    let mut request =
        ChatRequest::new("m").tool(weather.clone()).user(r#"What is it like? [[tool:weather {"city":"Bern"}]]"#);
    let mut called = Vec::new();
    let answer = client
        .chat_with_tools(&mut request, 4, async |call| {
            let arguments: Value = call.arguments().unwrap();
            called.push((call.name().to_owned(), arguments));
            "rain-4711".to_owned()
        })
        .await
        .unwrap();
    assert_eq!(called, [("weather".to_owned(), json!({"city": "Bern"}))]);
    assert!(answer.text().contains("rain-4711"), "{}", answer.text());
    let roles: Vec<&Role> = request.messages.iter().map(|message| &message.role).collect();
    assert_eq!(roles, [&Role::User, &Role::Assistant, &Role::Tool, &Role::Assistant]);
    assert_eq!(rig.asked().await, 2);

    let request = ChatRequest::new("m").tool(weather).user("Call it.").tool_choice(ToolChoice::Required);
    let streamed = client.chat_stream(&request).await.unwrap().whole().await.unwrap();
    assert_eq!(streamed.tool_calls().len(), 1, "{streamed:?}");
    assert!(streamed.tool_calls()[0].arguments::<Value>().unwrap()["city"].is_string());
    assert_eq!(streamed.finish_reason(), Some(&FinishReason::ToolCalls));
    let error = client.chat_with_tools(&mut request.clone(), 1, async |_| String::new()).await.unwrap_err();
    assert!(matches!(error, Error::TooManyTurns(1)));
}

#[tokio::test]
async fn silence_is_bounded_and_who_lets_go_gives_the_provider_up() {
    let rig = Rig::start("rules: [{match: {key: key-a}, faults: ['hang-after:1']}]").await;
    let client = rig.builder().idle_timeout(Duration::from_millis(700)).build().await.unwrap();
    let request = ChatRequest::new("m").user("a text of more than a few words, so that it comes in pieces");
    let mut stream = client.chat_stream(&request).await.unwrap();
    let error = loop {
        match stream.next().await.unwrap() {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Timeout(_)), "{error:?}");
    let held = client.chat_stream(&request).await.unwrap();
    let admin = client.admin().await.unwrap();
    drop((held, stream));
    let until = Instant::now() + Duration::from_secs(10);
    while admin.health().await.unwrap().in_flight > 0 {
        assert!(Instant::now() < until, "the gateway still works for nobody");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let rig = Rig::start("rules: [{match: {key: key-a}, faults: ['hang']}]").await;
    let client = rig.builder().answer_timeout(Duration::from_millis(300)).build().await.unwrap();
    assert!(matches!(client.chat(&hello()).await.unwrap_err(), Error::Timeout(_)));
}

#[tokio::test]
async fn a_gateway_that_is_not_there_is_told_and_so_is_a_wrong_file() {
    let nowhere = Client::builder().environment(false).folder(None).retry(Retry::NEVER);
    let error = nowhere.clone().well_known_ports(false).build().await.unwrap_err();
    assert!(matches!(error, Error::NotFound(_)), "{error}");
    let url = format!("http://127.0.0.1:{}", rig::free_port());
    let error = nowhere.clone().url(url).build().await.unwrap().chat(&hello()).await.unwrap_err();
    assert!(matches!(error, Error::Connection { .. }) && error.to_string().contains("refused"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("interlingua.yaml"), "server: [").unwrap();
    let error = nowhere.folder(Some(folder.path().to_owned())).build().await.unwrap_err();
    assert!(matches!(error, Error::Settings(_)), "{error}");
}

#[tokio::test]
async fn the_file_of_the_folder_names_both_sides_and_what_is_said_wins() {
    let rig = Rig::start("").await;
    let found = Client::builder().environment(false).well_known_ports(false).folder(Some(rig.folder()));
    let client = found.clone().key(rig::KEY).admin_key(rig::ADMIN_KEY).build().await.unwrap();
    assert_eq!(client.chat(&hello()).await.unwrap().text(), "You said: hello");
    assert_eq!(client.admin().await.unwrap().health().await.unwrap().status, "ok");
    let elsewhere = found.url("http://127.0.0.1:1/v1").build().await.unwrap();
    assert_eq!(elsewhere.url(), "http://127.0.0.1:1/");
    assert!(matches!(elsewhere.admin().await, Err(Error::NotFound(_))), "another gateway's operator is not asked");
}

#[tokio::test]
async fn the_gateway_is_operated() {
    let rig = Rig::start("").await;
    let client = rig.client().await;
    let admin = client.admin().await.unwrap();
    let accounts = admin.accounts().await.unwrap();
    assert_eq!(accounts.len(), 1);
    assert_eq!((accounts[0].account.as_str(), &accounts[0].upstreams[..]), ("a", &["up".to_owned()][..]));
    assert!(accounts[0].extra.contains_key("circuit"), "what has no field is there");
    assert!(admin.map_model("fast/*", "m").await.unwrap().served);
    assert_eq!(client.chat(&ChatRequest::new("fast/1").user("hello")).await.unwrap().text(), "You said: hello");
    assert_eq!(admin.models().await.unwrap().mappings[0].target, "m");
    admin.unmap_model("fast/*").await.unwrap();
    assert_eq!(admin.unmap_model("fast/*").await.unwrap_err().status(), Some(404));
    assert!(admin.pause(Some("tea")).await.unwrap().paused.is_some());
    let paused = rig.builder().retry(Retry::NEVER).build().await.unwrap().chat(&hello()).await.unwrap_err();
    assert!(paused.status() == Some(503) && paused.to_string().contains("tea"), "{paused}");
    assert!(admin.health().await.unwrap().paused);
    assert!(admin.resume().await.unwrap().paused.is_none());
    let before = admin.reload().await.unwrap().generation;
    assert!(admin.reload().await.unwrap().generation > before);
    assert!(admin.cooldowns().await.unwrap().is_empty());
    assert!(admin.clear_cooldowns(None, None).await.unwrap().is_empty());
    admin.reset_breaker("a").await.unwrap();
    let error = admin.reset_breaker("nobody").await.unwrap_err();
    assert!(error.status() == Some(404) && error.to_string().contains("there is no account"), "{error}");
    let quota: Value = admin.get("/api/quota").await.unwrap();
    assert!(quota["accounts"].is_array());
}

#[tokio::test]
async fn every_example_runs() {
    let rig = Rig::start("").await;
    for (example, arguments, wanted) in [
        ("chat", &["m", "hello"][..], "You said: hello"),
        ("stream", &["m", "hello"], "You said: hello"),
        ("tools", &["mock-tool"], "The tool returned"),
        ("admin", &[], "a  Ready"),
    ] {
        let said = rig.example(example, arguments).await;
        assert!(said.contains(wanted), "{example}: {said}");
    }
}
