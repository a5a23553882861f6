//! Keeps SQL inside the dataset: polars' SQL has table functions that open any file. They are refused by name before polars sees the
//! query, so that nothing is opened; what is planned all the same is looked at again (`plan.rs`), whatever it is called.

use crate::error::{Error, Result};

/// Refuses a query that calls a function which reads files (`read_csv`, `read_parquet`, `scan_...`, also quoted).
pub fn check(sql: &str) -> Result<()> {
    let tokens = Tokens { rest: sql }.collect::<Vec<_>>();
    for pair in tokens.windows(2) {
        if let [Token::Name(name), Token::Other('(')] = pair
            && ["read_", "scan_"].iter().any(|prefix| name.to_lowercase().starts_with(prefix))
        {
            return Err(other_files(&format!("`{name}`")));
        }
    }
    Ok(())
}

/// What a query is told that would read something else.
pub fn other_files(what: &str) -> Error {
    Error::usage(format!("{what} reads other files: a query sees this dataset only"))
        .hint("the tables are in the FROM clause by name: variants, genotypes, samples")
}

/// Whether a name stands in the query, as that of a table or of anything else.
pub fn mentions(sql: &str, name: &str) -> bool {
    (Tokens { rest: sql }).any(|token| matches!(token, Token::Name(found) if found.eq_ignore_ascii_case(name)))
}

/// A part of SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A bare or quoted identifier.
    Name(&'a str),
    /// A string, as it is between the quotes.
    Text(&'a str),
    /// Anything else.
    Other(char),
}

/// Splits SQL into tokens; comments and white space are left out.
pub(super) struct Tokens<'a> {
    /// What was not looked at yet.
    pub(super) rest: &'a str,
}

impl<'a> Tokens<'a> {
    /// The text up to the closing quote; a doubled quote stays inside.
    fn quoted(&mut self, quote: char) -> &'a str {
        let body = &self.rest[quote.len_utf8()..];
        let mut at = 0;
        while let Some(offset) = body[at..].find(quote) {
            at += offset;
            if body[at + 1..].starts_with(quote) {
                at += 2;
                continue;
            }
            self.rest = &body[at + 1..];
            return &body[..at];
        }
        self.rest = "";
        body
    }

    fn skip_to(&mut self, end: &str) {
        self.rest = self.rest.find(end).map_or("", |at| &self.rest[at + end.len()..]);
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            self.rest = self.rest.trim_start();
            if self.rest.starts_with("--") {
                self.skip_to("\n");
            } else if self.rest.starts_with("/*") {
                self.rest = &self.rest[2..];
                self.skip_to("*/");
            } else {
                break;
            }
        }
        let first = self.rest.chars().next()?;
        match first {
            '\'' => Some(Token::Text(self.quoted(first))),
            '"' | '`' => Some(Token::Name(self.quoted(first))),
            _ if first.is_alphabetic() || first == '_' => {
                let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
                let name = &self.rest[..end];
                self.rest = &self.rest[end..];
                Some(Token::Name(name))
            }
            _ => {
                self.rest = &self.rest[first.len_utf8()..];
                Some(Token::Other(first))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_that_read_files_are_refused() {
        for sql in [
            "SELECT * FROM read_csv('/etc/passwd')",
            "select * from Read_Parquet ('x')",
            "SELECT * FROM \"read_json\"('x')",
            "SELECT * FROM `read_ipc`('x')",
            "SELECT * FROM read_csv /* c */ -- d\n ('x')",
            "SELECT a FROM (SELECT * FROM read_csv('x')) t",
            "SELECT 'it''s' , x FROM scan_parquet('x')",
        ] {
            assert_eq!(check(sql).expect_err(sql).class().exit_code(), 2);
        }
    }

    #[test]
    fn other_queries_pass() {
        for sql in [
            "SELECT COUNT(*) FROM variants",
            "SELECT 'read_csv(' AS text, read_depth FROM variants -- read_csv('x')",
            "SELECT \"read_csv\" FROM variants",
            "SELECT 'unclosed",
            "",
        ] {
            check(sql).expect(sql);
        }
    }
}
