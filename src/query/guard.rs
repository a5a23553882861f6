//! Keeps SQL inside the dataset: polars' SQL has table functions that open any file. They are refused by name before polars sees the
//! query, so that nothing is opened; what is planned all the same is looked at again (`plan.rs`), whatever it is called.

use crate::error::{Error, Result};
use sqlparser::dialect::GenericDialect;
use sqlparser::tokenizer::{Location, Token as Parsed, Tokenizer};
use std::ops::Range;

/// Statements that would change something. The engine does those that it knows to tables in its memory, and says that it did.
const CHANGES: [&str; 9] = ["alter", "copy", "create", "delete", "drop", "insert", "merge", "truncate", "update"];

/// Refuses a statement that changes something, and a query that calls a function which reads files (`read_csv`, `read_parquet`,
/// `scan_...`, also quoted).
pub fn check(sql: &str) -> Result<()> {
    let tokens = tokens(sql);
    if let Some(Part { token: Token::Name(name), .. }) = tokens.first()
        && CHANGES.contains(&name.to_lowercase().as_str())
    {
        return Err(Error::usage(format!("`{}` would change tables: a query only reads them", name.to_uppercase()))
            .hint("begin with SELECT or WITH; `-o FILE` writes what a query finds to a file"));
    }
    for pair in tokens.windows(2) {
        if let [Part { token: Token::Name(name), .. }, Part { token: Token::Other('('), .. }] = pair
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
    tokens(sql).iter().any(|part| matches!(&part.token, Token::Name(found) if found.eq_ignore_ascii_case(name)))
}

/// A part of SQL, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) token: Token,
    /// Bytes.
    pub(super) at: Range<usize>,
}

/// What a part of SQL is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A bare or quoted identifier, or a keyword.
    Name(String),
    /// One sign.
    Other(char),
    /// Anything else: texts, numbers, signs of several characters.
    Rest,
}

/// Splits SQL into tokens as polars does; comments and white space are left out. Of what polars cannot split, the part before.
pub(super) fn tokens(sql: &str) -> Vec<Part> {
    let mut found = Vec::new();
    // polars says what is wrong with the rest
    let _ = Tokenizer::new(&GenericDialect, sql).tokenize_with_location_into_buf(&mut found);
    let mut places = Places { rest: sql.char_indices(), line: 1, column: 1, end: sql.len() };
    let mut parts = Vec::with_capacity(found.len());
    for found in found {
        let at = places.byte_of(found.span.start)..places.byte_of(found.span.end);
        let token = match found.token {
            Parsed::Whitespace(_) | Parsed::EOF => continue,
            Parsed::Word(word) => Token::Name(word.value),
            // as an identifier where one is expected
            Parsed::DoubleQuotedString(text) => Token::Name(text),
            _ => {
                let mut signs = sql[at.clone()].chars();
                signs.next().filter(|_| signs.next().is_none()).map_or(Token::Rest, Token::Other)
            }
        };
        parts.push(Part { token, at });
    }
    parts
}

/// Finds the bytes of lines and columns, which rise.
struct Places<'a> {
    rest: std::str::CharIndices<'a>,
    line: u64,
    column: u64,
    end: usize,
}

impl Places<'_> {
    fn byte_of(&mut self, place: Location) -> usize {
        while (self.line, self.column) < (place.line, place.column) {
            match self.rest.next() {
                Some((_, '\n')) => (self.line, self.column) = (self.line + 1, 1),
                Some(_) => self.column += 1,
                None => return self.end,
            }
        }
        self.rest.offset()
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
            // comments inside of comments, and quotes that are escaped
            "SELECT * FROM /* /* */ ' */ read_csv('/x') --'",
            "SELECT E'\\'' , x FROM read_csv('/x') --'",
            "SELECT $$ ' $$ , x FROM read_csv('/x') --'",
        ] {
            assert_eq!(check(sql).expect_err(sql).class().exit_code(), 2);
        }
    }

    #[test]
    fn statements_that_change_something_are_refused() {
        for sql in
            ["DROP TABLE variants", "create table x AS SELECT 1", " /* c */ Truncate variants", "DELETE FROM samples"]
        {
            let error = check(sql).expect_err(sql);
            assert!(error.class().exit_code() == 2 && error.message().contains("only reads"), "{sql}");
        }
        for sql in
            ["SELECT 'drop'", "WITH x AS (SELECT 1) SELECT * FROM x", "SHOW TABLES", "EXPLAIN SELECT 1", "(SELECT 1)"]
        {
            check(sql).expect(sql);
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

    #[test]
    fn tokens_say_where_they_are() {
        let sql = "SELECT 'ä\n' ,/* ß */ \"ö x\"\n(a) <> 7.5";
        let found = tokens(sql);
        let texts: Vec<&str> = found.iter().map(|part| &sql[part.at.clone()]).collect();
        assert_eq!(texts, ["SELECT", "'ä\n'", ",", "\"ö x\"", "(", "a", ")", "<>", "7.5"]);
        assert_eq!(found[3].token, Token::Name("ö x".into()));
        assert_eq!((&found[4].token, &found[7].token), (&Token::Other('('), &Token::Rest));
    }
}
