//! Tables of samples that users bring: phenotypes and covariates.
//!
//! Columns are separated by tabs (a field may be empty) or, where the header line has no tab, by spaces. The first line has the
//! names. The sample is in the column `IID` (`FID IID` as PLINK and REGENIE write it), `sample`, `sample_id`, `ind_id`, `s` or `id`, in
//! any case and with or without `#`. `SID`, `PAT`, `MAT` and `SEX` are not phenotypes unless they are asked for by name.

use super::selection::SampleSet;
use crate::error::{Error, Location, Result};
use crate::store::local;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Names of the column with the sample, best first.
const SAMPLE_NAMES: [&str; 6] = ["iid", "sample", "sample_id", "ind_id", "s", "id"];
/// Columns of pedigree files.
const PEDIGREE_NAMES: [&str; 5] = ["fid", "sid", "pat", "mat", "sex"];
/// Texts that mean that there is no value.
const MISSING: [&str; 9] = ["", "NA", "na", "N/A", "NaN", "nan", ".", "null", "NONE"];

/// A table with the rows of the selected samples.
#[derive(Clone, Debug)]
pub struct SampleTable {
    /// Where it was read from.
    pub path: PathBuf,
    /// Its columns but for those that name samples.
    pub columns: Vec<TextColumn>,
    /// Rows whose sample is not among the selected ones.
    pub n_unknown: usize,
}

/// One column as texts.
#[derive(Clone, Debug)]
pub struct TextColumn {
    /// Its name.
    pub name: String,
    /// By position in the selection; `None` where there is no row or no value.
    pub texts: Vec<Option<Box<str>>>,
}

impl SampleTable {
    /// Reads `path`. A sample with two rows, a row with another number of fields than the header, and a table without any of the
    /// selected samples are errors.
    pub fn read(path: &Path, samples: &SampleSet) -> Result<SampleTable> {
        let text = local::read_text(path)?;
        SampleTable::parse(path, &text, samples)
    }

    fn parse(path: &Path, text: &str, samples: &SampleSet) -> Result<SampleTable> {
        let failed = |line: usize, message: String| {
            let line = Some(line as u64 + 1);
            Error::bad_data(message).at(Location { path: Some(path.display().to_string()), line, ..Default::default() })
        };
        let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with("##"));
        let Some((first, header)) = lines.next() else {
            return Err(failed(0, "the table is empty, expected a line of column names".into()));
        };
        let has_tabs = header.contains('\t');
        let names: Vec<String> = fields(header.trim_start_matches('#'), has_tabs).map(str::to_owned).collect();
        let key = sample_column(&names).ok_or_else(|| {
            failed(first, format!("no column names the sample; the columns are {}", names.join(", ")))
                .hint("name it `sample` or `IID` (FID IID as in PLINK) in the first line")
        })?;
        let position: HashMap<&str, usize> = samples.names().zip(0..).collect();
        let mut rows: Vec<Option<Vec<&str>>> = vec![None; samples.len()];
        let (mut n_rows, mut n_unknown) = (0, 0);
        for (at, line) in lines {
            let cells: Vec<&str> = fields(line, has_tabs).collect();
            if cells.len() != names.len() {
                return Err(failed(at, format!("{} fields, expected {} as in the header", cells.len(), names.len())));
            }
            n_rows += 1;
            let Some(&sample) = position.get(cells[key]) else {
                n_unknown += 1;
                continue;
            };
            if rows[sample].is_some() {
                return Err(failed(at, format!("a second row for the sample `{}`", cells[key])));
            }
            rows[sample] = Some(cells);
        }
        if n_rows == n_unknown {
            return Err(failed(first, format!("none of its {n_rows} rows is of a selected sample of the dataset"))
                .hint(
                    "`varbatch query DATASET \"SELECT sample FROM samples\"` lists the names; FID is not looked at",
                ));
        }
        let is_key = |at: usize| at == key || (at < key && names[at].eq_ignore_ascii_case("fid"));
        let columns = (0..names.len()).filter(|&at| !is_key(at)).map(|at| TextColumn {
            name: names[at].clone(),
            texts: rows.iter().map(|row| row.as_ref().and_then(|row| value(row[at]))).collect(),
        });
        Ok(SampleTable { path: path.to_path_buf(), columns: columns.collect(), n_unknown })
    }

    /// The columns with these names in that order, or without names all that are not of a pedigree.
    pub fn select(&self, names: &[String]) -> Result<Vec<&TextColumn>> {
        if names.is_empty() {
            let is_pedigree = |name: &str| PEDIGREE_NAMES.iter().any(|known| name.eq_ignore_ascii_case(known));
            let found: Vec<&TextColumn> = self.columns.iter().filter(|column| !is_pedigree(&column.name)).collect();
            return match found.is_empty() {
                true => Err(Error::bad_data(format!("{} has no column of values", self.path.display()))),
                false => Ok(found),
            };
        }
        let find = |name: &String| {
            self.columns.iter().find(|column| column.name == *name).ok_or_else(|| {
                let known: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
                Error::usage(format!("{} has no column `{name}`", self.path.display()))
                    .hint(format!("its columns are {}", known.join(", ")))
            })
        };
        names.iter().map(find).collect()
    }
}

fn fields(line: &str, has_tabs: bool) -> Box<dyn Iterator<Item = &str> + '_> {
    match has_tabs {
        true => Box::new(line.split('\t').map(str::trim)),
        false => Box::new(line.split_whitespace()),
    }
}

fn sample_column(names: &[String]) -> Option<usize> {
    SAMPLE_NAMES.iter().find_map(|known| names.iter().position(|name| name.eq_ignore_ascii_case(known)))
}

fn value(text: &str) -> Option<Box<str>> {
    (!MISSING.contains(&text)).then(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<SampleTable> {
        SampleTable::parse(Path::new("t.tsv"), text, &SampleSet::named(&["a", "b", "c"]))
    }

    fn texts(column: &TextColumn) -> Vec<&str> {
        column.texts.iter().map(|text| text.as_deref().unwrap_or("-")).collect()
    }

    #[test]
    fn tabs_spaces_and_names_of_the_sample() {
        let table = parse("#FID IID  y1 y2\n9 c 1 x\n9 a NA 2\n9 z 3 3\n").expect("spaces");
        assert_eq!((texts(&table.columns[0]), table.n_unknown), (vec!["-", "-", "1"], 1));
        assert_eq!(texts(table.select(&["y2".into()]).expect("y2")[0]), ["2", "-", "x"]);
        let table = parse("y\tSample\tSEX\n\tb\t1\n2.5\ta\t2\n").expect("tabs");
        assert_eq!(table.select(&[]).expect("all").len(), 1);
        assert_eq!(texts(&table.columns[0]), ["2.5", "-", "-"]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let message = |text: &str| parse(text).expect_err("wrong").to_string();
        assert!(message("x y\n1 2\n").contains("names the sample"));
        assert_eq!(message("IID y\na 1\na 2\n"), "t.tsv:3: a second row for the sample `a`");
        assert_eq!(message("IID y\na\n"), "t.tsv:2: 1 fields, expected 2 as in the header");
        assert!(message("IID y\nq 1\n").contains("none of its 1 rows"));
        let error = parse("IID y\na 1\n").expect("table").select(&["z".into()]).expect_err("no z");
        assert_eq!(error.hint_text(), Some("its columns are y"));
    }
}
