//! Flags that say which phenotypes are tested, and with which covariates; alike for `assoc` and `burden`.

use crate::dataset::Dataset;
use crate::error::Result;
use crate::stats::assoc::traits::{Covariate, Kind, Phenotype};
use crate::stats::assoc::{Size, covariates};
use crate::stats::sample_table::SampleTable;
use crate::stats::selection::SampleSet;
use std::path::{Path, PathBuf};

/// Phenotypes and covariates.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Phenotypes and covariates")]
pub struct TraitFlags {
    /// Table of phenotypes: a header line, a column `sample` or `IID`, tabs or spaces between columns
    #[arg(long, value_name = "FILE")]
    pheno: PathBuf,
    /// Columns of that table to test [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pheno_name: Vec<String>,
    /// Take the phenotypes as binary: 1 and 0, or 2 and 1 with 0 and -9 for missing [default: by their values]
    #[arg(long, conflicts_with = "quantitative")]
    binary: bool,
    /// Take the phenotypes as numbers
    #[arg(long)]
    quantitative: bool,
    /// Table of covariates, of the same form; columns of text become one column of 0 and 1 for each level but the first
    #[arg(long, value_name = "FILE")]
    covar: Option<PathBuf>,
    /// Columns of that table to take [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', requires = "covar")]
    covar_name: Vec<String>,
    /// Columns of that table whose numbers are names of levels
    #[arg(long, value_name = "NAMES", value_delimiter = ',', requires = "covar")]
    covar_categorical: Vec<String>,
    /// Take the first N principal components of the stored table pca as covariates
    #[arg(long, value_name = "N", default_value_t = 0)]
    pcs: usize,
    /// Take the sex of the dataset's samples as a covariate
    #[arg(long)]
    sex_covariate: bool,
}

impl TraitFlags {
    /// Reads the phenotypes.
    pub fn phenotypes(&self, samples: &SampleSet) -> Result<Vec<Phenotype>> {
        let table = read(&self.pheno, samples)?;
        let kind = match (self.binary, self.quantitative) {
            (true, _) => Some(Kind::Binary),
            (_, true) => Some(Kind::Quantitative),
            _ => None,
        };
        table.select(&self.pheno_name)?.into_iter().map(|column| Phenotype::new(column, kind)).collect()
    }

    /// Reads the covariates.
    pub fn covariates(&self, dataset: &Dataset, samples: &SampleSet) -> Result<Vec<Covariate>> {
        let mut found = Vec::new();
        if let Some(path) = &self.covar {
            let table = read(path, samples)?;
            table.select(&self.covar_categorical)?;
            for column in table.select(&self.covar_name)? {
                found.extend(Covariate::of_column(column, self.covar_categorical.contains(&column.name))?);
            }
        }
        if self.sex_covariate {
            found.push(covariates::sex(samples));
        }
        if self.pcs > 0 {
            found.extend(covariates::principal_components(dataset, samples, self.pcs)?);
        }
        Ok(found)
    }

    /// `others` with the flags that were given, for the description of a result.
    pub fn described(&self, mut others: serde_json::Value) -> serde_json::Value {
        let path = |path: &PathBuf| path.display().to_string();
        let own = serde_json::json!({
            "pheno": path(&self.pheno), "pheno_name": self.pheno_name, "binary": self.binary,
            "quantitative": self.quantitative, "covar": self.covar.as_ref().map(path), "covar_name": self.covar_name,
            "covar_categorical": self.covar_categorical, "pcs": self.pcs, "sex_covariate": self.sex_covariate,
        });
        if let (Some(all), serde_json::Value::Object(own)) = (others.as_object_mut(), own) {
            all.extend(own);
        }
        others
    }
}

fn read(path: &Path, samples: &SampleSet) -> Result<SampleTable> {
    let table = SampleTable::read(path, samples)?;
    if table.n_unknown > 0 {
        eprintln!("{}: {} rows are of samples that are not analysed", path.display(), table.n_unknown);
    }
    Ok(table)
}

/// Who is analysed, on standard error.
pub fn say(phenotype: &Phenotype, size: &Size) {
    let name = &phenotype.name;
    let of = match (phenotype.kind, size.n_cases) {
        (Kind::Binary, Some(n_cases)) => format!("{n_cases} cases and {} controls, binary", size.n - n_cases),
        _ => format!("{} samples, quantitative", size.n),
    };
    let n_dropped = phenotype.n_known() - size.n;
    let dropped = if n_dropped > 0 { format!("; {n_dropped} more have no covariates") } else { String::new() };
    eprintln!("{name}: {of} ({}){dropped}", phenotype.coding);
    if !size.constant.is_empty() {
        eprintln!("{name}: left out covariates that are constant in these samples: {}", size.constant.join(", "));
    }
}
