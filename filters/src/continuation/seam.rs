//! Where what was said and what comes meet: nothing twice, nothing lost.
//!
//! Text comes in pieces. It is held back only while it may still be a repetition: the bound is the text that was said,
//! which is kept anyway, and in practice the first few characters decide.

/// Shortest repetition of the end of what was said that is taken for one, in characters.
const REPEATED_CHARS_MIN: usize = 24;
/// Longest repetition that is looked for, in characters; but all of what was said counts whatever its length.
const REPEATED_CHARS_MAX: usize = 1024;
/// Shortest whole answer so far whose repetition is taken for a new beginning, in characters.
const BEGUN_AGAIN_CHARS_MIN: usize = 8;
/// Different characters that a repetition has at least: rulers and rows of dots go on by themselves.
const DIFFERENT_CHARS_MIN: usize = 6;

/// See the module.
#[derive(Debug)]
pub struct Seam {
    /// What the target was shown: what was said, without the white space at its end.
    shown: String,
    /// Where repetitions may begin in `shown`, the longest first. Empty once that is settled.
    starts: Vec<usize>,
    /// What may still be a repetition.
    held: String,
    /// White space at the end of what was said that has not come again yet.
    blank: String,
}

impl Seam {
    /// After `said`. From a `loose` target repetitions are taken off, from any the white space that it was not shown.
    pub fn new(said: &str, loose: bool) -> Self {
        let shown = said.trim_end();
        let blank = said.get(shown.len()..).unwrap_or_default().to_owned();
        let starts = if loose { starts(shown) } else { Vec::new() };
        let shown = if starts.is_empty() { String::new() } else { shown.to_owned() };
        Seam { shown, starts, held: String::new(), blank }
    }

    /// The next piece of what comes; `add` gets what is new of it.
    pub fn push(&mut self, text: &str, add: &mut dyn FnMut(&str)) {
        if self.starts.is_empty() {
            return self.past_blank(text, add);
        }
        self.held.push_str(text);
        let (shown, held) = (&self.shown, &self.held);
        let tail = |start: &usize| shown.get(*start..).unwrap_or_default();
        self.starts.retain(|start| tail(start).starts_with(held.as_str()) || held.starts_with(tail(start)));
        let Some(longest) = self.starts.first().map(tail) else { return self.settle(0, add) };
        if held.len() >= longest.len() {
            let repeated = longest.len();
            self.settle(repeated, add);
        }
    }

    /// Nothing more comes: what was held back and is no whole repetition is new.
    pub fn finish(&mut self, add: &mut dyn FnMut(&str)) {
        let whole = self.starts.iter().find_map(|start| {
            let tail = self.shown.get(*start..)?;
            self.held.starts_with(tail).then_some(tail.len())
        });
        if !self.starts.is_empty() {
            self.settle(whole.unwrap_or(0), add);
        }
    }

    /// Lets go what was held back, but for its first `repeated` bytes.
    fn settle(&mut self, repeated: usize, add: &mut dyn FnMut(&str)) {
        self.starts = Vec::new();
        self.shown = String::new();
        let held = std::mem::take(&mut self.held);
        self.past_blank(held.get(repeated..).unwrap_or_default(), add);
    }

    fn past_blank(&mut self, text: &str, add: &mut dyn FnMut(&str)) {
        if text.is_empty() {
            return;
        }
        let same: usize = self
            .blank
            .chars()
            .zip(text.chars())
            .take_while(|(ours, theirs)| ours == theirs)
            .map(|(one, _)| one.len_utf8())
            .sum();
        if same == text.len() {
            // It may go on in the next piece.
            self.blank.drain(..same);
            return;
        }
        self.blank = String::new();
        add(text.get(same..).unwrap_or_default());
    }
}

/// Where repetitions of `shown` may begin.
fn starts(shown: &str) -> Vec<usize> {
    let characters = shown.chars().count();
    let is_telling = |start: &usize| {
        let mut seen: Vec<char> = Vec::with_capacity(DIFFERENT_CHARS_MIN);
        for one in shown.get(*start..).unwrap_or_default().chars() {
            if !seen.contains(&one) {
                seen.push(one);
            }
            if seen.len() >= DIFFERENT_CHARS_MIN {
                return true;
            }
        }
        false
    };
    let begun_again = (characters >= BEGUN_AGAIN_CHARS_MIN).then_some(0);
    let offsets: Vec<usize> = shown.char_indices().map(|(at, _)| at).collect();
    let from = characters.saturating_sub(REPEATED_CHARS_MAX).max(1);
    let to = (characters + 1).saturating_sub(REPEATED_CHARS_MIN);
    let ends = offsets.get(from..to.max(from)).unwrap_or_default().iter().copied();
    begun_again.into_iter().chain(ends).filter(is_telling).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(said: &str, loose: bool, pieces: &[&str]) -> String {
        let mut all = said.to_owned();
        let mut seam = Seam::new(said, loose);
        for piece in pieces {
            seam.push(piece, &mut |new| all.push_str(new));
        }
        seam.finish(&mut |new| all.push_str(new));
        all
    }

    #[test]
    fn wire_100_trimmed_white_space_comes_once() {
        assert_eq!(joined("one \n", false, &[" ", "\ntwo"]), "one \ntwo");
        assert_eq!(joined("one ", false, &["two"]), "one two");
        assert_eq!(joined("one ", false, &["  two"]), "one  two");
        assert_eq!(joined("one\n\n", false, &["\n- two"]), "one\n\n- two");
        assert_eq!(joined("one", false, &[" two"]), "one two");
        assert_eq!(joined("  ", false, &["  two"]), "  two");
        assert_eq!(joined("one ", false, &[" "]), "one ");
    }

    #[test]
    fn a_target_that_truly_goes_on_may_repeat_whatever_it_likes() {
        let verse = "row, row, row your boat gently down the stream";
        assert_eq!(joined(verse, false, &[verse]), format!("{verse}{verse}"));
    }

    #[test]
    fn a_loose_target_may_begin_its_last_sentence_again_or_all() {
        let said = "The first sentence is short. The second one is a little longer, and ";
        for from in [0, 29, 33] {
            let again = format!("{}it ends.", &said[from..]);
            for size in [1, 3, 7, 100] {
                let pieces: Vec<String> =
                    again.chars().collect::<Vec<_>>().chunks(size).map(|piece| piece.iter().collect()).collect();
                let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
                assert_eq!(joined(said, true, &pieces), format!("{said}it ends."), "{from} {size}");
            }
        }
    }

    #[test]
    fn short_repetitions_and_rulers_are_the_answers_own() {
        assert_eq!(joined("He said no, ", true, &["no, no."]), "He said no, no, no.");
        let ruler = "-".repeat(40);
        assert_eq!(joined(&format!("a {ruler}"), true, &[&ruler, "|"]), format!("a {ruler}{ruler}|"));
        assert_eq!(joined("Hello wonderful", true, &["Hello world"]), "Hello wonderfulHello world");
        assert_eq!(joined("12", true, &["12"]), "1212");
    }
}
