//! Files of weights: which allele of which variant counts how much, in one or more scores.
//!
//! A header line names the columns; the names of PLINK, of the PGS Catalog and of summary statistics are known. Tabs, or spaces.

use crate::error::{Error, Result};
use std::path::Path;

/// Names of columns by what they hold. The first of a list that a file has is taken.
const ID: [&str; 8] = ["id", "variant", "variant_name", "snp", "rsid", "hm_rsid", "markername", "snpid"];
const CONTIG: [&str; 6] = ["contig", "chrom", "chr", "hm_chr", "chr_name", "chromosome"];
const POS: [&str; 6] = ["pos", "position", "bp", "hm_pos", "chr_position", "base_pair_location"];
const EFFECT: [&str; 6] = ["effect_allele", "a1", "allele", "allele1", "ea", "alt"];
const OTHER: [&str; 9] =
    ["other_allele", "a2", "ax", "hm_inferotherallele", "reference_allele", "allele2", "nea", "ref", "omitted"];
const WEIGHT: [&str; 4] = ["effect_weight", "weight", "beta", "score"];

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// In the file, 1-based.
    pub number: usize,
    /// Name of the variant.
    pub id: Option<String>,
    /// Where it is.
    pub place: Option<(String, i32)>,
    /// The allele that is counted.
    pub effect: String,
    /// The other allele, or those that it can be, with `/` between them.
    pub other: Option<String>,
    /// `[n_scores]`
    pub weights: Vec<f64>,
}

/// A file of weights.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights {
    /// Names of the scores.
    pub names: Vec<String>,
    /// Its lines in order.
    pub lines: Vec<Line>,
}

/// Where the columns are.
struct Columns {
    id: Option<usize>,
    place: Option<(usize, usize)>,
    effect: usize,
    other: Option<usize>,
    weights: Vec<usize>,
}

impl Weights {
    /// Reads `text` of the file `path`. `wanted`: columns of weights; empty: the one with a known name, or else all columns with
    /// another name that begin with `score`, `weight` or `beta`.
    pub fn parse(text: &str, path: &Path, wanted: &[String]) -> Result<Weights> {
        let mut lines = text.lines().enumerate().filter(|(_, line)| {
            // `#` begins a comment, but also the header line of PLINK
            !line.trim().is_empty() && !line.starts_with("##") && !line.starts_with("# ") && !is_setting(line)
        });
        let Some((_, header)) = lines.next() else {
            return Err(Error::usage(format!("{} has no line", path.display())).hint(EXPECTED));
        };
        let names: Vec<&str> = fields(header.trim_start_matches('#')).collect();
        let columns = Columns::of(&names, wanted, path)?;
        let mut weights =
            Weights { names: columns.weights.iter().map(|&at| names[at].to_lowercase()).collect(), lines: Vec::new() };
        for (at, line) in lines {
            weights.lines.push(columns.line(&fields(line).collect::<Vec<_>>(), at + 1, path)?);
        }
        Ok(weights)
    }
}

const EXPECTED: &str = "expected a header line with the variant (`id`, or `contig` and `pos`), `effect_allele`, `other_allele` \
                        where it is known, and `weight`, or the columns that --weight-columns names";

/// `#pgs_name=PGS001229`, as the PGS Catalog writes it.
fn is_setting(line: &str) -> bool {
    line.starts_with('#') && line.contains('=') && !line.contains('\t')
}

fn fields(line: &str) -> Box<dyn Iterator<Item = &str> + '_> {
    match line.contains('\t') {
        true => Box::new(line.trim_end_matches('\r').split('\t').map(str::trim)),
        false => Box::new(line.split_whitespace()),
    }
}

impl Columns {
    fn of(names: &[&str], wanted: &[String], path: &Path) -> Result<Columns> {
        let lower: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
        let find = |known: &[&str]| known.iter().find_map(|name| lower.iter().position(|found| found == name));
        let n_named = |at: usize| lower.iter().filter(|name| **name == lower[at]).count();
        let wrong = |what: &str| {
            Error::usage(format!("{}: no column for {what} among {}", path.display(), names.join(", "))).hint(EXPECTED)
        };
        let weights: Vec<usize> = match wanted.is_empty() {
            true => match find(&WEIGHT) {
                Some(at) => vec![at],
                None => (0..lower.len())
                    .filter(|&at| ["score", "weight", "beta"].iter().any(|start| lower[at].starts_with(start)))
                    .collect(),
            },
            false => wanted
                .iter()
                .map(|name| lower.iter().position(|found| *found == name.to_lowercase()).ok_or_else(|| wrong(name)))
                .collect::<Result<_>>()?,
        };
        if weights.is_empty() {
            return Err(wrong("weights"));
        }
        let is_twice = |(at, column): (usize, &usize)| weights[..at].contains(column) || n_named(*column) > 1;
        if let Some((_, &column)) = weights.iter().enumerate().find(|&weight| is_twice(weight)) {
            return Err(Error::usage(format!("{}: the weights `{}` are there twice", path.display(), names[column]))
                .hint("each score has a name of its own, capital letters or not"));
        }
        let columns = Columns {
            id: find(&ID),
            place: find(&CONTIG).zip(find(&POS)),
            effect: find(&EFFECT).ok_or_else(|| wrong("the allele that is counted"))?,
            other: find(&OTHER),
            weights,
        };
        if columns.id.is_none() && columns.place.is_none() {
            return Err(wrong("the variant"));
        }
        Ok(columns)
    }

    fn line(&self, fields: &[&str], number: usize, path: &Path) -> Result<Line> {
        let wrong = |what: String| Error::bad_data(format!("{}:{number}: {what}", path.display())).hint(EXPECTED);
        let field = |at: usize| {
            fields
                .get(at)
                .copied()
                .ok_or_else(|| wrong(format!("{} columns, expected {} at least", fields.len(), at + 1)))
        };
        let known = |at: usize| Ok(Some(field(at)?).filter(|text| !matches!(*text, "" | "." | "NA")));
        let place = match self.place {
            Some((contig, pos)) => match (known(contig)?, known(pos)?) {
                (Some(contig), Some(pos)) => {
                    let pos = pos.parse().map_err(|_| wrong(format!("the position is `{pos}`, expected a number")))?;
                    Some((contig.to_owned(), pos))
                }
                _ => None,
            },
            None => None,
        };
        let weight = |&at: &usize| {
            let text = field(at)?;
            let value: Option<f64> = text.parse().ok();
            value.filter(|value| value.is_finite()).ok_or_else(|| wrong(format!("the weight is `{text}`")))
        };
        Ok(Line {
            number,
            id: self.id.map(known).transpose()?.flatten().map(str::to_owned),
            place,
            effect: field(self.effect)?.to_owned(),
            other: self.other.map(known).transpose()?.flatten().map(str::to_owned),
            weights: self.weights.iter().map(weight).collect::<Result<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str, wanted: &[&str]) -> Result<Weights> {
        let wanted: Vec<String> = wanted.iter().map(|name| name.to_string()).collect();
        Weights::parse(text, Path::new("w.tsv"), &wanted)
    }

    #[test]
    fn files_of_several_kinds() {
        let plink = parsed("ID A1 SCORE1 SCORE2\nrs1 A 0.5 -1\n", &[]).expect("plink");
        assert_eq!(plink.names, ["score1", "score2"]);
        let line = &plink.lines[0];
        assert_eq!((line.id.as_deref(), &line.effect[..], &line.weights[..]), (Some("rs1"), "A", &[0.5, -1.0][..]));
        let pgs = "###PGS CATALOG\n#pgs_id=PGS1\nrsID\tchr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\n\
                   \t22\t17\tC\tT\t1e-3\n";
        let line = &parsed(pgs, &[]).expect("pgs").lines[0];
        assert_eq!((line.number, &line.id, &line.place), (4, &None, &Some(("22".into(), 17))));
        assert_eq!((line.other.as_deref(), &line.weights[..]), (Some("T"), &[1e-3][..]));
        // harmonised, as the PGS Catalog names the columns: the other allele is not known for sure
        let harmonised = "#format_version=2.0\n#HmPOS_build=GRCh38\nrsID\tchr_name\teffect_allele\teffect_weight\tlocus_name\t\
                          hm_source\thm_rsID\thm_chr\thm_pos\thm_inferOtherAllele\n\
                          rs1\t1\tA\t0.2\tGENE\tENSEMBL\trs1\t1\t10\tC/T\n";
        let line = &parsed(harmonised, &[]).expect("harmonised").lines[0];
        assert_eq!((line.place.clone(), line.other.as_deref()), (Some(("1".into(), 10)), Some("C/T")));
        let chosen = parsed("#contig\tpos\talt\tref\tb\n1\t5\tA\tG\t2\n", &["B"]).expect("chosen");
        assert_eq!((chosen.lines[0].weights[0], chosen.lines[0].other.as_deref()), (2.0, Some("G")));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, expected) in [
            ("", "has no line"),
            ("id a1\nx A\n", "no column for weights"),
            ("a1 weight\nA 1\n", "no column for the variant"),
            ("id weight\nx 1\n", "no column for the allele"),
            ("id a1 weight\nx A high\n", "w.tsv:2: the weight is `high`"),
            ("id a1 weight\nx A inf\n", "the weight is `inf`"),
            ("id a1 weight\nx A\n", "2 columns"),
        ] {
            let error = parsed(text, &[]).expect_err(text);
            assert!(error.to_string().contains(expected), "{error}");
        }
        for (header, wanted) in [("id a1 ldl hdl", &["ldl", "LDL"][..]), ("id a1 score1 Score1", &[])] {
            let error = parsed(&format!("{header}\nx A 1 2\n"), wanted).expect_err(header);
            assert!(error.class().exit_code() == 2 && error.to_string().contains("twice"), "{error}");
        }
    }
}
