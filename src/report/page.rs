//! The HTML file: a template, its style and its scripts, and the data as JSON.

use crate::error::{Error, Result};
use serde::Serialize;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPTS: [&str; 4] =
    [include_str!("plots.js"), include_str!("table.js"), include_str!("sets.js"), include_str!("page.js")];

/// The file.
pub fn render(title: &str, page: &impl Serialize) -> Result<String> {
    let data = json(page)?;
    let mut html = String::with_capacity(TEMPLATE.len() + STYLE.len() + data.len() + 65_536);
    let mut rest = TEMPLATE;
    // one pass, so that a marker inside the data is no marker
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").expect("markers of the template are closed");
        html.push_str(before);
        match name {
            "title" => html.push_str(&escaped(title)),
            "style" => html.push_str(STYLE),
            "data" => html.push_str(&data),
            "scripts" => SCRIPTS.iter().for_each(|script| html.push_str(script)),
            other => unreachable!("the template has no marker {other}"),
        }
        rest = after;
    }
    html.push_str(rest);
    Ok(html)
}

/// Text for HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// JSON that cannot end the script element it is in.
fn json(page: &impl Serialize) -> Result<String> {
    let text =
        serde_json::to_string(page).map_err(|error| Error::internal(format!("cannot write the page: {error}")))?;
    Ok(text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_cannot_leave_its_element() {
        let hostile = "</script><script>alert(1)</script>{{title}}<!--";
        let html = render(hostile, &[hostile]).expect("a page");
        assert_eq!(html.matches("</script").count(), 2);
        assert!(!html.contains("<!--"));
        assert!(html.contains(r#"["\u003c/script\u003e"#), "the data is there");
        assert!(html.contains("{{title}}\\u003c"), "a marker inside the data is left alone");
        let start = html.find("type=\"application/json\">").expect("data") + 24;
        let end = start + html[start..].find("</script>").expect("an end");
        assert_eq!(serde_json::from_str::<[String; 1]>(&html[start..end]).expect("JSON"), [hostile]);
    }
}
