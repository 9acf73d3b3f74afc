//! Tables for people: columns as wide as they need, short spans of time. A crate would bring borders and wrapping, which
//! make a table of a hundred accounts harder to read and to cut with other tools.

use crate::admin::view::When;

/// What stands where there is nothing to say.
pub(super) const NOTHING: &str = "-";

/// A table: its head, then its rows, each with as many cells.
pub(super) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = head.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    line(&mut text, &head, &widths);
    for row in rows {
        line(&mut text, row, &widths);
    }
    text
}

fn line(text: &mut String, cells: &[impl AsRef<str>], widths: &[usize]) {
    let from = text.len();
    for (cell, width) in cells.iter().zip(widths) {
        let cell = cell.as_ref();
        text.push_str(cell);
        text.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count()) + 2));
    }
    let end = text.trim_end().len().max(from);
    text.truncate(end);
    text.push('\n');
}

/// A span of time at a glance: `350ms`, `12s`, `4m10s`, `1h05m`, `3d04h`.
pub(super) fn span(ms: u64) -> String {
    let seconds = ms.div_ceil(1000);
    match seconds {
        _ if ms < 1000 => format!("{ms}ms"),
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// How long until a moment.
pub(super) fn until(when: Option<&When>) -> String {
    when.map_or(NOTHING.to_owned(), |when| match u64::try_from(when.in_ms) {
        Ok(0) | Err(_) => "now".to_owned(),
        Ok(ms) => span(ms),
    })
}

/// How long ago a moment was.
pub(super) fn ago(when: Option<&When>) -> String {
    when.map_or(NOTHING.to_owned(), |when| format!("{} ago", span(when.in_ms.min(0).unsigned_abs())))
}

/// A text, or that there is none.
pub(super) fn or_nothing(text: Option<&str>) -> String {
    text.unwrap_or(NOTHING).to_owned()
}

/// A part of a whole.
pub(super) fn percent(ratio: f64) -> String {
    format!("{:.0}%", ratio * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short() {
        let cases = [
            (0, "0ms"),
            (350, "350ms"),
            (1000, "1s"),
            (11_001, "12s"),
            (59_900, "1m00s"),
            (250_000, "4m10s"),
            (3_900_000, "1h05m"),
            (273_600_000, "3d04h"),
        ];
        for (ms, text) in cases {
            assert_eq!(span(ms), text);
        }
        let when = |in_ms| When { at: String::new(), in_ms };
        assert_eq!(until(Some(&when(-5))), "now");
        assert_eq!((until(None), ago(Some(&when(-2000)))), ("-".to_owned(), "2s ago".to_owned()));
    }

    #[test]
    fn columns_are_aligned_and_lines_have_no_tail() {
        let rows = [
            ["a".to_owned(), "long cell".to_owned(), "x".to_owned()],
            ["größer".to_owned(), String::new(), String::new()],
        ];
        let text = table(["ONE", "TWO", "THREE"], &rows);
        assert_eq!(text, "ONE     TWO        THREE\na       long cell  x\ngrößer\n");
    }
}
