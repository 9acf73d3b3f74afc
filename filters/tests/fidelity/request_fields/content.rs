//! What is said beside text.

use interlingua_filters::ir::{BlockKind, Media, MediaSource, Request};

use super::{Field, blocks, field, find};

pub(super) const FIELDS: &[Field] = &[
    field(
        "picture, base64",
        [
            Some(
                r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]}]}"#,
            ),
            Some(
                r#"{"input":[{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,iVBORw0KGgo="}]}]}"#,
            ),
            Some(
                r#"{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}}]}]}"#,
            ),
            Some(
                r#"{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgo="}}]}]}"#,
            ),
        ],
        image,
    ),
    field(
        "picture by URL",
        [
            Some(
                r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}]}]}"#,
            ),
            Some(
                r#"{"input":[{"role":"user","content":[{"type":"input_image","image_url":"https://example.com/a.png"}]}]}"#,
            ),
            Some(
                r#"{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"https://example.com/a.png"}}]}]}"#,
            ),
            Some(
                r#"{"contents":[{"role":"user","parts":[{"fileData":{"mimeType":"image/png","fileUri":"https://example.com/a.png"}}]}]}"#,
            ),
        ],
        image,
    ),
    field(
        "detail of a picture",
        [
            Some(
                r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo=","detail":"low"}}]}]}"#,
            ),
            Some(
                r#"{"input":[{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,iVBORw0KGgo=","detail":"low"}]}]}"#,
            ),
            None,
            None,
        ],
        detail,
    ),
    field(
        "picture by file id",
        [
            None,
            Some(r#"{"input":[{"role":"user","content":[{"type":"input_image","file_id":"file-1"}]}]}"#),
            Some(
                r#"{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"file","file_id":"file_1"}}]}]}"#,
            ),
            None,
        ],
        image,
    ),
    field(
        "PDF, base64",
        [
            Some(
                r#"{"messages":[{"role":"user","content":[{"type":"file","file":{"file_data":"data:application/pdf;base64,JVBERi0="}}]}]}"#,
            ),
            Some(
                r#"{"input":[{"role":"user","content":[{"type":"input_file","file_data":"data:application/pdf;base64,JVBERi0="}]}]}"#,
            ),
            Some(
                r#"{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0="}}]}]}"#,
            ),
            Some(
                r#"{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"application/pdf","data":"JVBERi0="}}]}]}"#,
            ),
        ],
        file,
    ),
    field(
        "PDF by URL",
        [
            None,
            Some(
                r#"{"input":[{"role":"user","content":[{"type":"input_file","file_url":"https://example.com/a.pdf"}]}]}"#,
            ),
            Some(
                r#"{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"url","url":"https://example.com/a.pdf"}}]}]}"#,
            ),
            Some(
                r#"{"contents":[{"role":"user","parts":[{"fileData":{"mimeType":"application/pdf","fileUri":"https://example.com/a.pdf"}}]}]}"#,
            ),
        ],
        file,
    ),
    field(
        "document by file id",
        [
            Some(r#"{"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"file-1"}}]}]}"#),
            Some(r#"{"input":[{"role":"user","content":[{"type":"input_file","file_id":"file-1"}]}]}"#),
            Some(
                r#"{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"file","file_id":"file_1"}}]}]}"#,
            ),
            Some(
                r#"{"contents":[{"role":"user","parts":[{"fileData":{"mimeType":"application/pdf","fileUri":"https://generativelanguage.googleapis.com/v1beta/files/abc"}}]}]}"#,
            ),
        ],
        file,
    ),
    field(
        "text document",
        [
            None,
            None,
            Some(
                r#"{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"once upon"}}]}]}"#,
            ),
            Some(
                r#"{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"text/plain","data":"b25jZSB1cG9u"}}]}]}"#,
            ),
        ],
        document,
    ),
    field(
        "sound",
        [
            Some(
                r#"{"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"format":"wav","data":"UklGRg=="}}]}]}"#,
            ),
            Some(
                r#"{"input":[{"role":"user","content":[{"type":"input_audio","input_audio":{"format":"wav","data":"UklGRg=="}}]}]}"#,
            ),
            None,
            Some(
                r#"{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"audio/wav","data":"UklGRg=="}}]}]}"#,
            ),
        ],
        sound,
    ),
    field(
        "film",
        [
            None,
            None,
            None,
            Some(
                r#"{"contents":[{"role":"user","parts":[{"text":"look"},{"inlineData":{"mimeType":"video/mp4","data":"AAAA"}}]}]}"#,
            ),
        ],
        film,
    ),
    field(
        "mark of the cache",
        [
            Some(
                r#"{"messages":[{"role":"user","content":[{"type":"text","text":"hi","cache_control":{"type":"ephemeral"}}]}]}"#,
            ),
            None,
            Some(
                r#"{"messages":[{"role":"user","content":[{"type":"text","text":"hi","cache_control":{"type":"ephemeral"}}]}]}"#,
            ),
            None,
        ],
        cache,
    ),
    field(
        "picture by URL of unknown kind",
        [
            Some(
                r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://example.com/a"}}]}]}"#,
            ),
            Some(
                r#"{"input":[{"role":"user","content":[{"type":"input_image","image_url":"https://example.com/a"}]}]}"#,
            ),
            Some(
                r#"{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"https://example.com/a"}}]}]}"#,
            ),
            None,
        ],
        image,
    ),
    field(
        "name of a file",
        [
            Some(
                r#"{"messages":[{"role":"user","content":[{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERi0="}}]}]}"#,
            ),
            Some(
                r#"{"input":[{"role":"user","content":[{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERi0="}]}]}"#,
            ),
            Some(
                r#"{"messages":[{"role":"user","content":[{"type":"document","title":"a.pdf","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0="}}]}]}"#,
            ),
            Some(
                r#"{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"application/pdf","data":"JVBERi0=","displayName":"a.pdf"}}]}]}"#,
            ),
        ],
        file_name,
    ),
    field(
        "places in documents asked for",
        [
            None,
            None,
            Some(
                r#"{"messages":[{"role":"user","content":[{"type":"document","citations":{"enabled":true},"source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0="}}]}]}"#,
            ),
            None,
        ],
        citations,
    ),
];

pub(super) fn medium(media: &Media<'_>) -> String {
    let source = match &media.source {
        MediaSource::Base64(text) => format!("base64 {text}"),
        MediaSource::Url(text) => format!("url {text}"),
        MediaSource::Text(text) => format!("text {text}"),
        MediaSource::FileId(text) => format!("file {text}"),
    };
    match &media.source {
        // Who names an address need not say what is behind it.
        MediaSource::Url(_) => source,
        _ => format!("{} {source}", media.mime.as_deref().unwrap_or("?")),
    }
}

fn image(request: &Request<'_>) -> Option<String> {
    find(request, |kind| if let BlockKind::Image(media) = kind { Some(medium(media)) } else { None })
}

fn file(request: &Request<'_>) -> Option<String> {
    find(request, |kind| if let BlockKind::File(media) = kind { Some(medium(media)) } else { None })
}

/// A text document, or the text that it became.
fn document(request: &Request<'_>) -> Option<String> {
    find(request, |kind| match kind {
        BlockKind::File(Media { source: MediaSource::Text(text), .. }) => Some(text.to_string()),
        BlockKind::Text { text, .. } if text.contains("once upon") => Some("once upon".to_owned()),
        // The words in base64.
        BlockKind::File(Media { source: MediaSource::Base64(text), .. }) if *text == *"b25jZSB1cG9u" => {
            Some("once upon".to_owned())
        }
        _ => None,
    })
}

fn sound(request: &Request<'_>) -> Option<String> {
    find(request, |kind| if let BlockKind::Audio(media) = kind { Some(medium(media)) } else { None })
}

fn film(request: &Request<'_>) -> Option<String> {
    find(request, |kind| if let BlockKind::Video(media) = kind { Some(medium(media)) } else { None })
}

fn cache(request: &Request<'_>) -> Option<String> {
    let marks = blocks(request).filter(|(_, block)| block.cache.is_some()).count();
    let tools = request.tools.iter().filter(|tool| tool.cache.is_some()).count();
    (marks + tools > 0).then(|| "marked".to_owned())
}

fn file_name(request: &Request<'_>) -> Option<String> {
    find(request, |kind| if let BlockKind::File(media) = kind { Some(media.name.as_deref()?.to_owned()) } else { None })
}

fn citations(request: &Request<'_>) -> Option<String> {
    blocks(request).find_map(|(_, block)| Some(block.extra.get("citations")?.get().to_owned()))
}

/// A picture that says nothing of it is looked at as the model likes.
fn detail(request: &Request<'_>) -> Option<String> {
    blocks(request).find_map(|(_, block)| {
        let said = ["detail", "image_url.detail"].into_iter().find_map(|key| block.extra.get(key))?;
        Some(said.get().to_owned())
    })
}
