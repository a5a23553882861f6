//! Sums that do not wrap around. polars adds 32-bit integers in 32 bits: `SUM(dp)` beyond 2,147,483,647 would be another number, without
//! an error. So a 64-bit zero is added to what is summed, which makes integers 64 bits wide and changes nothing else.

use super::guard::{Token, Tokens};

/// `sql` with `SUM(x)` as `SUM((x) + CAST(0 AS BIGINT))`.
pub fn widened(sql: &str) -> String {
    let mut tokens = Tokens { rest: sql };
    let mut text = String::with_capacity(sql.len() + 32);
    let mut copied = 0;
    // of each open bracket, whether it is that of a sum
    let mut open: Vec<bool> = Vec::new();
    let (mut is_sum, mut begins_sum) = (false, false);
    loop {
        let before = sql.len() - tokens.rest.len();
        let Some(token) = tokens.next() else { break };
        let is_distinct = matches!(token, Token::Name(name) if name.eq_ignore_ascii_case("distinct"));
        if begins_sum && !is_distinct {
            text.push_str(&sql[copied..before]);
            text.push('(');
            (copied, begins_sum) = (before, false);
        }
        match token {
            Token::Other('(') => {
                begins_sum = is_sum;
                open.push(is_sum);
            }
            Token::Other(')') if open.pop() == Some(true) => {
                let at = sql.len() - tokens.rest.len() - 1;
                text.push_str(&sql[copied..at]);
                text.push_str(") + CAST(0 AS BIGINT)");
                copied = at;
            }
            _ => {}
        }
        is_sum = matches!(token, Token::Name(name) if name.eq_ignore_ascii_case("sum"));
    }
    text.push_str(&sql[copied..]);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_summed_is_widened() {
        for (sql, expected) in [
            ("SELECT SUM(dp) FROM t", "SELECT SUM((dp) + CAST(0 AS BIGINT)) FROM t"),
            ("select sum( DISTINCT a + b ) x", "select sum( DISTINCT( a + b ) + CAST(0 AS BIGINT)) x"),
            ("SUM(f(a)) + SUM (b)", "SUM((f(a)) + CAST(0 AS BIGINT)) + SUM ((b) + CAST(0 AS BIGINT))"),
            ("SUM(CASE WHEN a = ')' THEN 1 END)", "SUM((CASE WHEN a = ')' THEN 1 END) + CAST(0 AS BIGINT))"),
            ("SELECT sum, 'SUM(x)' FROM t -- SUM(y)", "SELECT sum, 'SUM(x)' FROM t -- SUM(y)"),
            ("SUM(SUM(a)) OVER (b)", "SUM((SUM((a) + CAST(0 AS BIGINT))) + CAST(0 AS BIGINT)) OVER (b)"),
            ("CUMSUM(a) (", "CUMSUM(a) ("),
        ] {
            assert_eq!(widened(sql), expected);
        }
    }
}
