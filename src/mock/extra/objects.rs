//! Stored objects: files, batches, cached contents, responses. Each belongs to the key that made it.

use super::forms::Form;
use super::{Answer, Request};
use crate::mock::clock::epoch_seconds;
use crate::mock::dialect::Dialect;
use crate::mock::refusal::Refusal;
use serde_json::{Value, json};
use std::collections::VecDeque;

/// Objects, over all keys; the oldest make room.
const OBJECTS_MAX: usize = 1_024;
/// Uploads under way.
const UPLOADS_MAX: usize = 256;

/// All objects.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    objects: VecDeque<Object>,
    /// Uploads that began: id, key, display name.
    uploads: VecDeque<(String, String, String)>,
}

#[derive(Debug)]
struct Object {
    key: String,
    collection: String,
    id: String,
    value: Value,
    content: Vec<u8>,
}

type Outcome = Result<Answer, Refusal>;

impl Objects {
    pub(super) fn answer(&mut self, request: &Request<'_>, parts: &[String], json: &Value) -> Outcome {
        let depth = if parts.first().is_some_and(|first| first == "messages") { 2 } else { 1 };
        let collection = parts.iter().take(depth).cloned().collect::<Vec<_>>().join("/");
        let rest: Vec<&str> = parts.iter().skip(depth).map(String::as_str).collect();
        match (request.method, rest.as_slice()) {
            ("POST", []) => self.create(request, &collection, json),
            ("GET", []) => Ok(self.list(request, &collection)),
            ("GET", [id]) => Ok(Answer::json(&self.find(request, &collection, id)?.value)),
            ("GET", [id, "content" | "results"]) => {
                let content = self.find(request, &collection, id)?.content.clone();
                Ok(Answer::of("application/octet-stream", content))
            }
            ("GET", [id, "input_items"]) => {
                self.find(request, &collection, id)?;
                Ok(Answer::json(&json!({"object": "list", "data": [], "has_more": false})))
            }
            ("POST", [id, "cancel"]) => {
                self.find(request, &collection, id)?;
                let object = self.objects.iter_mut().find(|object| object.id == *id);
                let value = object.map_or(Value::Null, |object| {
                    object.value["status"] = json!("cancelled");
                    object.value.clone()
                });
                Ok(Answer::json(&value))
            }
            ("DELETE", [id]) => {
                self.find(request, &collection, id)?;
                self.objects.retain(|object| object.id != *id);
                Ok(Answer::json(&match request.dialect {
                    Dialect::Gemini => json!({}),
                    Dialect::Anthropic => json!({"id": id, "type": "file_deleted"}),
                    _ => json!({"id": id, "object": "file", "deleted": true}),
                }))
            }
            _ => Err(Refusal::new(404, format!("Invalid URL ({} /{})", request.method, parts.join("/")))),
        }
    }

    /// An object of this key; another key's does not exist.
    fn find(&self, request: &Request<'_>, collection: &str, id: &str) -> Result<&Object, Refusal> {
        let mine = |object: &&Object| object.id == id && object.collection == collection && object.key == request.key;
        self.objects.iter().find(mine).ok_or_else(|| match request.dialect {
            Dialect::Gemini => {
                let message = format!("You do not have permission to access the File {id} or it may not exist.");
                Refusal::new(403, message)
            }
            Dialect::Anthropic => Refusal::new(404, format!("File not found: {id}")),
            Dialect::Responses => Refusal::new(404, format!("Response with id '{id}' not found.")),
            Dialect::Chat => Refusal::new(404, format!("No such File object: {id}")).param("id"),
        })
    }

    fn list(&self, request: &Request<'_>, collection: &str) -> Answer {
        let mine = self.objects.iter().filter(|object| object.key == request.key && object.collection == collection);
        let all: Vec<&Value> = mine.map(|object| &object.value).collect();
        Answer::json(&match request.dialect {
            Dialect::Gemini => json!({ collection: all }),
            _ => json!({"object": "list", "data": all, "has_more": false, "first_id": null, "last_id": null}),
        })
    }

    fn create(&mut self, request: &Request<'_>, collection: &str, json: &Value) -> Outcome {
        let number = request.number;
        let id = |prefix: &str| format!("{prefix}{}", request.seal.letters("object", number, 0, 22)) + "7";
        let now = epoch_seconds();
        if collection == "files" && request.dialect != Dialect::Gemini {
            let form = Form::read(request.headers, request.body)?;
            let file = form.file("file").ok_or_else(|| Refusal::invalid("'file' is a required property"))?;
            let (name, content) = (file.filename.clone().unwrap_or_default(), file.body.clone());
            let value = if request.dialect == Dialect::Anthropic {
                json!({
                    "id": id("file_"), "type": "file", "filename": name, "mime_type": "text/plain",
                    "size_bytes": content.len(), "created_at": "2026-01-01T00:00:00Z", "downloadable": false,
                })
            } else {
                let purpose =
                    form.text("purpose").ok_or_else(|| Refusal::invalid("'purpose' is a required property"))?;
                json!({
                    "id": id("file-"), "object": "file", "bytes": content.len(), "created_at": now, "filename": name,
                    "purpose": purpose, "status": "processed",
                })
            };
            return Ok(self.store(request, collection, value, content));
        }
        match (collection, request.dialect) {
            ("batches", Dialect::Chat) => {
                let file = json["input_file_id"].as_str().unwrap_or_default();
                self.find(request, "files", file)?;
                let value = json!({
                    "id": id("batch_"), "object": "batch", "endpoint": json["endpoint"], "input_file_id": file,
                    "completion_window": json["completion_window"], "status": "validating", "created_at": now,
                });
                Ok(self.store(request, collection, value, Vec::new()))
            }
            ("messages/batches", Dialect::Anthropic) => {
                if !json["requests"].is_array() {
                    return Err(Refusal::invalid("requests: Field required"));
                }
                let value = json!({
                    "id": id("msgbatch_"), "type": "message_batch", "processing_status": "in_progress",
                    "request_counts": {"processing": 1, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0},
                    "created_at": "2026-01-01T00:00:00Z", "expires_at": "2026-01-02T00:00:00Z", "results_url": null,
                });
                Ok(self.store(request, collection, value, Vec::new()))
            }
            ("cachedContents", Dialect::Gemini) => {
                let name = format!("cachedContents/{}", id(""));
                let value = json!({"name": name, "model": json["model"], "usageMetadata": {"totalTokenCount": 4_096}});
                Ok(self.store(request, collection, value, Vec::new()))
            }
            _ => Err(Refusal::new(404, format!("Invalid URL (POST /v1/{collection})"))),
        }
    }

    fn store(&mut self, request: &Request<'_>, collection: &str, value: Value, content: Vec<u8>) -> Answer {
        let id = value["id"].as_str().or_else(|| value["name"].as_str()?.split('/').next_back()).unwrap_or_default();
        let object = Object {
            key: request.key.to_owned(),
            collection: collection.to_owned(),
            id: id.to_owned(),
            value: value.clone(),
            content,
        };
        self.objects.push_back(object);
        if self.objects.len() > OBJECTS_MAX {
            self.objects.pop_front();
        }
        Answer::json(&value)
    }

    /// Keeps a response, as the Responses API does with `store`.
    pub(crate) fn keep_response(&mut self, key: &str, value: &Value) {
        let id = value["id"].as_str().unwrap_or_default().to_owned();
        let (key, collection) = (key.to_owned(), "responses".to_owned());
        self.objects.push_back(Object { key, collection, id, value: value.clone(), content: Vec::new() });
        if self.objects.len() > OBJECTS_MAX {
            self.objects.pop_front();
        }
    }

    /// Gemini's resumable upload: the first request gets an address, the second brings the bytes.
    pub(super) fn upload(&mut self, request: &Request<'_>, upload: Option<&str>) -> Outcome {
        let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let command = header("x-goog-upload-command");
        let Some(upload) = upload else {
            if header("x-goog-upload-protocol") != "resumable" || command != "start" {
                return Err(Refusal::invalid("Upload has neither a session nor a start command."));
            }
            let id = request.seal.letters("upload", request.number, 0, 30) + "1";
            let body: Value = serde_json::from_slice(request.body).unwrap_or_default();
            let name = body["file"]["displayName"].as_str().or(body["file"]["display_name"].as_str());
            self.uploads.push_back((id.clone(), request.key.to_owned(), name.unwrap_or_default().to_owned()));
            if self.uploads.len() > UPLOADS_MAX {
                self.uploads.pop_front();
            }
            let host = header("host");
            let url = format!("http://{host}/upload/v1beta/files?upload_id={id}&upload_protocol=resumable");
            let headers = vec![("x-goog-upload-url", url), ("x-goog-upload-status", "active".to_owned())];
            return Ok(Answer { headers, ..Answer::of("text/plain", "") });
        };
        let mine = self.uploads.iter().position(|(id, key, _)| id == upload && key == request.key);
        let Some((_, _, name)) = mine.and_then(|at| self.uploads.remove(at)) else {
            return Err(Refusal::new(404, "Upload session not found."));
        };
        if !command.contains("finalize") {
            return Err(Refusal::invalid("interlingua mock: uploads come in one piece"));
        }
        let id = request.seal.hex("file", request.number, 0, 12);
        let value = json!({
            "name": format!("files/{id}"), "displayName": name, "sizeBytes": request.body.len().to_string(),
            "mimeType": "text/plain", "state": "ACTIVE",
            "uri": format!("https://generativelanguage.googleapis.com/v1beta/files/{id}"),
        });
        self.store(request, "files", value.clone(), request.body.to_vec());
        let headers = vec![("x-goog-upload-status", "final".to_owned())];
        Ok(Answer { headers, ..Answer::json(&json!({"file": value})) })
    }
}
