//! The rows of a result in pieces of one size, however they come: what is written does not depend on how it was read.

use super::plan::Limit;
use crate::error::Result;
use polars::prelude::DataFrame;

/// Rows of a piece.
const PIECE_ROWS: usize = 1 << 16;

/// Takes frames, gives pieces.
pub struct Pieces<F> {
    take: F,
    /// Rows that are no whole piece yet.
    open: Option<DataFrame>,
    limit: Limit,
    n_given: u64,
}

impl<F: FnMut(&mut DataFrame) -> Result<()>> Pieces<F> {
    /// Gives rows to `take`, those in `limit`.
    pub fn new(limit: Limit, take: F) -> Pieces<F> {
        Pieces { take, open: None, limit, n_given: 0 }
    }

    /// Whether no more rows are wanted.
    pub fn is_full(&self) -> bool {
        self.limit.take == 0
    }

    /// The next rows.
    pub fn push(&mut self, frame: DataFrame) -> Result<()> {
        let skip = self.limit.skip.min(frame.height());
        let n = self.limit.take.min(frame.height() - skip);
        self.limit = Limit { skip: self.limit.skip - skip, take: self.limit.take - n };
        let mut rest = if n == frame.height() { frame } else { frame.slice(skip as i64, n) };
        if let Some(open) = self.open.take() {
            rest = stacked(open, rest)?;
        }
        while rest.height() >= PIECE_ROWS {
            let mut piece = rest.slice(0, PIECE_ROWS);
            rest = rest.slice(PIECE_ROWS as i64, usize::MAX);
            self.give(&mut piece)?;
        }
        self.open = Some(rest);
        Ok(())
    }

    fn give(&mut self, piece: &mut DataFrame) -> Result<()> {
        self.n_given += 1;
        piece.rechunk_mut();
        (self.take)(piece)
    }

    /// The last piece; the only one may be empty.
    pub fn finish(mut self) -> Result<()> {
        match self.open.take() {
            Some(mut rest) if rest.height() > 0 || self.n_given == 0 => self.give(&mut rest),
            _ => Ok(()),
        }
    }
}

fn stacked(mut one: DataFrame, other: DataFrame) -> Result<DataFrame> {
    if one.height() == 0 {
        return Ok(other);
    }
    one.vstack_mut_owned(other).map_err(|error| super::polars_error(error, &[]))?;
    Ok(one)
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
            let first = piece.column("n").expect("a column").i32().expect("numbers").into_iter().next().flatten();
            found.push((piece.height(), first.unwrap_or(-1)));
            Ok(())
        });
        frames.into_iter().for_each(|frame| pieces.push(frame).expect("taken"));
        pieces.finish().expect("taken");
        found
    }

    #[test]
    fn pieces_have_one_size() {
        let all = Limit { skip: 0, take: usize::MAX };
        let n = PIECE_ROWS as i32;
        let expected = [(PIECE_ROWS, 0), (PIECE_ROWS, n), (7, 2 * n)];
        assert_eq!(given(vec![numbers(0..2 * n + 7)], all), expected);
        assert_eq!(given(vec![numbers(0..5), numbers(5..n + 9), numbers(n + 9..2 * n + 7)], all), expected);
        assert_eq!(given(vec![numbers(0..0)], all), [(0, -1)]);
        assert_eq!(given(vec![numbers(0..0), numbers(0..n), numbers(0..0)], all), [(PIECE_ROWS, 0)]);
    }

    #[test]
    fn a_limit_is_counted_over_frames() {
        let limit = Limit { skip: 3, take: 4 };
        assert_eq!(given(vec![numbers(0..2), numbers(2..5), numbers(5..90)], limit), [(4, 3)]);
    }
}
