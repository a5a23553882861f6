//! Changes to files of a dataset: values of a JSON file, bytes of another one, and the digests that name what was changed.
//!
//! Bytes at random hardly ever are JSON. So an input is a list of edits of a good file: three bytes each, a place (a share
//! of the file) and what to do there.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Files of a dataset: names in it and contents.
pub type Files = Vec<(String, Vec<u8>)>;

/// Applies edits to a file.
pub fn edited(name: &str, bytes: &[u8], edits: &[u8]) -> Vec<u8> {
    if !name.ends_with(".json") {
        let mut changed = bytes.to_vec();
        for edit in edits.chunks_exact(3) {
            let at = share_of(edit, changed.len());
            changed[at] = edit[2];
        }
        return changed;
    }
    let mut value: Value = serde_json::from_slice(bytes).expect("a good file");
    for edit in edits.chunks_exact(3) {
        let mut left = share_of(edit, count(&value));
        change(&mut value, &mut left, edit[2]);
    }
    serde_json::to_vec(&value).expect("values can be written")
}

/// Changes a file, and the digests in all files that name what is changed by that.
pub fn edited_and_named(files: &mut Files, index: usize, edits: &[u8]) {
    let mut renamed = Vec::new();
    let after = edited(&files[index].0, &files[index].1, edits);
    renamed.extend(replace(&mut files[index].1, after));
    // a plan names its lists, commit records and the manifest name the plan: it ends
    while let Some((old, new)) = renamed.pop() {
        for (_, bytes) in files.iter_mut().filter(|(name, _)| name.ends_with(".json")) {
            let text = String::from_utf8_lossy(bytes);
            if text.contains(&old) {
                let after = text.replace(&old, &new).into_bytes();
                renamed.extend(replace(bytes, after));
            }
        }
    }
}

/// Puts other bytes; the digests before and after, where they differ.
fn replace(bytes: &mut Vec<u8>, after: Vec<u8>) -> Option<(String, String)> {
    let digest = |bytes: &[u8]| Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let before = std::mem::replace(bytes, after);
    (before != *bytes).then(|| (digest(&before), digest(bytes)))
}

fn share_of(edit: &[u8], n: usize) -> usize {
    usize::from(u16::from_le_bytes([edit[0], edit[1]])) * n >> 16
}

/// Values in a value, itself included.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(list) => list.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum(),
        _ => 0,
    }
}

/// Does something with the value of a number, counted in order; `left`: how many are before it.
fn change(value: &mut Value, left: &mut usize, what: u8) -> bool {
    if *left == 0 {
        *value = other(value, what);
        return true;
    }
    *left -= 1;
    match value {
        Value::Array(list) => list.iter_mut().any(|item| change(item, left, what)),
        Value::Object(fields) => {
            // taken out, where it would become nothing
            let gone = (what == u8::MAX && *left < fields.len()).then(|| fields.keys().nth(*left).cloned()).flatten();
            match gone {
                Some(name) => fields.remove(&name).is_some(),
                None => fields.values_mut().any(|item| change(item, left, what)),
            }
        }
        _ => false,
    }
}

/// What a value becomes: something at the end of a range, something near, or something that does not belong there.
fn other(value: &Value, what: u8) -> Value {
    let list = match value {
        Value::Array(list) => list.clone(),
        _ => vec![value.clone()],
    };
    match (what % 32, value) {
        (0, _) => Value::Null,
        (1, _) => json!(0),
        (2, _) => json!(-1),
        (3, _) => json!(1),
        (4, _) => json!(i32::MAX),
        (5, _) => json!(i32::MIN),
        (6, _) => json!(u32::MAX),
        (7, _) => json!(1u64 << 53),
        (8, _) => json!(i64::MAX),
        (9, _) => json!(i64::MIN),
        (10, _) => json!(u64::MAX),
        (11, _) => json!(1e300),
        (12, _) => json!(0.5),
        (13, _) => json!(""),
        (14, _) => json!("../escaped"),
        (15, _) => json!("../../escaped"),
        (16, _) => json!(super::text(&super::folder().join("escaped"))),
        (17, _) => json!("a\u{0}\n"),
        (18, _) => json!(true),
        (19, _) => json!([]),
        (20, _) => json!({}),
        (21, _) => Value::Array(list.iter().rev().cloned().collect()),
        (22, _) => Value::Array(list.iter().chain(&list).cloned().collect()),
        (23, _) if count(value) < 1_000 => {
            Value::Array(list.iter().cycle().take(list.len() * 1_000).cloned().collect())
        }
        (24, _) => Value::Array(list[..list.len() / 2].to_vec()),
        (_, Value::Number(number)) => {
            let number = number.as_i64().unwrap_or_default();
            json!(number.wrapping_add(i64::from(what as i8)))
        }
        (_, Value::String(text)) => {
            let end = text.char_indices().nth(usize::from(what >> 5)).map_or(text.len(), |(at, _)| at);
            json!(text[..end])
        }
        (_, other) => other.clone(),
    }
}
