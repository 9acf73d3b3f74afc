//! The table as text.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use interlingua_filters::Dialect;
use interlingua_filters::ir::LossKind;

use crate::reasons::{IMPLIED, REASONS};
use crate::{Cell, Row};

const HEAD: &str = "\
# What arrives

Written by the tests in `tests/fidelity`, which translate each field alone and read it again on the other side. A field that is
lost without a word fails them. Rows are fields, tables are the dialect that says them, columns the dialect that hears them.

- **kept**: same dialect on both sides; the bytes pass untouched.
- **mapped**: said in the other dialect's words, with the same meaning.
- **implied**: needs no word there, because it holds anyway.
- **dropped**, **approximated**, **clamped**: reported as a loss, in the metric `interlingua_losses_total`, in the header
  `x-interlingua-losses` when `show_losses` is on (requests), and refused when `strict` is on (requests).
- **refused**: answered with an error that says what to do.

The number leads to the reason, below. Fields that a dialect has no word for are left out of its table. The model is one of which no
profile is known; profiles (`src/profiles/models.yaml`) bound further what a given model takes.
";

/// The text, and what has no reason or is none.
pub(crate) fn render(requests: &[Row], whole: &[Row], streamed: &[Row]) -> (String, Vec<String>) {
    let (mut text, mut wrong) = (HEAD.to_owned(), Vec::new());
    let mut used: Vec<usize> = Vec::new();
    for (title, rows) in [("Requests", requests), ("Answers", whole), ("Streamed answers", streamed)] {
        for from in Dialect::ALL {
            write!(text, "\n## {title}: what {} says\n\n| field |", name(from)).unwrap();
            for to in Dialect::ALL {
                write!(text, " {} |", name(to)).unwrap();
            }
            text.push_str("\n|---|---|---|---|---|\n");
            for row in rows.iter().filter(|row| row.from == from) {
                write!(text, "| {} |", row.field).unwrap();
                for (to, cell) in Dialect::ALL.into_iter().zip(&row.to) {
                    let word = word(cell);
                    if !matches!(cell, Cell::Lossy(..) | Cell::Refused(_) | Cell::Implied) {
                        write!(text, " {word} |").unwrap();
                        continue;
                    }
                    // What holds anyway is no reason of a loss.
                    let implied = matches!(cell, Cell::Implied);
                    let mut all = IMPLIED.iter().map(|one| (true, one)).chain(REASONS.iter().map(|one| (false, one)));
                    let reason = all.position(|(holds, (field, targets, _))| {
                        holds == implied && *field == row.field && (targets.is_empty() || targets.contains(&to))
                    });
                    match reason {
                        Some(at) => {
                            let number = used.iter().position(|known| *known == at).unwrap_or_else(|| {
                                used.push(at);
                                used.len() - 1
                            });
                            write!(text, " {word} [{}](#reasons) |", number + 1).unwrap();
                        }
                        None => wrong.push(format!(
                            "{title}: {}: {} to {}: {word}: {}",
                            row.field,
                            name(from),
                            name(to),
                            told(cell)
                        )),
                    }
                }
                text.push('\n');
            }
        }
    }
    text.push_str("\n## Reasons\n\n");
    for (number, at) in used.iter().enumerate() {
        let (field, _, reason) = reason(*at);
        writeln!(text, "{}. {field}: {reason}", number + 1).unwrap();
    }
    let idle = (0..IMPLIED.len() + REASONS.len()).filter(|at| !used.contains(at)).collect::<BTreeSet<_>>();
    wrong.extend(idle.into_iter().map(|at| {
        let (field, _, reason) = reason(at);
        format!("no cell for the reason of {field}: {reason}")
    }));
    (text, wrong)
}

fn reason(at: usize) -> (&'static str, &'static [Dialect], &'static str) {
    IMPLIED.get(at).or_else(|| REASONS.get(at - IMPLIED.len())).copied().unwrap()
}

fn name(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenAiChat => "Chat",
        Dialect::OpenAiResponses => "Responses",
        Dialect::Anthropic => "Anthropic",
        Dialect::Gemini => "Gemini",
    }
}

fn word(cell: &Cell) -> String {
    match cell {
        Cell::Unsaid => "–".to_owned(),
        Cell::Kept => "kept".to_owned(),
        Cell::Mapped => "mapped".to_owned(),
        Cell::Implied => "implied".to_owned(),
        Cell::Refused(_) => "refused".to_owned(),
        Cell::Lossy(kinds, _) => kinds.iter().copied().map(LossKind::name).collect::<Vec<_>>().join(", "),
    }
}

/// What the cell's word stands for, to judge it by.
fn told(cell: &Cell) -> &str {
    match cell {
        Cell::Lossy(_, named) | Cell::Refused(named) => named,
        _ => "",
    }
}
