//! "Did you mean …?"

/// The candidate that takes the fewest typing slips to become `word`, if they are few enough to be slips.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Longer words are not worth the table; nobody types them by hand.
    if word.chars().count() > 64 {
        return None;
    }
    let slips = (word.chars().count() / 3).max(2);
    candidates
        .into_iter()
        .map(|c| (distance(word, c), c))
        .filter(|(d, _)| *d <= slips)
        .min_by_key(|(d, _)| *d)
        .map(|(_, c)| c)
}

/// Levenshtein's distance: inserted, left out and exchanged characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let exchanged = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = exchanged.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_forgiven_and_strangers_are_not() {
        let names = ["time_server", "idle_echo", "counting_echo"];
        assert_eq!(nearest("tme_servr", names), Some("time_server"));
        assert_eq!(nearest("idle-echo", names), Some("idle_echo"));
        assert_eq!(nearest("lighthouse", names), None);
        assert_eq!(nearest("", names), None);
        assert_eq!(distance("tide", "tides"), 1);
    }
}
