//! Sums that do not wrap around. polars adds 32-bit integers in 32 bits: `SUM(dp)` beyond 2,147,483,647 would be another number, without
//! an error. So a 64-bit zero is added to what is summed, which makes integers 64 bits wide and changes nothing else.

use super::guard::{Token, tokens};

/// `sql` with `SUM(x)` as `SUM((x) + CAST(0 AS BIGINT))`.
pub fn widened(sql: &str) -> String {
    let mut text = String::with_capacity(sql.len() + 32);
    let mut copied = 0;
    // of each open bracket, whether it is that of a sum
    let mut open: Vec<bool> = Vec::new();
    let (mut is_sum, mut begins_sum) = (false, false);
    for part in tokens(sql) {
        let named = |name: &str| matches!(&part.token, Token::Name(found) if found.eq_ignore_ascii_case(name));
        if begins_sum && !named("distinct") {
            text.push_str(&sql[copied..part.at.start]);
            text.push('(');
            (copied, begins_sum) = (part.at.start, false);
        }
        match part.token {
            Token::Other('(') => {
                begins_sum = is_sum;
                open.push(is_sum);
            }
            Token::Other(')') if open.pop() == Some(true) => {
                text.push_str(&sql[copied..part.at.start]);
                text.push_str(") + CAST(0 AS BIGINT)");
                copied = part.at.start;
            }
            _ => {}
        }
        is_sum = named("sum");
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
            ("select sum( DISTINCT a + b ) x", "select sum( DISTINCT (a + b ) + CAST(0 AS BIGINT)) x"),
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
