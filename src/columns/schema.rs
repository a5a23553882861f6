//! Which columns a cohort's tables have: the fixed ones, and one or more for each INFO and FORMAT definition.

use crate::decode::header::{FieldDef, Header, Kind, Number};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use std::collections::HashSet;
use std::sync::Arc;

/// How the values of a field are mapped to one allele row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Projection {
    /// Present or not.
    Flag,
    /// One value, the same for every allele.
    Scalar,
    /// The value of the row's allele.
    PerAlt,
    /// The values of REF and of the row's allele, as a list.
    PerAllele,
    /// The values of REF and of the row's allele, as two columns (`ad_ref`, `ad_alt`).
    PerAllelePair,
    /// The values of the genotypes made of REF and the row's allele.
    PerGenotype,
    /// All values as they are.
    List,
}

/// The columns of one INFO or FORMAT definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldColumns {
    /// ID in the header.
    pub id: String,
    /// Type of the values.
    pub kind: Kind,
    /// Mapping to an allele row.
    pub projection: Projection,
    /// Names: one, or two for [`Projection::PerAllelePair`].
    pub names: Vec<String>,
    /// Column with the values of the whole site, where the rows alone do not hold them.
    pub site_name: Option<String>,
    /// The header leaves the number open: values that do not fit the alleles go to the site column instead of being an error.
    pub lenient: bool,
}

/// Schemas of the tables of one cohort.
#[derive(Clone, Debug)]
pub struct TableSchemas {
    /// INFO columns in header order.
    pub infos: Vec<FieldColumns>,
    /// FORMAT columns in header order, without GT.
    pub formats: Vec<FieldColumns>,
    /// Table `variants`.
    pub variants: SchemaRef,
    /// Table `genotypes`; `None` without samples.
    pub genotypes: Option<SchemaRef>,
}

/// Dictionary-encoded text.
pub fn dictionary_text() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// List with nullable items named `item`.
pub fn list_of(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new("item", item, true)))
}

fn value_type(kind: Kind) -> DataType {
    match kind {
        Kind::Integer => DataType::Int32,
        Kind::Float => DataType::Float64,
        Kind::Flag => DataType::Boolean,
        Kind::Text => DataType::Utf8,
    }
}

impl FieldColumns {
    /// Types of its columns: own ones, then that of the site where there is one.
    pub fn data_types(&self) -> Vec<DataType> {
        self.fields().into_iter().map(|field| field.data_type().clone()).collect()
    }

    fn fields(&self) -> Vec<Field> {
        let value = value_type(self.kind);
        let listed = matches!(self.projection, Projection::PerAllele | Projection::PerGenotype | Projection::List);
        let own = if listed { list_of(value.clone()) } else { value.clone() };
        let mut fields: Vec<Field> = self.names.iter().map(|name| Field::new(name, own.clone(), true)).collect();
        if let Some(name) = &self.site_name {
            fields.push(Field::new(name, list_of(value), true));
        }
        fields
    }

    fn of_def(def: &FieldDef, name: String) -> FieldColumns {
        let projection = match (def.kind, def.number) {
            (Kind::Flag, _) => Projection::Flag,
            (_, Number::Count(0 | 1)) => Projection::Scalar,
            (_, Number::PerAlt) => Projection::PerAlt,
            (_, Number::PerAllele) => Projection::PerAllele,
            (_, Number::PerGenotype) => Projection::PerGenotype,
            (_, Number::Count(_) | Number::Any) => Projection::List,
        };
        let site_name = (projection == Projection::PerGenotype).then(|| format!("{name}_site"));
        FieldColumns { id: def.id.clone(), kind: def.kind, projection, names: vec![name], site_name, lenient: false }
    }

    /// FORMAT definitions that have columns of their own name.
    fn of_format(def: &FieldDef) -> Option<FieldColumns> {
        let integer = def.kind == Kind::Integer;
        let named = |projection, names: &[&str], site: Option<&str>| {
            Some(FieldColumns {
                id: def.id.clone(),
                kind: def.kind,
                projection,
                names: names.iter().map(|&name| name.to_string()).collect(),
                site_name: site.map(str::to_string),
                lenient: def.number == Number::Any,
            })
        };
        match (def.id.as_str(), def.number) {
            ("RNC", Number::Count(1)) if def.kind == Kind::Text => named(Projection::Scalar, &["nocall"], None),
            ("PS", Number::Count(1)) if integer => named(Projection::Scalar, &["phase_set"], None),
            ("GQ", Number::Count(1)) if integer => named(Projection::Scalar, &["gq"], None),
            ("DP", Number::Count(1)) if integer => named(Projection::Scalar, &["dp"], None),
            ("AD", Number::PerAllele) if integer => named(Projection::PerAllelePair, &["ad_ref", "ad_alt"], None),
            ("AD", Number::Any) if integer => named(Projection::PerAllelePair, &["ad_ref", "ad_alt"], Some("ad_site")),
            ("PL", Number::PerGenotype | Number::Any) if integer => {
                named(Projection::PerGenotype, &["pl"], Some("pl_site"))
            }
            _ => None,
        }
    }
}

/// A column name that is not taken yet.
fn free_name(prefix: &str, id: &str, taken: &mut HashSet<String>) -> String {
    let base = format!("{prefix}{}", id.to_lowercase());
    let mut name = base.clone();
    let mut n = 1;
    while taken.contains(&name) || taken.contains(&format!("{name}_site")) {
        n += 1;
        name = format!("{base}_{n}");
    }
    taken.insert(name.clone());
    name
}

impl TableSchemas {
    /// Of a cohort with this merged header.
    pub fn new(header: &Header, has_samples: bool) -> TableSchemas {
        let mut taken = HashSet::from(["info_other".to_string(), "fmt_other".to_string()]);
        let infos: Vec<FieldColumns> =
            header.infos.iter().map(|def| FieldColumns::of_def(def, free_name("info_", &def.id, &mut taken))).collect();
        let formats: Vec<FieldColumns> = header
            .formats
            .iter()
            .filter(|def| def.id != "GT")
            .map(|def| {
                FieldColumns::of_format(def)
                    .unwrap_or_else(|| FieldColumns::of_def(def, free_name("fmt_", &def.id, &mut taken)))
            })
            .collect();
        let variants = variants_schema(&infos);
        let genotypes = has_samples.then(|| genotypes_schema(&formats));
        TableSchemas { infos, formats, variants, genotypes }
    }
}

fn variants_schema(infos: &[FieldColumns]) -> SchemaRef {
    let required = |name, data_type| Field::new(name, data_type, false);
    let optional = |name, data_type| Field::new(name, data_type, true);
    let mut fields = vec![
        required("variant_id", DataType::Int64),
        required("contig", dictionary_text()),
        required("pos", DataType::Int32),
        required("end", DataType::Int32),
        required("ref", DataType::Utf8),
        required("alt", DataType::Utf8),
        optional("id", DataType::Utf8),
        optional("qual", DataType::Float64),
        optional("filters", list_of(DataType::Utf8)),
        required("type", dictionary_text()),
        required("site_id", DataType::Int64),
        required("alt_index", DataType::Int32),
        required("n_alts", DataType::Int32),
        optional("site_ref", DataType::Utf8),
        optional("site_alt", DataType::Utf8),
        required("ac", DataType::Int32),
        required("an", DataType::Int32),
        optional("af", DataType::Float64),
    ];
    for name in COUNT_COLUMNS {
        fields.push(required(name, DataType::Int32));
    }
    fields.push(optional("hwe_p", DataType::Float64));
    fields.push(optional("exc_het", DataType::Float64));
    fields.push(optional("format", dictionary_text()));
    fields.extend(infos.iter().flat_map(FieldColumns::fields));
    fields.push(optional("info_other", DataType::Utf8));
    Arc::new(Schema::new(fields))
}

/// The seven counts that sum up to the number of samples.
pub const COUNT_COLUMNS: [&str; 7] =
    ["n_hom_ref", "n_het", "n_hom_alt", "n_hemi_ref", "n_hemi_alt", "n_partial", "n_missing"];

fn genotypes_schema(formats: &[FieldColumns]) -> SchemaRef {
    let mut fields = vec![
        Field::new("variant_id", DataType::Int64, false),
        Field::new("contig", dictionary_text(), false),
        Field::new("pos", DataType::Int32, false),
        Field::new("sample_index", DataType::Int32, false),
        Field::new("gt", dictionary_text(), true),
        Field::new("dosage", DataType::Int32, true),
    ];
    fields.extend(formats.iter().flat_map(FieldColumns::fields));
    fields.push(Field::new("fmt_other", DataType::Utf8, true));
    Arc::new(Schema::new(fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_special_fields_have_their_own() {
        let text = b"##fileformat=VCFv4.2\n##INFO=<ID=AF,Number=A,Type=Float,Description=\"\">\n\
##INFO=<ID=af,Number=1,Type=Float,Description=\"\">\n##FORMAT=<ID=GT,Number=1,Type=String,Description=\"\">\n\
##FORMAT=<ID=AD,Number=.,Type=Integer,Description=\"\">\n##FORMAT=<ID=GQ,Number=1,Type=Float,Description=\"\">\n\
##FORMAT=<ID=GL,Number=G,Type=Float,Description=\"\">\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n";
        let schemas = TableSchemas::new(&Header::parse(text).expect("a header"), true);
        let names: Vec<&str> = schemas.variants.fields().iter().skip(28).map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["info_af", "info_af_2", "info_other"]);
        let genotypes = schemas.genotypes.expect("a table");
        let names: Vec<&str> = genotypes.fields().iter().skip(6).map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["ad_ref", "ad_alt", "ad_site", "fmt_gq", "fmt_gl", "fmt_gl_site", "fmt_other"]);
    }
}
