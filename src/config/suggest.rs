//! "Did you mean …?"

/// The known name that is most like `word`, if any is like it.
pub(crate) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    const LIKENESS_MIN: f64 = 0.65;
    // Names are compared without case and with one kind of dash: `Admin-Listen` is `admin_listen`.
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let word = plain(word);
    let score = |name: &str| strsim::damerau_levenshtein(&word, &plain(name)) as f64;
    let like = |name: &str| {
        let longest = word.chars().count().max(name.chars().count()) as f64;
        let close = 1.0 - score(name) / longest.max(1.0);
        close.max(strsim::jaro_winkler(&word, &plain(name)) - 0.15)
    };
    let scored = known.into_iter().map(|name| (like(name), name));
    scored.filter(|(like, _)| *like >= LIKENESS_MIN).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

/// "did you mean …", or else the names that there are, up to a dozen.
pub(crate) fn among(word: &str, what: &str, known: &[&str]) -> Option<String> {
    const SHOWN_MAX: usize = 12;
    if let Some(name) = nearest(word, known.iter().copied()) {
        return Some(format!("did you mean `{name}`?"));
    }
    match known {
        [] => None,
        _ if known.len() > SHOWN_MAX => None,
        _ => Some(format!("{what}: {}", known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_fingers_are_found_and_strangers_are_not() {
        let known = ["listen", "admin_listen", "threads", "credential"];
        assert_eq!(nearest("lisen", known), Some("listen"));
        assert_eq!(nearest("adminListen", known), Some("admin_listen"));
        assert_eq!(nearest("credentials", known), Some("credential"));
        assert_eq!(nearest("thread", known), Some("threads"));
        assert_eq!(nearest("zzz", known), None);
    }
}
