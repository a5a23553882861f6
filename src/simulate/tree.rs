//! The genealogy of all haplotypes at one place of a contig, and how recombination changes it along the contig.
//!
//! Coalescent with exponential growth and a split into populations; along the contig the sequentially Markov
//! coalescent SMC' (Marjoram and Wall 2006, BMC Genet 7:16, doi:10.1186/1471-2156-7-16): a recombination cuts a branch
//! and the piece joins the tree again above the cut.
//!
//! Times of nodes are kept twice: in generations, which is what mutation and recombination follow, and in coalescent
//! units (integral of dt / 2N), in which every demography is the standard coalescent.
//! A new tree costs O(n log n), a recombination O(sqrt(n)) to O(n) with small constants; memory 100 bytes per haplotype.

use super::random::{Stream, exponential};
use rand::Rng;

/// No node: parent of the root, children of a leaf.
const NONE: u32 = u32::MAX;

/// Sizes of the populations in the past, in diploid individuals, and times in generations ago.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Demography {
    /// Size before the split into populations.
    pub ancestral_size: f64,
    /// Size of each population from the split to the growth.
    pub population_size: f64,
    /// Size of each population today.
    pub present_size: f64,
    /// Length of the exponential growth.
    pub growth_generations: f64,
    /// When the populations split; not within the growth.
    pub split_generations: f64,
}

impl Demography {
    /// Constant size: about 1/k of the sites have k derived alleles, many variants are common.
    pub fn constant(n_populations: usize) -> Demography {
        // A little under 1e4 in sum: a cohort of 2,500 then has 17 % of its genotypes not reference.
        let population_size = 8.5e3 / n_populations as f64;
        Demography {
            ancestral_size: 1e4,
            population_size,
            present_size: population_size,
            growth_generations: 0.0,
            split_generations: 500.0,
        }
    }

    /// Recent exponential growth: most variants of a large cohort are rare.
    pub fn growth() -> Demography {
        Demography {
            ancestral_size: 1e4,
            population_size: 1e4,
            present_size: 4e5,
            growth_generations: 400.0,
            split_generations: 1_500.0,
        }
    }

    fn growth_rate(&self) -> f64 {
        if self.growth_generations > 0.0 {
            (self.present_size / self.population_size).ln() / self.growth_generations
        } else {
            0.0
        }
    }

    /// Generations ago to coalescent units.
    fn to_units(self, generations: f64) -> f64 {
        let rate = self.growth_rate();
        let mut units = 0.0;
        if rate > 0.0 {
            let recent = generations.min(self.growth_generations);
            units += ((rate * recent).exp() - 1.0) / (2.0 * self.present_size * rate);
        }
        let apart = generations.min(self.split_generations) - self.growth_generations;
        units += apart.max(0.0) / (2.0 * self.population_size);
        units + (generations - self.split_generations).max(0.0) / (2.0 * self.ancestral_size)
    }

    /// Coalescent units to generations ago.
    fn to_generations(self, units: f64) -> f64 {
        let split_units = self.to_units(self.split_generations);
        if units >= split_units {
            return self.split_generations + (units - split_units) * 2.0 * self.ancestral_size;
        }
        let growth_units = self.to_units(self.growth_generations);
        if units >= growth_units {
            return self.growth_generations + (units - growth_units) * 2.0 * self.population_size;
        }
        let rate = self.growth_rate();
        (2.0 * self.present_size * rate * units).ln_1p() / rate
    }
}

/// A binary tree; nodes `0..n_leaves` are the haplotypes.
pub struct Tree {
    demography: Demography,
    n_leaves: usize,
    root: u32,
    /// Per node.
    generations: Vec<f64>,
    units: Vec<f64>,
    parent: Vec<u32>,
    children: Vec<[u32; 2]>,
    population: Vec<u8>,
    branches: Branches,
    split_units: f64,
    /// Per population, then the time before the split: units of the inner nodes, sorted.
    inner_units: Vec<Vec<f64>>,
    leaves_of: Vec<usize>,
    stack: Vec<u32>,
}

/// A point on the tree: `generations` ago on the branch above `node`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Node below the branch.
    pub node: u32,
    /// Time of the point.
    pub generations: f64,
}

impl Tree {
    /// A random tree of haplotypes whose populations are given, in coalescent time.
    pub fn new(demography: Demography, population_of_leaf: &[u8], random: &mut Stream) -> Tree {
        let n_leaves = population_of_leaf.len();
        let n_nodes = 2 * n_leaves - 1;
        let n_populations = population_of_leaf.iter().max().map_or(1, |most| usize::from(*most) + 1);
        let mut population = population_of_leaf.to_vec();
        population.resize(n_nodes, n_populations as u8);
        let mut leaves_of = vec![0; n_populations];
        population_of_leaf.iter().for_each(|of| leaves_of[usize::from(*of)] += 1);
        let mut tree = Tree {
            demography,
            n_leaves,
            root: 0,
            generations: vec![0.0; n_nodes],
            units: vec![0.0; n_nodes],
            parent: vec![NONE; n_nodes],
            children: vec![[NONE; 2]; n_nodes],
            population,
            branches: Branches::new(n_nodes),
            split_units: demography.to_units(demography.split_generations),
            inner_units: vec![Vec::new(); n_populations + 1],
            leaves_of,
            stack: Vec::new(),
        };
        tree.grow(random);
        tree
    }

    /// Joins the leaves: within each population up to the split, then all that is left.
    fn grow(&mut self, random: &mut Stream) {
        let n_populations = self.leaves_of.len();
        let mut next_node = self.n_leaves;
        let mut ancestors = Vec::new();
        for population in 0..n_populations {
            let leaves =
                (0..self.n_leaves as u32).filter(|leaf| usize::from(self.population[*leaf as usize]) == population);
            let mut lineages: Vec<u32> = leaves.collect();
            self.join(&mut lineages, population, 0.0, &mut next_node, random);
            ancestors.append(&mut lineages);
        }
        self.join(&mut ancestors, n_populations, self.split_units, &mut next_node, random);
        self.root = ancestors[0];
        (0..self.parent.len() as u32).for_each(|node| self.measure(node));
    }

    /// Joins `lineages` of `group` from `start` on, until one is left or the split is reached.
    fn join(&mut self, lineages: &mut Vec<u32>, group: usize, start: f64, next_node: &mut usize, random: &mut Stream) {
        let mut units = start;
        while lineages.len() > 1 {
            let k = lineages.len() as f64;
            units += exponential(random, k * (k - 1.0) / 2.0);
            if group < self.leaves_of.len() && units >= self.split_units {
                return;
            }
            let first = lineages.swap_remove(random.random_range(0..lineages.len()));
            let at = random.random_range(0..lineages.len());
            let node = *next_node as u32;
            *next_node += 1;
            self.set_time(node, units, group as u8);
            self.children[node as usize] = [first, lineages[at]];
            self.parent[first as usize] = node;
            self.parent[lineages[at] as usize] = node;
            self.inner_units[group].push(units);
            lineages[at] = node;
        }
    }

    fn set_time(&mut self, node: u32, units: f64, group: u8) {
        self.units[node as usize] = units;
        self.generations[node as usize] = self.demography.to_generations(units);
        self.population[node as usize] = group;
    }

    /// Sum of all branch lengths, in generations.
    pub fn length_generations(&self) -> f64 {
        self.branches.total
    }

    /// A point chosen evenly over all branches.
    pub fn random_point(&self, random: &mut Stream) -> Point {
        let (node, above) = self.branches.pick(random.random::<f64>() * self.branches.total);
        Point { node, generations: self.generations[node as usize] + above }
    }

    /// Calls `visit` for every leaf at or below `node`.
    pub fn for_each_leaf(&mut self, node: u32, mut visit: impl FnMut(u32)) {
        self.stack.push(node);
        while let Some(node) = self.stack.pop() {
            if (node as usize) < self.n_leaves {
                visit(node);
            } else {
                self.stack.extend(self.children[node as usize]);
            }
        }
    }

    /// One recombination: cuts a random branch and joins the lower piece to the tree again.
    pub fn recombine(&mut self, random: &mut Stream) {
        let cut = self.random_point(random);
        let (units, group) = self.coalescence_above(cut, random);
        let target = self.random_branch(units, group, random);
        if target != cut.node {
            self.regraft(cut.node, target, units, group);
        }
    }

    /// When and in which group a lineage that starts at `cut` meets the tree.
    fn coalescence_above(&self, cut: Point, random: &mut Stream) -> (f64, usize) {
        let n_populations = self.leaves_of.len();
        let mut units = self.demography.to_units(cut.generations);
        let mut left = exponential(random, 1.0);
        if units < self.split_units {
            let group = usize::from(self.population[cut.node as usize]).min(n_populations - 1);
            let inner = &self.inner_units[group];
            let mut passed = inner.partition_point(|node| *node <= units);
            loop {
                let n_lineages = (self.leaves_of[group] - passed) as f64;
                let next = inner.get(passed).copied().unwrap_or(self.split_units);
                let hazard = n_lineages * (next - units);
                if left < hazard {
                    return (units + left / n_lineages, group);
                }
                left -= hazard;
                units = next;
                if passed == inner.len() {
                    break;
                }
                passed += 1;
            }
        }
        let inner = &self.inner_units[n_populations];
        let mut passed = inner.partition_point(|node| *node <= units);
        while let Some(next) = inner.get(passed) {
            let n_lineages = (inner.len() - passed + 1) as f64;
            let hazard = n_lineages * (next - units);
            if left < hazard {
                return (units + left / n_lineages, n_populations);
            }
            left -= hazard;
            units = *next;
            passed += 1;
        }
        (units + left, n_populations)
    }

    /// One of the branches of `group` that exist at `units`, each with the same probability.
    fn random_branch(&mut self, units: f64, group: usize, random: &mut Stream) -> u32 {
        let n_nodes = self.parent.len();
        let n_populations = self.leaves_of.len();
        let inner = &self.inner_units[group];
        let passed = inner.partition_point(|node| *node <= units);
        let n_lineages = if group < n_populations { self.leaves_of[group] - passed } else { inner.len() - passed + 1 };
        if n_lineages * 16 > n_nodes {
            loop {
                let node = random.random_range(0..n_nodes as u32);
                if self.crosses(node, units) && self.belongs(node, group) {
                    return node;
                }
            }
        }
        let mut wanted = random.random_range(0..n_lineages);
        self.stack.clear();
        self.stack.push(self.root);
        let mut found = self.root;
        while let Some(node) = self.stack.pop() {
            if self.units[node as usize] > units {
                self.stack.extend(self.children[node as usize]);
            } else if self.belongs(node, group) {
                found = node;
                if wanted == 0 {
                    break;
                }
                wanted -= 1;
            }
        }
        self.stack.clear();
        found
    }

    fn belongs(&self, node: u32, group: usize) -> bool {
        group == self.leaves_of.len() || usize::from(self.population[node as usize]) == group
    }

    fn crosses(&self, node: u32, units: f64) -> bool {
        let parent = self.parent[node as usize];
        self.units[node as usize] <= units && (parent == NONE || units < self.units[parent as usize])
    }

    /// Takes the subtree of `node` off and joins it to the branch above `target` at `units`; the freed inner node is
    /// used again. `target` may be the branch above the old parent: that branch is then the sibling's.
    fn regraft(&mut self, node: u32, target: u32, units: f64, group: usize) {
        let joint = self.parent[node as usize];
        let [first, second] = self.children[joint as usize];
        let sibling = if first == node { second } else { first };
        let above = self.parent[joint as usize];
        self.replace_child(above, joint, sibling);
        let target = if target == joint { sibling } else { target };

        let old = self.units[joint as usize];
        let times = &mut self.inner_units[usize::from(self.population[joint as usize])];
        times.remove(times.partition_point(|time| *time < old));
        let times = &mut self.inner_units[group];
        times.insert(times.partition_point(|time| *time < units), units);
        self.set_time(joint, units, group as u8);

        let above = self.parent[target as usize];
        self.replace_child(above, target, joint);
        self.parent[target as usize] = joint;
        self.children[joint as usize] = [node, target];
        [node, sibling, target, joint].into_iter().for_each(|node| self.measure(node));
    }

    /// Puts `new` where `old` is below `above`; above nothing is the root.
    fn replace_child(&mut self, above: u32, old: u32, new: u32) {
        self.parent[new as usize] = above;
        if above == NONE {
            self.root = new;
        } else {
            let slot = usize::from(self.children[above as usize][1] == old);
            self.children[above as usize][slot] = new;
        }
    }

    /// Brings the branch length of `node` up to date.
    fn measure(&mut self, node: u32) {
        let parent = self.parent[node as usize];
        let length =
            if parent == NONE { 0.0 } else { self.generations[parent as usize] - self.generations[node as usize] };
        self.branches.set(node, length);
    }
}

/// Branch lengths with sums over groups of neighbours, to pick one in proportion to its length in O(sqrt(n)).
/// Sums are computed anew, never adjusted, so rounding does not add up.
struct Branches {
    lengths: Vec<f64>,
    sums: Vec<f64>,
    width: usize,
    total: f64,
}

impl Branches {
    fn new(n_nodes: usize) -> Branches {
        let width = (n_nodes as f64).sqrt().ceil() as usize;
        Branches { lengths: vec![0.0; n_nodes], sums: vec![0.0; n_nodes.div_ceil(width)], width, total: 0.0 }
    }

    fn set(&mut self, node: u32, length: f64) {
        self.lengths[node as usize] = length.max(0.0);
        let group = node as usize / self.width;
        let end = ((group + 1) * self.width).min(self.lengths.len());
        self.sums[group] = self.lengths[group * self.width..end].iter().sum();
        self.total = self.sums.iter().sum();
    }

    /// The node whose branch holds `at` in `[0, total)`, and how far above the node that is.
    fn pick(&self, mut at: f64) -> (u32, f64) {
        let mut last = (0, 0.0);
        for (group, sum) in self.sums.iter().enumerate() {
            if at >= *sum {
                at -= sum;
                continue;
            }
            let start = group * self.width;
            for (node, length) in self.lengths.iter().enumerate().skip(start).take(self.width) {
                if at < *length {
                    return (node as u32, at);
                }
                at -= length;
                if *length > 0.0 {
                    last = (node as u32, *length * 0.5);
                }
            }
            return last;
        }
        let longest = self.lengths.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        longest.map_or((0, 0.0), |(node, length)| (node as u32, length * 0.5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::random::{Purpose, stream};

    fn check(tree: &Tree) {
        let n_nodes = tree.parent.len();
        let mut n_below = vec![0; n_nodes];
        for leaf in 0..tree.n_leaves {
            let mut node = leaf as u32;
            while node != NONE {
                n_below[node as usize] += 1;
                let parent = tree.parent[node as usize];
                if parent != NONE {
                    assert!(tree.units[parent as usize] >= tree.units[node as usize]);
                    assert!(tree.children[parent as usize].contains(&node));
                } else {
                    assert_eq!(node, tree.root);
                }
                node = parent;
            }
        }
        assert_eq!(n_below[tree.root as usize], tree.n_leaves);
        let listed: usize = tree.inner_units.iter().map(Vec::len).sum();
        assert_eq!(listed, tree.n_leaves - 1);
        assert!(tree.inner_units.iter().all(|times| times.is_sorted()));
    }

    #[test]
    fn recombination_keeps_the_tree_a_tree() {
        let mut random = stream(5, Purpose::Haplotypes, 0, 0);
        let population: Vec<u8> = (0..60).map(|leaf| leaf / 20).collect();
        for demography in [Demography::constant(3), Demography::growth()] {
            let mut tree = Tree::new(demography, &population, &mut random);
            check(&tree);
            for _ in 0..2_000 {
                tree.recombine(&mut random);
            }
            check(&tree);
        }
    }

    #[test]
    fn mean_tree_length_stays_at_its_expectation_along_the_contig() {
        // One population: E = 4 N (1 + 1/2 + ... + 1/(n-1)).
        let mut random = stream(6, Purpose::Haplotypes, 0, 0);
        let n = 20;
        let expected = 4e4 * (1..n).map(|k| 1.0 / k as f64).sum::<f64>();
        let mut tree = Tree::new(Demography::constant(1), &vec![0; n], &mut random);
        // Every tree counts by the length of contig it covers, which is 1 / its own length.
        let (mut weighted, mut weights) = (0.0, 0.0);
        for _ in 0..40_000 {
            tree.recombine(&mut random);
            weighted += 1.0;
            weights += 1.0 / tree.length_generations();
        }
        let mean: f64 = weighted / weights;
        assert!((mean / expected - 1.0).abs() < 0.06, "mean {mean}, expected {expected}");
    }

    #[test]
    fn generations_and_units_are_inverse() {
        for demography in [Demography::constant(3), Demography::growth()] {
            for generations in [0.0, 1.0, 100.0, 399.0, 401.0, 5_000.0] {
                let back = demography.to_generations(demography.to_units(generations));
                assert!((back - generations).abs() < 1e-6 * (1.0 + generations), "{generations} became {back}");
            }
        }
    }
}
