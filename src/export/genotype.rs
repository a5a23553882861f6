//! Puts genotypes together again from the views of the alleles of a site.

use crate::decode::vcf::push_int;

/// What a copy that no row of the site has is written as when alleles are split into records of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherAllele {
    /// As reference, like `bcftools norm -m-`.
    Reference,
    /// As unknown.
    Missing,
}

fn is_separator(byte: u8) -> bool {
    byte == b'/' || byte == b'|'
}

/// Appends the genotype of the site. `views`: the texts seen from each allele row (`None` where the sample has no row),
/// in the order of ALT: entry 0 is allele 1. A copy that every view calls another allele becomes `other`.
pub fn join(out: &mut Vec<u8>, views: &[Option<&str>], other: OtherAllele) {
    let Some(first) = views.iter().find_map(|view| *view) else {
        out.push(b'.');
        return;
    };
    let first = first.as_bytes();
    if views.len() == 1 && !first.contains(&b'2') {
        out.extend_from_slice(first);
        return;
    }
    for (at, &byte) in first.iter().enumerate() {
        // each allele is one byte in every view, so copies stand at the same place
        let carrier = views.iter().position(|view| view.is_some_and(|view| view.as_bytes().get(at) == Some(&b'1')));
        match (byte, carrier) {
            (byte, _) if is_separator(byte) => out.push(byte),
            (_, Some(row)) => push_int(out, row as i64 + 1),
            (b'2', None) => out.push(if other == OtherAllele::Reference { b'0' } else { b'.' }),
            (byte, None) => out.push(byte),
        }
    }
}

/// Adds the copies of a written genotype: `counts[0]` is the reference, `counts[k]` allele `k`.
pub fn count_copies(genotype: &[u8], counts: &mut [i64]) {
    for copy in genotype.split(|&byte| is_separator(byte)) {
        let allele = std::str::from_utf8(copy).ok().and_then(|digits| digits.parse::<usize>().ok());
        if let Some(count) = allele.and_then(|allele| counts.get_mut(allele)) {
            *count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(views: &[Option<&str>]) -> String {
        let mut out = Vec::new();
        join(&mut out, views, OtherAllele::Missing);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn views_of_all_alleles_give_the_genotype() {
        for (views, expected) in [
            (&[Some("0/1")][..], "0/1"),
            (&[Some("1|2"), Some("2|1")], "1|2"),
            (&[Some("2/2"), Some("2/1"), Some("1/2")], "3/2"),
            (&[Some("./2"), Some("./1")], "./2"),
            (&[Some("2"), Some("1")], "2"),
            (&[Some("|0|2/2"), Some("|0|1/1")], "|0|2/2"),
            (&[Some("0/2/2/1"), Some("0/1/2/2"), Some("0/2/1/2")], "0/2/3/1"),
            (&[Some("."), Some(".")], "."),
            (&[None, None], "."),
            (&[Some("0/2")], "0/."),
        ] {
            assert_eq!(joined(views), expected);
        }
        let views: Vec<String> = (1..=12).map(|k| if k == 11 { "0/1".into() } else { "0/2".to_string() }).collect();
        let views: Vec<Option<&str>> = views.iter().map(|view| Some(view.as_str())).collect();
        assert_eq!(joined(&views), "0/11");
    }

    #[test]
    fn another_allele_is_reference_or_missing() {
        let mut out = Vec::new();
        join(&mut out, &[Some("1|2")], OtherAllele::Reference);
        assert_eq!(out, b"1|0");
    }

    #[test]
    fn copies_are_counted_by_allele() {
        let mut counts = [0; 3];
        count_copies(b"0|2", &mut counts);
        count_copies(b"./2", &mut counts);
        count_copies(b"1", &mut counts);
        assert_eq!(counts, [1, 1, 2]);
    }
}
