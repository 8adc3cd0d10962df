//! Did you mean: the known name nearest to a mistyped one.
//! Does not decide whether a name is known.

/// The candidate that differs least from `name`, if it is near enough to be meant.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (name.chars().count() / 3).clamp(1, 4);
    let scored = candidates.into_iter().filter_map(|candidate| {
        let far = distance(&name.to_lowercase(), &candidate.to_lowercase(), allowed)?;
        (candidate != name).then_some((far, candidate))
    });
    scored.min().map(|(_, candidate)| candidate)
}

/// The candidates nearest to a name and those one edit further, at most three.
pub fn nearest_few(name: &str, candidates: impl IntoIterator<Item = String>) -> Vec<String> {
    let allowed = (name.chars().count() / 3).clamp(1, 6);
    let mut scored: Vec<(usize, String)> =
        candidates.into_iter().filter_map(|c| Some((distance(name, &c, allowed)?, c))).collect();
    scored.sort();
    scored.dedup();
    let best = scored.first().map_or(0, |(far, _)| *far);
    scored.retain(|(far, _)| *far <= best + 1);
    scored.into_iter().take(3).map(|(_, candidate)| candidate).collect()
}

/// Edits (insert, remove, replace, swap neighbours) between two texts; none when more than `allowed`.
fn distance(a: &str, b: &str, allowed: usize) -> Option<usize> {
    let a: Vec<char> = a.chars().take(100).collect();
    let b: Vec<char> = b.chars().take(100).collect();
    if a.len().abs_diff(b.len()) > allowed {
        return None;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], k: usize| row.get(k).copied().unwrap_or(usize::MAX / 2);
            let replaced = at(&last, j) + usize::from(x != y);
            let mut best = replaced.min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().filter(|far| *far <= allowed)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let fields = ["templates", "entrypoint", "arguments", "onExit"];
        assert_eq!(nearest("tempaltes", fields), Some("templates"));
        assert_eq!(nearest("entryPoint", fields), Some("entrypoint"));
        assert_eq!(nearest("argument", fields), Some("arguments"));
        assert_eq!(nearest("someExtraField", fields), None);
    }
}
