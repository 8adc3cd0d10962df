//! "Did you mean": the nearest known name to a misspelt one.
//! It decides nothing else; callers word their own messages.

/// ` (did you mean 'x'?)`, or nothing when no name is near.
pub fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    match nearest(name, known) {
        Some(found) => format!(" (did you mean '{found}'?)"),
        None => String::new(),
    }
}

/// The nearest known name, when it is near enough to be a slip.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let length = name.chars().count();
    if length > 64 {
        return None;
    }
    let allowed = if length <= 4 { 1 } else { (length / 3).min(3) };
    known
        .map(|candidate| (distance(&name.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(d, _)| *d <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edit distance with swaps of neighbours counted as one.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > 3 {
        return usize::MAX;
    }
    let width = b.len() + 1;
    let mut grid = vec![0usize; (a.len() + 1) * width];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            let cell = if i == 0 || j == 0 {
                i + j
            } else {
                let substitute = grid[(i - 1) * width + j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let mut best = substitute.min(grid[(i - 1) * width + j] + 1).min(grid[i * width + j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(grid[(i - 2) * width + j - 2] + 1);
                }
                best
            };
            grid[i * width + j] = cell;
        }
    }
    grid[a.len() * width + b.len()]
}
