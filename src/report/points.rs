//! Points of a scatter plot, thinned to a number that a page can hold.

use super::numbers::six_digits;
use serde::Serialize;
use std::collections::BTreeMap;

/// Most points of one plot.
pub const MOST: usize = 20_000;

/// Points, in the order of the rows; `n` and `id` belong to the same index.
#[derive(Clone, Debug, Default, Serialize, PartialEq)]
pub struct Points {
    /// Abscissas.
    pub x: Vec<f64>,
    /// Ordinates.
    pub y: Vec<f64>,
    /// Rows that a point stands for; empty where each is one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub n: Vec<u64>,
    /// Row of a point; any of those that it stands for.
    pub id: Vec<i64>,
}

/// At most `most` points for the rows. Where there are more rows, those that share a cell of a grid become one point in its middle:
/// the finest grid (halving each time) that gives few enough. Rows alone in their cell, such as outliers, stay as they are.
pub fn thin(x: &[f64], y: &[f64], most: usize) -> Points {
    let rows: Vec<usize> = (0..x.len()).filter(|&row| x[row].is_finite() && y[row].is_finite()).collect();
    if rows.len() <= most {
        let of = |values: &[f64]| rows.iter().map(|&row| six_digits(values[row])).collect();
        return Points { x: of(x), y: of(y), n: Vec::new(), id: rows.iter().map(|&row| row as i64).collect() };
    }
    let mut side = 512;
    loop {
        let cells = cells(&rows, (x, y), side);
        if cells.len() <= most || side == 2 {
            return points(&cells, (x, y), side);
        }
        side /= 2;
    }
}

/// An order without meaning, so that the row shown for a cell has no label more often than the cell's rows have it.
fn scattered(row: usize) -> u64 {
    (row as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// One row and the number of rows of each cell that is not empty.
fn cells(rows: &[usize], (x, y): (&[f64], &[f64]), side: u32) -> BTreeMap<(u32, u32), (usize, u64)> {
    let (of_x, of_y) = (Axis::of(x, side), Axis::of(y, side));
    let mut cells = BTreeMap::new();
    for &row in rows {
        let (shown, n) = cells.entry((of_x.cell(x[row]), of_y.cell(y[row]))).or_insert((row, 0));
        *n += 1;
        if scattered(row) < scattered(*shown) {
            *shown = row;
        }
    }
    cells
}

fn points(cells: &BTreeMap<(u32, u32), (usize, u64)>, (x, y): (&[f64], &[f64]), side: u32) -> Points {
    let (of_x, of_y) = (Axis::of(x, side), Axis::of(y, side));
    let mut points = Points::default();
    for (&(column, line), &(row, n)) in cells {
        let (px, py) = if n == 1 { (x[row], y[row]) } else { (of_x.middle(column), of_y.middle(line)) };
        points.x.push(six_digits(px));
        points.y.push(six_digits(py));
        points.n.push(n);
        points.id.push(row as i64);
    }
    points
}

struct Axis {
    low: f64,
    width: f64,
    last: u32,
}

impl Axis {
    fn of(values: &[f64], side: u32) -> Axis {
        let finite = || values.iter().copied().filter(|value| value.is_finite());
        let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
        let width = (high - low) / f64::from(side);
        Axis { low, width: if width > 0.0 { width } else { 1.0 }, last: side - 1 }
    }

    fn cell(&self, value: f64) -> u32 {
        (((value - self.low) / self.width) as u32).min(self.last)
    }

    fn middle(&self, cell: u32) -> f64 {
        self.low + (f64::from(cell) + 0.5) * self.width
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_rows_stay_and_many_are_counted() {
        let x: Vec<f64> = (0..100_000).map(|at| f64::from(at % 1000)).chain([5e4, f64::NAN]).collect();
        let y: Vec<f64> = (0..100_000).map(|at| f64::from(at / 1000)).chain([-3.0, 0.0]).collect();
        assert_eq!(thin(&x[..50], &y[..50], 100).id.len(), 50);
        let thinned = thin(&x, &y, 1000);
        assert!(thinned.x.len() <= 1000);
        assert_eq!(thinned.n.iter().sum::<u64>(), 100_001);
        let outlier = thinned.id.iter().position(|&id| id == 100_000).expect("the outlier is kept");
        assert_eq!((thinned.x[outlier], thinned.y[outlier], thinned.n[outlier]), (5e4, -3.0, 1));
    }
}
