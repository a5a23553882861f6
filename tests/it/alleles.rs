//! Alleles in the form in which they are compared, worked out without the program.

/// An allele trimmed and aligned to the left against the bases of its contig: 0-based start, REF, ALT.
pub fn normalised(reference: &[u8], start: usize, ref_allele: &str, alt: &str) -> (usize, String, String) {
    let (mut start, mut old, mut new) = (start, ref_allele.as_bytes().to_vec(), alt.as_bytes().to_vec());
    loop {
        if old.last() != new.last() || (old.len() == 1 && new.len() == 1) {
            break;
        }
        if old.len() == 1 || new.len() == 1 {
            // a single base is left of one of them: the base before goes in front, then the last ones off
            if start == 0 {
                break;
            }
            start -= 1;
            old.insert(0, reference[start]);
            new.insert(0, reference[start]);
        }
        old.pop();
        new.pop();
    }
    let shared = old.iter().zip(&new).take_while(|(a, b)| a == b).count().min(old.len().min(new.len()) - 1);
    let text = |bases: &[u8]| String::from_utf8(bases[shared..].to_vec()).expect("bases");
    (start + shared, text(&old), text(&new))
}

#[test]
fn alleles_move_to_the_left_and_lose_what_they_share() {
    let of = |start, old, new| normalised(b"GCACACAT", start, old, new);
    assert_eq!(of(5, "CA", "C"), (5, "CA".into(), "C".into()));
    assert_eq!(of(4, "ACA", "A"), (0, "GCA".into(), "G".into()));
    assert_eq!(of(6, "A", "ACA"), (0, "G".into(), "GCA".into()));
    assert_eq!(of(2, "ACA", "ATA"), (3, "C".into(), "T".into()));
    assert_eq!(of(0, "GC", "C"), (0, "GC".into(), "C".into()));
}
