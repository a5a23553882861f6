//! The samples of a regression, and an orthonormal basis of their covariates.

use super::traits::Covariate;

/// Share of a column's length that must be left when the columns before it are taken out.
const LEAST_LEFT: f64 = 1e-7;
/// Mark of a sample that is not in the regression.
const ABSENT: u32 = u32::MAX;

/// Samples of a regression.
#[derive(Clone, Debug)]
pub struct Rows {
    /// Position in the selection of each row, ascending.
    pub positions: Vec<u32>,
    row_of: Vec<u32>,
}

impl Rows {
    /// The positions for which `is_in` is true.
    pub fn new(is_in: &[bool]) -> Rows {
        let mut rows = Rows { positions: Vec::new(), row_of: vec![ABSENT; is_in.len()] };
        for position in (0..is_in.len()).filter(|&position| is_in[position]) {
            rows.row_of[position] = rows.positions.len() as u32;
            rows.positions.push(position as u32);
        }
        rows
    }

    /// Number of rows.
    pub fn n(&self) -> usize {
        self.positions.len()
    }

    /// Row of a position in the selection.
    pub fn row(&self, position: u32) -> Option<u32> {
        Some(self.row_of[position as usize]).filter(|&row| row != ABSENT)
    }

    /// The values of these rows.
    pub fn of(&self, values: &[f64]) -> Vec<f64> {
        self.positions.iter().map(|&position| values[position as usize]).collect()
    }
}

/// Orthonormal columns that span an intercept and the covariates, each `[n_rows]`.
#[derive(Clone, Debug)]
pub struct Basis {
    /// The columns; the first is constant.
    pub columns: Vec<Vec<f64>>,
    /// Covariates that have one value only in these rows, and so are left out.
    pub constant: Vec<String>,
}

impl Basis {
    /// By modified Gram-Schmidt, twice for each column (Giraud, Langou, Rozloznik 2005). `Err`: the name of a covariate that is a
    /// linear combination of those before it.
    pub fn new(rows: &Rows, covariates: &[Covariate]) -> Result<Basis, String> {
        let n = rows.n();
        let mut basis = Basis { columns: vec![vec![1.0 / (n as f64).sqrt(); n]], constant: Vec::new() };
        for covariate in covariates {
            let mut column = rows.of(&covariate.values);
            if column.iter().all(|value| *value == column[0]) {
                basis.constant.push(covariate.name.clone());
                continue;
            }
            remove(&basis.columns[..1], &mut column);
            let length = norm(&column);
            remove(&basis.columns, &mut column);
            let left = norm(&column);
            if left <= LEAST_LEFT * length {
                return Err(covariate.name.clone());
            }
            remove(&basis.columns, &mut column);
            let left = norm(&column);
            column.iter_mut().for_each(|value| *value /= left);
            basis.columns.push(column);
        }
        Ok(basis)
    }

    /// Takes out of `column` what the covariates explain.
    pub fn residual(&self, column: &mut [f64]) {
        remove(&self.columns, column);
        remove(&self.columns, column);
    }
}

fn remove(columns: &[Vec<f64>], from: &mut [f64]) {
    for column in columns {
        let share: f64 = column.iter().zip(&*from).map(|(a, b)| a * b).sum();
        from.iter_mut().zip(column).for_each(|(value, one)| *value -= share * one);
    }
}

fn norm(column: &[f64]) -> f64 {
    column.iter().map(|value| value * value).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covariate(name: &str, values: &[f64]) -> Covariate {
        Covariate { name: name.into(), values: values.to_vec() }
    }

    #[test]
    fn columns_are_orthonormal() {
        let rows = Rows::new(&[true, false, true, true, true]);
        assert_eq!((rows.row(0), rows.row(1), rows.row(4)), (Some(0), None, Some(3)));
        let covariates = [
            covariate("year", &[2001.0, 0.0, 2002.0, 2003.0, 2005.0]),
            covariate("site", &[1.0, 2.0, 1.0, 1.0, 1.0]),
            covariate("tiny", &[1e-9, 0.0, 0.0, 1e-9, 1e-9]),
        ];
        let basis = Basis::new(&rows, &covariates).expect("independent");
        assert_eq!((basis.columns.len(), &basis.constant[..]), (3, &["site".to_owned()][..]));
        for (at, a) in basis.columns.iter().enumerate() {
            for (other, b) in basis.columns.iter().enumerate() {
                let dot: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                assert!((dot - f64::from(u8::from(at == other))).abs() < 1e-14, "{at} {other} {dot}");
            }
        }
        let mut line = rows.of(&covariates[0].values);
        basis.residual(&mut line);
        assert!(line.iter().all(|value| value.abs() < 1e-9));
    }

    #[test]
    fn a_combination_is_named() {
        let rows = Rows::new(&[true; 4]);
        let (a, b) = (covariate("a", &[1.0, 2.0, 3.0, 5.0]), covariate("b", &[0.0, 1.0, 0.0, 0.0]));
        let sum = covariate("sum", &[1.0, 3.0, 3.0, 5.0]);
        assert_eq!(Basis::new(&rows, &[a, b, sum]).expect_err("dependent"), "sum");
    }
}
