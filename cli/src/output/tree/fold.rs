//! Makes a tree fit the terminal: what is settled is folded first, what runs or failed stays.
//! Does not fold anything that fits.

use super::build::Branch;

/// Folds until the branches take at most `rows` lines, as far as that is possible.
pub fn fold(branches: &mut [Branch], rows: usize) {
    let height =
        |branches: &[Branch]| branches.iter().map(|b| b.height() + 1).sum::<usize>().saturating_sub(1);
    if height(branches) <= rows {
        return;
    }
    for branch in branches.iter_mut() {
        close_settled(branch, true);
    }
    if height(branches) <= rows {
        return;
    }
    for branch in branches.iter_mut() {
        join_siblings(branch);
    }
    // still too tall: shorter tails, then only what matters most
    while height(branches) > rows {
        let Some(longest) = longest_tail(branches).filter(|tail| !tail.is_empty()) else { break };
        longest.remove(0);
    }
    if height(branches) > rows {
        let mut budget = rows;
        for branch in branches.iter_mut() {
            prune(branch, &mut budget);
        }
    }
}

/// Drops what is below settled branches, but says how much that was.
fn close_settled(branch: &mut Branch, root: bool) {
    if !root && branch.settled() && !branch.groups.is_empty() {
        let below = branch.below();
        if branch.message.is_empty() {
            branch.message = if below == 1 { "1 node".to_owned() } else { format!("{below} nodes") };
        }
        branch.groups.clear();
    }
    for child in branch.groups.iter_mut().flatten() {
        close_settled(child, false);
    }
}

/// Replaces neighbours of the same kind (settled, or not started) by one remark.
fn join_siblings(branch: &mut Branch) {
    let kind = |b: &Branch| match () {
        () if b.settled() => Some("finished"),
        () if b.phase == "Pending" && b.groups.is_empty() && b.message.is_empty() => Some("pending"),
        () => None,
    };
    for child in branch.groups.iter_mut().flatten() {
        join_siblings(child);
    }
    if branch.steps {
        for group in &mut branch.groups {
            join_run(group, kind);
        }
    }
    let mut flat: Vec<Branch> = Vec::new();
    if branch.groups.iter().all(|group| group.len() == 1) {
        flat.extend(branch.groups.drain(..).flatten());
        join_run(&mut flat, kind);
        branch.groups = flat.into_iter().map(|one| vec![one]).collect();
    }
}

fn join_run(group: &mut Vec<Branch>, kind: impl Fn(&Branch) -> Option<&'static str>) {
    let mut out: Vec<Branch> = Vec::new();
    let mut run: Vec<Branch> = Vec::new();
    let mut run_kind = None;
    for branch in group.drain(..) {
        let this = kind(&branch);
        if this != run_kind {
            close_run(&mut run, run_kind, &mut out);
        }
        run_kind = this;
        match this {
            Some(_) => run.push(branch),
            None => out.push(branch),
        }
    }
    close_run(&mut run, run_kind, &mut out);
    *group = out;
}

fn close_run(run: &mut Vec<Branch>, kind: Option<&'static str>, out: &mut Vec<Branch>) {
    match (kind, run.len()) {
        (Some(word), count @ 3..) => {
            out.push(Branch {
                label: format!("{count} {word}"),
                phase: "Succeeded".to_owned(),
                remark: true,
                ..Branch::default()
            });
            run.clear();
        }
        (_, _) => out.append(run),
    }
}

fn longest_tail(branches: &mut [Branch]) -> Option<&mut Vec<String>> {
    let mut best: Option<&mut Vec<String>> = None;
    for branch in branches {
        let Branch { tail, groups, .. } = branch;
        let below = groups.iter_mut().filter_map(|group| longest_tail(group)).max_by_key(|tail| tail.len());
        for candidate in std::iter::once(tail).chain(below) {
            if best.as_ref().is_none_or(|best| candidate.len() > best.len()) {
                best = Some(candidate);
            }
        }
    }
    best
}

/// Keeps as many lines as the budget allows, first of what runs or failed.
fn prune(branch: &mut Branch, budget: &mut usize) {
    *budget = budget.saturating_sub(1);
    let count: usize = branch.groups.iter().map(Vec::len).sum();
    let matters = |b: &Branch| !b.settled() && b.phase != "Pending" && !b.remark;
    let mut hidden = 0;
    let mut order: Vec<(usize, usize, bool)> = Vec::with_capacity(count);
    for (g, group) in branch.groups.iter().enumerate() {
        order.extend(group.iter().enumerate().map(|(at, child)| (g, at, matters(child))));
    }
    order.sort_by_key(|(g, at, matters)| (!*matters, *g, *at));
    let mut keep = std::collections::BTreeSet::new();
    for (g, at, _) in order {
        // one line stays for the remark
        if *budget <= 1 {
            hidden += 1;
            continue;
        }
        if let Some(child) = branch.groups.get_mut(g).and_then(|group| group.get_mut(at)) {
            prune(child, budget);
            keep.insert((g, at));
        }
    }
    for (g, group) in branch.groups.iter_mut().enumerate() {
        let mut at = 0;
        group.retain(|_| {
            at += 1;
            keep.contains(&(g, at - 1))
        });
    }
    branch.groups.retain(|group| !group.is_empty());
    if hidden > 0 {
        *budget = budget.saturating_sub(1);
        branch.groups.push(vec![Branch {
            label: format!("{hidden} more"),
            remark: true,
            ..Branch::default()
        }]);
    }
}
