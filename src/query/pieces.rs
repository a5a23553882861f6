//! The rows of a result in pieces of no more than so many rows, up to the LIMIT.

use super::plan::Limit;
use crate::error::Result;
use polars::prelude::DataFrame;

/// Most rows of a piece.
const PIECE_ROWS: usize = 1 << 16;

/// Takes frames, gives pieces.
pub struct Pieces<F> {
    take: F,
    limit: Limit,
    n_given: u64,
}

impl<F: FnMut(&mut DataFrame) -> Result<()>> Pieces<F> {
    /// Gives rows to `take`, those in `limit`.
    pub fn new(limit: Limit, take: F) -> Pieces<F> {
        Pieces { take, limit, n_given: 0 }
    }

    /// Whether no more rows are wanted.
    pub fn is_full(&self) -> bool {
        self.limit.take == 0
    }

    /// The next rows. The first frame gives a piece, be it empty.
    pub fn push(&mut self, frame: DataFrame) -> Result<()> {
        let skip = self.limit.skip.min(frame.height());
        let n_rows = self.limit.take.min(frame.height() - skip);
        self.limit = Limit { skip: self.limit.skip - skip, take: self.limit.take - n_rows };
        let mut at = skip;
        while at < skip + n_rows || self.n_given == 0 {
            let mut piece = frame.slice(at as i64, PIECE_ROWS.min(skip + n_rows - at));
            at += piece.height();
            self.n_given += 1;
            piece.rechunk_mut();
            (self.take)(&mut piece)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::*;

    fn numbers(range: std::ops::Range<i32>) -> DataFrame {
        df!("n" => range.collect::<Vec<i32>>()).expect("a frame")
    }

    fn given(frames: Vec<DataFrame>, limit: Limit) -> Vec<(usize, i32)> {
        let mut found = Vec::new();
        let mut pieces = Pieces::new(limit, |piece: &mut DataFrame| {
            let first = piece.column("n").expect("a column").i32().expect("numbers").iter().next().flatten();
            found.push((piece.height(), first.unwrap_or(-1)));
            Ok(())
        });
        frames.into_iter().for_each(|frame| pieces.push(frame).expect("taken"));
        found
    }

    #[test]
    fn pieces_are_not_long() {
        let n = PIECE_ROWS as i32;
        assert_eq!(given(vec![numbers(0..2 * n + 7)], Limit::NONE), [(PIECE_ROWS, 0), (PIECE_ROWS, n), (7, 2 * n)]);
        assert_eq!(given(vec![numbers(0..0), numbers(0..n), numbers(0..0)], Limit::NONE), [(0, -1), (PIECE_ROWS, 0)]);
    }

    #[test]
    fn a_limit_is_counted_over_frames() {
        let limit = Limit { skip: 3, take: 4 };
        assert_eq!(given(vec![numbers(0..2), numbers(2..5), numbers(5..90)], limit), [(0, -1), (2, 3), (2, 5)]);
    }
}
