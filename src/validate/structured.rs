//! `<key=value,...>` of meta-information lines, read strictly. VCF 4.5 section 1.4.

/// One `key=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    pub key: &'a str,
    /// Without quotes, escapes as written.
    pub value: &'a str,
    pub is_quoted: bool,
    /// Byte of the key in the line.
    pub at: usize,
}

/// What is wrong with the form: byte in the line, and why.
pub type Malformed = (usize, String);

/// Reads the list in `text`, which begins with `<` at the byte `offset` of its line.
pub fn parse(text: &str, offset: usize) -> Result<Vec<Entry<'_>>, Malformed> {
    let bytes = text.as_bytes();
    let mut entries = Vec::new();
    let mut at = 1;
    loop {
        let key_end = bytes[at..].iter().position(|&byte| matches!(byte, b'=' | b',' | b'>' | b'"' | b'<'));
        let key_end = at + key_end.ok_or((offset + at, "the list is not closed with `>`".to_string()))?;
        if bytes[key_end] != b'=' || key_end == at {
            let found = &bytes[at..bytes.len().min(at + 20).max(key_end)];
            return Err((offset + at, format!("expected `key=value`, found {}", super::finding::quoted(found))));
        }
        let (value, is_quoted, end) = value_at(text, key_end + 1).map_err(|(at, why)| (offset + at, why))?;
        entries.push(Entry { key: &text[at..key_end], value, is_quoted, at: offset + at });
        match bytes.get(end) {
            Some(b',') => at = end + 1,
            Some(b'>') if text[end + 1..].trim_end().is_empty() => return Ok(entries),
            Some(b'>') => return Err((offset + end + 1, "there is text behind the closing `>`".into())),
            Some(_) => {
                return Err((offset + end, "expected `,` or `>` behind a value: is a quote not escaped?".into()));
            }
            None => return Err((offset + end, "the list is not closed with `>`".into())),
        }
    }
}

/// The value that begins at `at`: its text, whether it is quoted, and where it ends.
fn value_at(text: &str, at: usize) -> Result<(&str, bool, usize), Malformed> {
    let bytes = text.as_bytes();
    match bytes.get(at) {
        Some(b'"') => {
            let mut end = at + 1;
            while end < bytes.len() && bytes[end] != b'"' {
                end += if bytes[end] == b'\\' { 2 } else { 1 };
            }
            match end < bytes.len() {
                true => Ok((&text[at + 1..end], true, end + 1)),
                false => Err((at, "a quoted value does not end with a quote".into())),
            }
        }
        Some(b'[') => {
            let end = text[at..].find(']').ok_or((at, "`[` without `]`".to_string()))?;
            Ok((&text[at..=at + end], false, at + end + 1))
        }
        _ => {
            let mut end = at;
            while end < bytes.len() && bytes[end] != b',' {
                // a name may have `>` in it; the one that closes the list ends the line
                if bytes[end] == b'>' && text[end + 1..].trim_end().is_empty() {
                    break;
                }
                end += 1;
            }
            Ok((&text[at..end], false, end))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(&str, &str)> {
        parse(text, 0).expect("well-formed").into_iter().map(|entry| (entry.key, entry.value)).collect()
    }

    #[test]
    fn lists_are_read() {
        assert_eq!(
            pairs(r#"<ID=a,Number=.,Description="x, \"y\" > z">"#),
            [("ID", "a"), ("Number", "."), ("Description", r#"x, \"y\" > z"#)]
        );
        assert_eq!(pairs("<ID=a,Values=[b, c]>"), [("ID", "a"), ("Values", "[b, c]")]);
        assert_eq!(pairs("<ID=a=b>"), [("ID", "a=b")]);
    }

    #[test]
    fn broken_lists_say_where() {
        let at = |text| parse(text, 0).expect_err("broken").0;
        assert_eq!(at("<>"), 1);
        assert_eq!(at("<ID=1,A,length=3>"), 6);
        assert_eq!(at(r#"<ID=a,Description="no end>"#), 18);
        assert_eq!(at(r#"<ID=a,Description="a "b" c">"#), 22);
        assert_eq!(at("<ID=a"), 5);
        assert_eq!(at("<ID=a> x"), 8);
    }
}
