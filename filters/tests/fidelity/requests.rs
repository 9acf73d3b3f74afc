//! Requests: each field alone, from every client to every provider.

use interlingua_filters::Dialect;
use interlingua_filters::custody::Seals;
use interlingua_filters::dialects::{Endpoint, Target, decode_request};
use interlingua_filters::ir::Request;
use interlingua_filters::json::Str;
use interlingua_filters::json::skim::skim;
use interlingua_filters::lane::Lane;
use interlingua_filters::request::{PrepareError, Prepared, prepare};

use crate::reasons::IMPLIED;
use crate::request_fields::{Field, fields};
use crate::{Cell, Row, Silent, lossy, named};

/// A model of which no profile is known, so that only the dialects' own limits show.
const MODEL: &str = "model-1";

/// The least that each dialect takes.
fn least(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenAiChat => r#"{"model":"model-1","messages":[{"role":"user","content":"hi"}]}"#,
        Dialect::OpenAiResponses => r#"{"model":"model-1","input":[{"type":"message","role":"user","content":"hi"}]}"#,
        Dialect::Anthropic => r#"{"model":"model-1","max_tokens":900,"messages":[{"role":"user","content":"hi"}]}"#,
        Dialect::Gemini => r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#,
    }
}

fn endpoint() -> Endpoint<'static> {
    Endpoint { model: Some(Str::from(MODEL)), stream: Some(false) }
}

/// The least body with the field's members laid over it.
fn body(client: Dialect, words: &str) -> Vec<u8> {
    let mut whole: serde_json::Value = serde_json::from_str(least(client)).unwrap();
    let over: serde_json::Value =
        serde_json::from_str(words).unwrap_or_else(|error| panic!("{client:?} {error}: {words}"));
    for (key, value) in over.as_object().unwrap() {
        whole[key] = value.clone();
    }
    serde_json::to_vec(&whole).unwrap()
}

fn sent(client: Dialect, upstream: Dialect, body: &[u8]) -> Result<Prepared, PrepareError> {
    let skimmed = skim(client, body).unwrap();
    let whole: serde_json::Value = serde_json::from_slice(body).unwrap();
    let target = Target::new(MODEL, whole["stream"] == true);
    prepare(client, &endpoint(), body, &skimmed, upstream, &target, Seals::AsSent)
}

fn cell(field: &Field, client: Dialect, upstream: Dialect, silent: &mut Silent) -> Cell {
    let Some(words) = field.words[client as usize] else { return Cell::Unsaid };
    let body = body(client, words);
    let request = decode_request(client, &body, &endpoint()).unwrap_or_else(|error| panic!("{}: {error}", field.name));
    let Some(meant) = (field.meaning)(&request) else {
        let said = format!("{}: not read from {}", field.name, client.name());
        if !silent.contains(&said) {
            silent.push(said);
        }
        return Cell::Unsaid;
    };
    let prepared = match sent(client, upstream, &body) {
        Ok(prepared) => prepared,
        Err(PrepareError::Encode(error)) => return Cell::Refused(error.to_string()),
        Err(error) => panic!("{}: {error}", field.name),
    };
    if prepared.lane == Lane::Splice {
        assert_eq!(prepared.body, body, "{}", field.name);
        return Cell::Kept;
    }
    if !prepared.encoded.losses.is_empty() {
        return lossy(&prepared.encoded.losses);
    }
    let arrived = decode_request(upstream, &prepared.body, &endpoint())
        .unwrap_or_else(|error| panic!("{}: {error}: {}", field.name, String::from_utf8_lossy(&prepared.body)));
    let arrived = meaning(field, &arrived, &prepared);
    if arrived.as_ref() != Some(&meant) {
        if IMPLIED
            .iter()
            .any(|(name, targets, _)| *name == field.name && (targets.is_empty() || targets.contains(&upstream)))
        {
            return Cell::Implied;
        }
        silent.push(format!(
            "{}: {} to {} without a word: {meant:?} became {arrived:?}: {}",
            field.name,
            client.name(),
            upstream.name(),
            String::from_utf8_lossy(&prepared.body),
        ));
    }
    Cell::Mapped
}

/// What arrived, with the names that the answer gets back.
fn meaning(field: &Field, arrived: &Request<'_>, prepared: &Prepared) -> Option<String> {
    let mut meant = (field.meaning)(arrived)?;
    for (sent, known) in &prepared.encoded.notes.tool_names {
        meant = meant.replace(sent.as_str(), known);
    }
    Some(meant)
}

/// All rows, and what was lost in silence.
pub(crate) fn rows() -> (Vec<Row>, Silent) {
    let (mut rows, mut silent) = (Vec::new(), Silent::new());
    for from in Dialect::ALL {
        for field in fields().filter(|field| field.words[from as usize].is_some()) {
            let to = Dialect::ALL.map(|upstream| cell(field, from, upstream, &mut silent));
            rows.push(Row { field: field.name, from, to });
        }
    }
    (rows, silent)
}

#[test]
fn the_least_request_loses_nothing() {
    for client in Dialect::ALL {
        for upstream in Dialect::ALL {
            let prepared = sent(client, upstream, least(client).as_bytes()).unwrap();
            assert_eq!(named(&prepared.encoded.losses), "", "{client:?} to {upstream:?}");
        }
    }
}

/// `auto` is what silence means: SDKs write it, and nobody misses it.
#[test]
fn a_detail_that_says_nothing_is_no_loss() {
    let said = [
        (
            Dialect::OpenAiChat,
            r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"detail":"auto","url":"data:image/png;base64,iVBORw0KGgo="}}]}]}"#,
        ),
        (
            Dialect::OpenAiResponses,
            r#"{"input":[{"role":"user","content":[{"type":"input_image","detail":"auto","image_url":"data:image/png;base64,iVBORw0KGgo="}]}]}"#,
        ),
    ];
    for (client, words) in said {
        for upstream in Dialect::ALL {
            let prepared = sent(client, upstream, &body(client, words)).unwrap();
            assert_eq!(named(&prepared.encoded.losses), "", "{client:?} to {upstream:?}");
        }
    }
}

/// Paths are in the client's words, whoever the provider is.
#[test]
fn losses_name_the_list_of_the_client() {
    let lists = ["messages[]", "input[]", "messages[]", "contents[]"];
    for client in Dialect::ALL {
        for field in fields() {
            let Some(words) = field.words[client as usize] else { continue };
            for upstream in Dialect::ALL {
                let Ok(prepared) = sent(client, upstream, &body(client, words)) else { continue };
                for loss in prepared.encoded.losses.iter() {
                    let strange =
                        lists.iter().find(|list| **list != lists[client as usize] && loss.field.starts_with(**list));
                    assert_eq!(strange, None, "{}: {client:?} to {upstream:?}: {}", field.name, loss.field);
                }
            }
        }
    }
}
