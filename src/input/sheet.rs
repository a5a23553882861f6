//! Lists of inputs: one path a line, or a tab-separated sheet with the columns `path`, `sample`, `sex`.

use crate::error::{Error, Location, Result};
use std::collections::HashMap;
use std::path::Path;

/// One input as asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InputSpec {
    /// Path, or `-` for standard input.
    pub path: String,
    /// What the sheet says of samples: name (empty: the file's only sample) and sex.
    pub samples: Vec<SheetSample>,
}

/// One line of a sheet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SheetSample {
    /// Name; for a file with one sample it replaces the name in the file.
    pub sample: Option<String>,
    /// `male` or `female`.
    pub sex: Option<String>,
}

/// Reads a list or sheet. Empty lines and lines that begin with `#` (unless they name columns) are skipped.
pub fn read(path: &Path) -> Result<Vec<InputSpec>> {
    let text = crate::store::local::read_text(path)?;
    parse(&text).map_err(|error| error.at(Location { path: Some(path.display().to_string()), ..Default::default() }))
}

fn parse(text: &str) -> Result<Vec<InputSpec>> {
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).peekable();
    let names = |line: &str| -> Vec<String> {
        line.trim_start_matches('#').split('\t').map(|name| name.trim().to_lowercase()).collect()
    };
    let columns = match lines.peek() {
        Some((_, line)) if names(line).iter().any(|name| name == "path") => {
            let columns = names(line);
            lines.next();
            columns
        }
        _ => vec!["path".into(), "sample".into(), "sex".into()],
    };
    let mut specs: Vec<InputSpec> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for (number, line) in lines.filter(|(_, line)| !line.starts_with('#')) {
        let at_line = |error: Error| error.at(Location { line: Some(number as u64 + 1), ..Default::default() });
        let (path, sample) = parse_line(line, &columns).map_err(at_line)?;
        let at = match known.get(&path) {
            Some(&at) if sample.is_some() => at,
            Some(_) => return Err(at_line(Error::bad_data(format!("{path} stands twice in the list")))),
            None => {
                known.insert(path.clone(), specs.len());
                specs.push(InputSpec { path, samples: Vec::new() });
                specs.len() - 1
            }
        };
        specs[at].samples.extend(sample);
    }
    if specs.is_empty() {
        return Err(Error::bad_data("the list names no input"));
    }
    Ok(specs)
}

fn parse_line(line: &str, columns: &[String]) -> Result<(String, Option<SheetSample>)> {
    let (mut path, mut sample, mut sex) = (None, None, None);
    for (value, column) in line.split('\t').map(str::trim).zip(columns) {
        let value = Some(value).filter(|value| !value.is_empty() && *value != ".");
        match column.as_str() {
            "path" => path = value.map(str::to_string),
            "sample" => sample = value.map(str::to_string),
            "sex" => sex = value.map(parse_sex).transpose()?.flatten(),
            _ => {}
        }
    }
    let path = path.ok_or_else(|| Error::bad_data("the line has no path"))?;
    let said = sample.is_some() || sex.is_some();
    Ok((path, said.then_some(SheetSample { sample, sex })))
}

/// `male`, `female`, or nothing where it is unknown.
pub fn parse_sex(text: &str) -> Result<Option<String>> {
    match text.to_lowercase().as_str() {
        "male" | "m" | "1" | "xy" => Ok(Some("male".into())),
        "female" | "f" | "2" | "xx" => Ok(Some("female".into())),
        "unknown" | "0" | "na" => Ok(None),
        _ => Err(Error::bad_data(format!("the sex {text:?} is not understood, expected male, female or unknown"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_and_a_sheet() {
        let list = parse("a.vcf\n\nb.vcf.gz\n").expect("a list");
        assert_eq!(list.iter().map(|spec| spec.path.as_str()).collect::<Vec<_>>(), ["a.vcf", "b.vcf.gz"]);
        let sheet = parse("#sample\tsex\tpath\ns1\tF\ta.vcf\ns2\t1\ta.vcf\n").expect("a sheet");
        assert_eq!(sheet.len(), 1);
        assert_eq!(sheet[0].samples[1].sex.as_deref(), Some("male"));
        assert!(parse("path\tsex\na.vcf\tbanana\n").is_err());
        assert!(parse("a.vcf\na.vcf\n").is_err());
    }

    #[test]
    fn a_long_list() {
        // were each line compared with all others, this would take minutes
        let text: String = (0..300_000).map(|i| format!("/data/{i:06}.g.vcf.gz\n")).collect();
        assert_eq!(parse(&text).expect("a list").len(), 300_000);
        let twice = parse(&(text + "/data/000007.g.vcf.gz\n")).expect_err("one stands twice");
        assert_eq!(
            (twice.message(), twice.location().line),
            ("/data/000007.g.vcf.gz stands twice in the list", Some(300_001))
        );
    }
}
