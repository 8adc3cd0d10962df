//! Places for the nodes of a graph: layers from top to bottom, few crossings, whole numbers.
//! Does not draw. Groups get no place of their own: their members have one.

use super::Graph;

/// Height of a node, in pixels.
const HEIGHT: i64 = 44;
/// Between two nodes of a layer.
const GAP: i64 = 28;
/// Between two layers.
const BETWEEN: i64 = 56;
/// Around everything.
const MARGIN: i64 = 24;
/// How often the order within layers is improved.
const SWEEPS: usize = 6;
/// Longest label that widens its node, in characters.
pub(super) const LABEL: usize = 40;

/// The place of a node, in pixels from the top left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Position of the node in the graph.
    pub node: usize,
    /// Layer, from 0.
    pub layer: usize,
    /// Left.
    pub x: i64,
    /// Top.
    pub y: i64,
    /// Width.
    pub width: i64,
    /// Height.
    pub height: i64,
}

/// Everything in its place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Places of the nodes that are no groups, by position of the node.
    pub placed: Vec<Placed>,
    /// Edges between them, as indexes into `placed`.
    pub edges: Vec<(usize, usize)>,
    /// Width of everything.
    pub width: i64,
    /// Height of everything.
    pub height: i64,
}

/// Lays a graph out.
pub fn layout(graph: &Graph) -> Layout {
    let mut groups = vec![false; graph.nodes.len()];
    for parent in graph.nodes.iter().filter_map(|node| node.parent) {
        groups[parent] = true;
    }
    let leaves: Vec<usize> = (0..graph.nodes.len()).filter(|index| !groups[*index]).collect();
    let mut slot = vec![usize::MAX; graph.nodes.len()];
    leaves.iter().enumerate().for_each(|(number, leaf)| slot[*leaf] = number);
    let edges: Vec<(usize, usize)> =
        graph.leaf_edges().into_iter().map(|(from, to)| (slot[from], slot[to])).collect();
    let layer_of = layers(leaves.len(), &edges);
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); layer_of.iter().max().map_or(0, |last| last + 1)];
    layer_of.iter().enumerate().for_each(|(number, layer)| rows[*layer].push(number));
    untangle(&mut rows, &edges, leaves.len());
    let wide = |number: usize| {
        let node = &graph.nodes[leaves[number]];
        let letters = node.label.chars().count().max(node.detail.chars().count()).min(LABEL);
        i64::try_from(letters).unwrap_or(0) * 8 + 32
    };
    let row_width = |row: &Vec<usize>| {
        row.iter().map(|number| wide(*number)).sum::<i64>()
            + GAP * i64::try_from(row.len().saturating_sub(1)).unwrap_or(0)
    };
    let widest = rows.iter().map(row_width).max().unwrap_or(0);
    let mut placed = Vec::with_capacity(leaves.len());
    let mut y = MARGIN;
    for (layer, row) in rows.iter().enumerate() {
        let mut x = MARGIN + (widest - row_width(row)) / 2;
        for number in row {
            let width = wide(*number);
            placed.push((*number, Placed { node: leaves[*number], layer, x, y, width, height: HEIGHT }));
            x += width + GAP;
        }
        y += HEIGHT + BETWEEN;
    }
    placed.sort_by_key(|(number, _)| *number);
    let placed = placed.into_iter().map(|(_, place)| place).collect();
    let height = if rows.is_empty() { 2 * MARGIN } else { y - BETWEEN + MARGIN };
    Layout { placed, edges, width: widest + 2 * MARGIN, height }
}

/// The layer of each node: one below the lowest of those it waits for. What waits for itself goes on top.
fn layers(count: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut behind: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut open = vec![0_usize; count];
    for (from, to) in edges {
        behind[*from].push(*to);
        open[*to] += 1;
    }
    let mut layer = vec![0; count];
    let mut ready: Vec<usize> = (0..count).filter(|number| open[*number] == 0).collect();
    let mut at = 0;
    while let Some(&number) = ready.get(at) {
        at += 1;
        for next in &behind[number] {
            layer[*next] = layer[*next].max(layer[number] + 1);
            open[*next] -= 1;
            if open[*next] == 0 {
                ready.push(*next);
            }
        }
    }
    layer
}

/// Moves the nodes of each layer towards those they are tied to, down and up again.
fn untangle(rows: &mut [Vec<usize>], edges: &[(usize, usize)], count: usize) {
    let mut above: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut below: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (from, to) in edges {
        below[*from].push(*to);
        above[*to].push(*from);
    }
    let mut place = vec![0_i64; count];
    let number = |row: &[usize], place: &mut Vec<i64>| {
        // scaled, so that short and long rows compare
        let step = 1_000_000 / i64::try_from(row.len() + 1).unwrap_or(i64::MAX);
        let mut at = step;
        for node in row {
            place[*node] = at;
            at += step;
        }
    };
    rows.iter().for_each(|row| number(row, &mut place));
    for sweep in 0..SWEEPS {
        let down = sweep % 2 == 0;
        let (ties, last) = (if down { &above } else { &below }, rows.len());
        for turn in 0..last {
            let row = &mut rows[if down { turn } else { last - 1 - turn }];
            let mean = |node: usize, place: &[i64]| {
                let tied = &ties[node];
                let sum: i64 = tied.iter().map(|other| place[*other]).sum();
                i64::try_from(tied.len()).ok().filter(|len| *len > 0).map_or(place[node], |len| sum / len)
            };
            row.sort_by_key(|node| (mean(*node, &place), *node));
            number(row, &mut place);
        }
    }
}
