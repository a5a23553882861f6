//! The fields of CSQ (VEP), ANN (SnpEff) and BCSQ (`bcftools csq`), as the header describes them.

use super::super::spec::{Names, word};
use crate::decode::header::{Header, structured_line};
use crate::error::{Error, Result};
use arrow_schema::DataType;

/// Who wrote the entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Ensembl VEP.
    Vep,
    /// SnpEff, ANN format 1.0.
    SnpEff,
    /// `bcftools csq`.
    Bcftools,
}

/// Tags that are looked for where none is named; `vep` is that of gnomAD.
const TAGS: [&str; 4] = ["CSQ", "vep", "ANN", "BCSQ"];

/// What a field of an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Which allele.
    Allele,
    /// Which ALT, by its number.
    AlleleNumber,
    /// `gene`
    Gene,
    /// `gene_id`
    GeneId,
    /// `feature`
    Feature,
    /// `consequence`
    Consequence,
    /// `impact`
    Impact,
    /// Changes of the haplotype (`bcftools csq`).
    Changes,
    /// Nothing that is looked at.
    Other,
}

/// Columns that every table of consequences has behind its keys.
pub const FIXED: [&str; 5] = ["gene", "gene_id", "feature", "consequence", "impact"];

/// Fields of VEP whose values are integers by its documentation.
const INTEGERS: [&str; 3] = ["ALLELE_NUM", "DISTANCE", "STRAND"];

/// The fields of an entry.
#[derive(Clone, Debug)]
pub struct Format {
    /// The INFO field.
    pub tag: String,
    /// Who wrote it.
    pub dialect: Dialect,
    /// What each field is.
    pub roles: Vec<Role>,
    /// The column of each field that has one of its own: name and type.
    pub columns: Vec<Option<(String, DataType)>>,
    /// Names of the fields as the header has them.
    pub fields: Vec<String>,
}

impl Format {
    /// Of `tag`, or the first that a header has of CSQ, vep, ANN and BCSQ.
    pub fn of_header(header: &Header, tag: Option<&str>) -> Result<Option<Format>> {
        let tags: Vec<&str> = tag.map_or_else(|| TAGS.to_vec(), |tag| vec![tag]);
        let Some(tag) = tags.into_iter().find(|tag| header.infos.iter().any(|def| def.id == *tag)) else {
            return Ok(None);
        };
        let of_tag = |line: &std::sync::Arc<str>| {
            let (key, fields) = structured_line(line)?;
            (key == "INFO" && fields.get("ID").is_some_and(|id| id == tag))
                .then(|| fields.get("Description").cloned())
                .flatten()
        };
        let description = header.meta.iter().find_map(of_tag).unwrap_or_default();
        Format::parse(tag, &description).map(Some)
    }

    fn parse(tag: &str, description: &str) -> Result<Format> {
        let list = match (description.find("Format:"), description.find('\'')) {
            (Some(at), _) => &description[at + "Format:".len()..],
            (None, Some(at)) => &description[at + 1..],
            (None, None) => "",
        };
        let list = list.trim().trim_matches(|c: char| c == '\'' || c == '"' || c == '.' || c.is_whitespace());
        let fields: Vec<String> = list.split('|').map(|field| field.trim().to_owned()).collect();
        let dialect = match () {
            () if fields.iter().any(|field| field == "Annotation_Impact") => Dialect::SnpEff,
            () if fields.iter().any(|field| field == "dna_change") => Dialect::Bcftools,
            () if fields.iter().any(|field| field == "Consequence") => Dialect::Vep,
            () => {
                return Err(Error::bad_data(format!(
                    "the description of INFO/{tag} in the header does not say which fields its entries have: {description:?}"
                ))
                .hint("expected `Format: Allele|Consequence|...` (VEP, bcftools csq) or `'Allele | Annotation | ...'` (SnpEff)"));
            }
        };
        let roles: Vec<Role> = fields.iter().map(|field| role(dialect, field)).collect();
        let mut names = Names::default();
        let taken = ["variant_id", "contig", "pos", "ref", "alt"];
        taken.iter().chain(&FIXED).for_each(|name| drop(names.free(name)));
        let column = |(field, &role): (&String, &Role)| {
            let own = matches!(role, Role::Allele | Role::AlleleNumber | Role::Changes | Role::Other);
            let is_integer = dialect == Dialect::Vep && INTEGERS.contains(&field.as_str());
            own.then(|| (names.free(&word(field)), if is_integer { DataType::Int32 } else { DataType::Utf8 }))
        };
        let mut columns: Vec<Option<(String, DataType)>> = fields.iter().zip(&roles).map(column).collect();
        if dialect == Dialect::Bcftools {
            // as written: `*` before it says that a stop comes first, and terms are short
            let at = roles.iter().position(|&role| role == Role::Consequence);
            if let Some(at) = at {
                columns[at] = Some((names.free("bcsq_consequence"), DataType::Utf8));
            }
        }
        Ok(Format { tag: tag.to_owned(), dialect, roles, columns, fields })
    }
}

fn role(dialect: Dialect, field: &str) -> Role {
    match (dialect, field) {
        (Dialect::Vep, "Allele") | (Dialect::SnpEff, "Allele") => Role::Allele,
        (Dialect::Vep, "ALLELE_NUM") => Role::AlleleNumber,
        (Dialect::Vep, "SYMBOL") | (Dialect::SnpEff, "Gene_Name") | (Dialect::Bcftools, "gene") => Role::Gene,
        (Dialect::Vep, "Gene") | (Dialect::SnpEff, "Gene_ID") => Role::GeneId,
        (Dialect::Vep, "Feature") | (Dialect::SnpEff, "Feature_ID") | (Dialect::Bcftools, "transcript") => {
            Role::Feature
        }
        (Dialect::Vep | Dialect::Bcftools, "Consequence") | (Dialect::SnpEff, "Annotation") => Role::Consequence,
        (Dialect::Vep, "IMPACT") | (Dialect::SnpEff, "Annotation_Impact") => Role::Impact,
        (Dialect::Bcftools, "dna_change") => Role::Changes,
        _ => Role::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_of_the_three() {
        let vep = "Consequence annotations from Ensembl VEP. Format: Allele|Consequence|IMPACT|SYMBOL|Gene|Feature|pos|STRAND";
        let vep = Format::parse("CSQ", vep).expect("a format");
        assert_eq!((vep.dialect, vep.roles[3], vep.roles[4]), (Dialect::Vep, Role::Gene, Role::GeneId));
        let names: Vec<&str> = vep.columns.iter().flatten().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["allele", "pos_2", "strand"]);
        let ann = "Functional annotations: 'Allele | Annotation | Annotation_Impact | Gene_Name | HGVS.c | \
                   cDNA.pos / cDNA.length | ERRORS / WARNINGS / INFO' ";
        let ann = Format::parse("ANN", ann).expect("a format");
        let names: Vec<&str> = ann.columns.iter().flatten().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["allele", "hgvs_c", "cdna_pos_cdna_length", "errors_warnings_info"]);
        let bcsq = "Local consequence annotation from BCFtools/csq. Format: Consequence|gene|transcript|biotype|strand|\
                    amino_acid_change|dna_change";
        assert_eq!(Format::parse("BCSQ", bcsq).expect("a format").dialect, Dialect::Bcftools);
        assert!(Format::parse("CSQ", "whatever").is_err());
    }
}
