//! Answers that were recorded elsewhere, sent again byte for byte: whole, or cut at random places.
//!
//! `PUT /_mock/recordings/{name}` takes one, with `?status=`, `?content-type=` and `?pieces=<seed>` (cut at places that the
//! seed tells; without it the answer is sent at once). A request whose model is `recorded-{name}` gets it.

use std::collections::HashMap;

use bytes::Bytes;

/// Recordings kept at a time.
const RECORDINGS_MAX: usize = 10_000;
/// Longest piece of an answer that is cut, in bytes.
const PIECE_BYTES_MAX: u64 = 48;
/// How the model of a request names a recording.
const PREFIX: &str = "recorded-";

/// One recorded answer.
#[derive(Clone, Debug)]
pub(crate) struct Recording {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: Bytes,
    /// Where it is cut, if it is.
    pub(crate) pieces: Option<u64>,
}

/// All recordings, by name.
#[derive(Debug, Default)]
pub(crate) struct Recordings(HashMap<String, Recording>);

impl Recordings {
    /// Keeps a recording; `false` when there are too many.
    pub(crate) fn keep(&mut self, name: &str, recording: Recording) -> bool {
        let fits = self.0.len() < RECORDINGS_MAX || self.0.contains_key(name);
        if fits {
            self.0.insert(name.to_owned(), recording);
        }
        fits
    }

    /// The recording that a model names.
    pub(crate) fn of_model(&self, model: &str) -> Option<Recording> {
        self.0.get(model.strip_prefix(PREFIX)?).cloned()
    }
}

impl Recording {
    /// The body in the pieces in which it is sent.
    pub(crate) fn cut(&self) -> Vec<Bytes> {
        let Some(mut seed) = self.pieces else { return vec![self.body.clone()] };
        let (mut rest, mut pieces) = (self.body.clone(), Vec::new());
        while !rest.is_empty() {
            // The generator of Knuth's MMIX; its high bits are good enough for places to cut.
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let length = usize::try_from((seed >> 33) % PIECE_BYTES_MAX + 1).unwrap_or(1);
            pieces.push(rest.split_to(length.min(rest.len())));
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_body_again() {
        let body = Bytes::from((0..=255).cycle().take(5000).collect::<Vec<u8>>());
        let of = |pieces| Recording { status: 200, content_type: String::new(), body: body.clone(), pieces }.cut();
        assert_eq!(of(None), std::slice::from_ref(&body));
        let cut = of(Some(3));
        assert!(cut.len() > 100);
        assert_eq!(cut.concat(), body);
        assert_eq!(cut, of(Some(3)));
        assert_ne!(cut, of(Some(4)));
    }
}
