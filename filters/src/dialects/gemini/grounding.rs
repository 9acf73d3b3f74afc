//! Sources and log probabilities of other dialects as `groundingMetadata` and `logprobsResult`.

use crate::Dialect;
use crate::ir::{Citation, Logprob, LossKind, Losses};
use crate::json::Writer;

/// Sources of one answer. More are lost, with a loss.
const SOURCES_MAX: usize = 1_024;
/// Stretches of one answer. More are lost, with a loss.
const SUPPORTS_MAX: usize = 4_096;

/// The sources of one candidate.
#[derive(Debug, Default)]
pub(super) struct Grounding {
    sources: Vec<Source>,
    supports: Vec<Support>,
}

#[derive(Debug, PartialEq)]
struct Source {
    /// A page when there is one, else a document that was part of the request.
    url: Option<String>,
    title: Option<String>,
    /// Words of a document. Pages have no place for them.
    text: Option<String>,
}

#[derive(Debug)]
struct Support {
    part: usize,
    /// In bytes of the part, the end exclusive.
    span: (usize, usize),
    text: String,
    sources: Vec<usize>,
}

impl Grounding {
    /// Whether there is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Takes a source of `text`, which is part number `part` and begins `base` bytes after the part. One without a span
    /// belongs to the whole text. `path` names citations in the provider's words.
    pub(super) fn add(
        &mut self,
        citation: &Citation<'_>,
        text: &str,
        (part, base): (usize, usize),
        path: &'static str,
        losses: &mut Losses,
    ) {
        let owned = |text: &Option<crate::json::Str<'_>>| text.as_ref().map(ToString::to_string);
        let url = owned(&citation.url);
        let source = Source {
            title: owned(&citation.title),
            text: if url.is_some() { None } else { owned(&citation.cited) },
            url,
        };
        // A position in the request's documents, or an id of another provider's store, is nothing to point at.
        let known = source != Source { url: None, title: None, text: None };
        let Some(number) = known.then(|| self.source(source)).flatten() else {
            return losses.add(path, LossKind::Dropped);
        };
        if citation.quotes() || citation.document.is_some() || citation.file_id.is_some() {
            losses.add(path, LossKind::Approximated);
        }
        let (start, end) = match citation.span {
            Some((start, end)) => (byte_of(text, start), byte_of(text, end)),
            None => (0, text.len()),
        };
        let Some(words) = text.get(start..end).filter(|words| !words.is_empty()) else { return };
        let span = (base + start, base + end);
        let full = self.supports.len() >= SUPPORTS_MAX;
        match self.supports.last_mut() {
            Some(last) if last.part == part && last.span == span => last.sources.push(number),
            _ if full => losses.add(path, LossKind::Clamped),
            _ => self.supports.push(Support { part, span, text: words.to_owned(), sources: vec![number] }),
        }
    }

    /// The number of a source, known or new.
    fn source(&mut self, source: Source) -> Option<usize> {
        let known = self.sources.iter().position(|other| *other == source);
        known.or_else(|| {
            if self.sources.len() >= SOURCES_MAX {
                return None;
            }
            self.sources.push(source);
            Some(self.sources.len() - 1)
        })
    }

    /// Writes the value of `groundingMetadata`.
    pub(super) fn write(&self, w: &mut Writer<'_>) {
        w.object(|w| {
            w.key("groundingChunks").array(|w| {
                for source in &self.sources {
                    w.object(|w| {
                        w.key(if source.url.is_some() { "web" } else { "retrievedContext" }).object(|w| {
                            w.opt_str("uri", source.url.as_deref());
                            w.opt_str("title", source.title.as_deref());
                            w.opt_str("text", source.text.as_deref());
                        });
                    });
                }
            });
            if self.supports.is_empty() {
                return;
            }
            w.key("groundingSupports").array(|w| self.supports.iter().for_each(|support| support.write(w)));
        });
    }
}

impl Support {
    /// As Google does, without members that are zero.
    fn write(&self, w: &mut Writer<'_>) {
        w.object(|w| {
            w.key("segment").object(|w| {
                for (key, number) in [("partIndex", self.part), ("startIndex", self.span.0), ("endIndex", self.span.1)]
                {
                    if number > 0 {
                        w.key(key).u64(number as u64);
                    }
                }
                w.key("text").str(&self.text);
            });
            w.key("groundingChunkIndices").array(|w| self.sources.iter().for_each(|number| w.u64(*number as u64)));
        });
    }
}

/// The offset in bytes of a character; the end of the text for one behind it.
fn byte_of(text: &str, character: usize) -> usize {
    text.char_indices().nth(character).map_or(text.len(), |(at, _)| at)
}

/// Writes the value of `logprobsResult`.
pub(super) fn logprobs(w: &mut Writer<'_>, tokens: &[Logprob<'_>]) {
    w.object(|w| {
        w.key("chosenCandidates").array(|w| {
            for token in tokens {
                w.object(|w| {
                    w.key("token").str(&token.token);
                    w.key("logProbability").num(&token.logprob);
                });
            }
        });
        if tokens.iter().all(|token| token.top.is_empty()) {
            return;
        }
        w.key("topCandidates").array(|w| {
            for token in tokens {
                w.object(|w| {
                    w.key("candidates").array(|w| {
                        for (token, logprob) in &token.top {
                            w.object(|w| {
                                w.key("token").str(token);
                                w.key("logProbability").num(logprob);
                            });
                        }
                    });
                });
            }
        });
    });
}

/// How a provider names its citations.
pub(super) fn citations_path(origin: Dialect) -> &'static str {
    match origin {
        Dialect::OpenAiChat => "choices[].message.annotations",
        Dialect::OpenAiResponses => "output[].content[].annotations",
        Dialect::Anthropic => "content[].citations",
        Dialect::Gemini => "candidates[].groundingMetadata",
    }
}
