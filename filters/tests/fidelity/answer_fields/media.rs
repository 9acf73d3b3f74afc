//! Pictures, sound and files that the model made.

use interlingua_filters::ir::{Block, BlockKind, Response};

use super::{AnswerField, blocks, list};
use crate::samples::{candidate, chat_message, whole_item};

pub(super) fn made() -> Vec<AnswerField> {
    vec![
        AnswerField {
            name: "picture",
            samples: [
                Some(chat_message(
                    r#""content":"Hello","images":[{"index":0,"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]"#,
                    &[
                        r#"{"content":"Hello"}"#,
                        r#"{"images":[{"index":0,"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]}"#,
                    ],
                    "stop",
                )),
                Some(whole_item(
                    r#"{"id":"ig_1","type":"image_generation_call","status":"completed","output_format":"png","result":"iVBORw0KGgo="}"#,
                )),
                None,
                Some(candidate(
                    r#"{"text":"Hello"},{"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgo="}}"#,
                    "STOP",
                    "",
                )),
            ],
            meaning: picture,
        },
        AnswerField {
            name: "file",
            samples: [
                None,
                None,
                None,
                Some(candidate(r#"{"text":"Hello"},{"inlineData":{"mimeType":"text/csv","data":"YSxi"}}"#, "STOP", "")),
            ],
            meaning: |response| {
                let file = |block: &Block<'_>| matches!(&block.kind, BlockKind::File(_)).then(|| "file".to_owned());
                list(blocks(response).filter_map(file))
            },
        },
        AnswerField {
            name: "sound",
            samples: [
                Some(chat_message(
                    r#""content":null,"audio":{"id":"audio_1","data":"UklGRg==","expires_at":1700000000,"transcript":"Hello"}"#,
                    &[r#"{"audio":{"id":"audio_1","data":"UklGRg==","transcript":"Hello"}}"#],
                    "stop",
                )),
                None,
                None,
                Some(candidate(r#"{"inlineData":{"mimeType":"audio/L16;rate=24000","data":"UklGRg=="}}"#, "STOP", "")),
            ],
            meaning: sound,
        },
    ]
}

fn picture(response: &Response<'_>) -> Option<String> {
    list(blocks(response).filter_map(|block| match &block.kind {
        BlockKind::Image(media) => Some(format!("{:?}", media.source)),
        _ => None,
    }))
}

fn sound(response: &Response<'_>) -> Option<String> {
    list(blocks(response).filter_map(|block| match &block.kind {
        BlockKind::Audio(media) => Some(format!("{:?}", media.source)),
        _ => None,
    }))
    .or_else(|| response.choices.first()?.extra.get("audio").map(|_| "sound".to_owned()))
}
