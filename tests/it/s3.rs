//! S3: every call under every fault, and inputs that are read from there.

use super::common::temp;
use super::servers::{Bucket, bucket, signed_bucket};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use varbatch::error::Class;
use varbatch::store::Creation;
use varbatch::store::local::Mapped;
use varbatch::store::s3::{Entry, S3Prefix};

/// Part of the requests that are broken.
const RATE: f64 = 0.3;

/// Runs a function of this file as a process of its own, with the environment of a bucket. What a client does depends on
/// the environment, which cannot be changed while threads run.
#[track_caller]
fn as_process(function: &str, bucket: &Bucket, more: &[(&str, &str)]) {
    let mut command = Command::new(std::env::current_exe().expect("the test program"));
    command.args([&format!("s3::{function}"), "--exact", "--ignored", "--nocapture"]).envs(bucket.environment());
    command.env("VARBATCH_TEST_URI", &bucket.uri).envs(more.iter().copied()).stdin(Stdio::null());
    let output = command.output().expect("start it");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{function}:\n{}\n{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).contains("1 passed"), "{}", text(&output.stdout));
}

/// The bucket of [`as_process`]; `None` when the function is run by hand.
fn given() -> Option<S3Prefix> {
    let uri = std::env::var("VARBATCH_TEST_URI").ok()?;
    Some(S3Prefix::open(&format!("{uri}/run"), None).expect("opens"))
}

fn noise(n_bytes: usize) -> Vec<u8> {
    let mut state = 7_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..n_bytes).map(next).collect()
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
#[ignore = "a part of every_call_under_every_fault"]
fn every_call() {
    let Some(prefix) = given() else { return };
    for i in 0..12 {
        let name = format!("commits/{i:02}.json");
        let text = format!("record {i}");
        // a lost reply makes one's own write look like that of another: it is the same either way
        let first = prefix.create(&name, text.as_bytes()).expect("creates");
        assert_ne!(first, Creation::Other);
        assert_eq!(prefix.create(&name, text.as_bytes()).expect("looks"), Creation::Same);
        assert_eq!(prefix.create(&name, b"another").expect("looks"), Creation::Other);
        assert_eq!(prefix.read(&name).expect("reads").as_deref(), Some(text.as_bytes()));
        let stat = prefix.stat(&name).expect("looks").expect("is there");
        assert_eq!((stat.bytes, stat.sha256), (text.len() as u64, Some(sha256(text.as_bytes()))));
        let etag = stat.etag.expect("an etag");
        assert_eq!(&prefix.read_range(&name, 2..6, Some(&etag)).expect("reads")[..], b"cord");
    }
    assert_eq!(prefix.list("commits").expect("lists").len(), 12);
    assert_eq!(prefix.list("").expect("lists")[3], Entry { name: "commits/03.json".into(), bytes: 8 });
    assert_eq!(prefix.folder("commits").list("").expect("lists").len(), 12);
    prefix.write("changing", b"one").expect("writes");
    let before = prefix.stat("changing").expect("looks").expect("is there").etag;
    prefix.write("changing", b"two").expect("writes");
    assert_eq!(prefix.read("changing").expect("reads").as_deref(), Some(&b"two"[..]));
    let changed = prefix.read_range("changing", 0..2, before.as_deref()).expect_err("it is another now");
    assert_eq!(changed.class(), Class::BadData);
    assert!(changed.message().contains("/run/changing was changed"), "{changed}");
    for name in ["commits/00.json", "changing", "never-there"] {
        prefix.remove(name).expect("removes");
        assert_eq!(prefix.read(name).expect("reads"), None);
        assert_eq!(prefix.stat(name).expect("looks"), None);
    }
    assert_eq!(prefix.read_range("never-there", 0..1, None).expect_err("missing").class(), Class::NoInput);
    assert_eq!(prefix.list("").expect("lists").len(), 11);
    assert!(prefix.list("no/such/folder").expect("lists").is_empty());

    let folder = temp();
    let (small, large) = (noise(100_000), noise(40 << 20));
    for (name, bytes) in [("small", &small), ("large", &large)] {
        let (path, other) = (folder.path().join(name), folder.path().join("other"));
        std::fs::write(&path, bytes).expect("writes");
        let mut changed = bytes.clone();
        changed[bytes.len() / 2] ^= 1;
        std::fs::write(&other, &changed).expect("writes");
        assert_ne!(prefix.upload(name, &path, &sha256(bytes)).expect("uploads"), Creation::Other);
        assert_eq!(prefix.upload(name, &path, &sha256(bytes)).expect("looks"), Creation::Same);
        assert_eq!(prefix.upload(name, &other, &sha256(&changed)).expect("looks"), Creation::Other);
        assert!(prefix.read(name).expect("reads").as_deref() == Some(&bytes[..]));
        let stat = prefix.stat(name).expect("looks").expect("is there");
        assert_eq!((stat.bytes, stat.sha256), (bytes.len() as u64, Some(sha256(bytes))));
    }
    println!("{}", varbatch::store::s3::requests());
}

#[test]
fn every_call_under_every_fault() {
    let Some(direct) = bucket() else { return };
    as_process("every_call", &direct, &[]);
    let modes = ["503", "429", "500", "409", "reset-before", "lost-reply", "503-after", "truncated"];
    std::thread::scope(|scope| {
        for (seed, mode) in modes.iter().enumerate() {
            scope.spawn(move || {
                let broken = bucket().expect("a bucket").through(mode, RATE, seed as u32);
                as_process("every_call", &broken, &[]);
                let counts = broken.counts();
                eprintln!("{mode}: {counts}");
                assert!(counts["faults"].as_u64() > Some(5), "{mode}: {counts}");
            });
        }
    });
}

#[test]
fn signatures_are_accepted() {
    let Some(checked) = signed_bucket() else { return };
    as_process("every_call", &checked, &[]);
    as_process("signed_names", &checked, &[]);
    as_process("refused", &checked, &[("AWS_SECRET_ACCESS_KEY", "wrong-secret")]);
}

/// Keys of the files that `aws configure` writes, and of a program that these name.
#[test]
fn profiles_give_keys() {
    let Some(checked) = signed_bucket() else { return };
    let folder = temp();
    let value =
        |name: &str| checked.environment().into_iter().find(|(known, _)| *known == name).expect("it is there").1;
    let (key, secret) = (value("AWS_ACCESS_KEY_ID"), value("AWS_SECRET_ACCESS_KEY"));
    let printed = format!("{{\"Version\": 1, \"AccessKeyId\": \"{key}\", \"SecretAccessKey\": \"{secret}\"}}");
    super::common::write(folder.path(), "keys.json", printed);
    let at = folder.path().display();
    let credentials = format!("[lab]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n");
    let config = format!(
        "[default]\nregion = us-east-1\n[profile tool]\ncredential_process = cat {at}/keys.json\n\
         [profile broken]\ncredential_process = echo secret-word; exit 1\n[profile login]\nsso_session = x\n"
    );
    let (credentials, config) = (
        super::common::write(folder.path(), "credentials", credentials),
        super::common::write(folder.path(), "config", config),
    );
    let files = [
        ("AWS_SHARED_CREDENTIALS_FILE", credentials.to_str().expect("UTF-8")),
        ("AWS_CONFIG_FILE", config.to_str().expect("UTF-8")),
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_SECRET_ACCESS_KEY", ""),
    ];
    for profile in ["lab", "tool"] {
        as_process("a_few_calls", &checked, &[&files[..], &[("AWS_PROFILE", profile)]].concat());
    }
    let refused = |profile: &str, code: i32, word: &str| {
        let mut command = Command::new(super::common::binary());
        command.args(["status", &format!("{}/none.ds", checked.uri)]).envs(checked.environment());
        let done = super::common::finish(command.envs(files).env("AWS_PROFILE", profile)).expect(code);
        assert!(done.stderr.contains(word) && !done.stderr.contains("secret-word"), "{}", done.stderr);
    };
    refused("none", 2, "no such profile");
    refused("login", 77, "aws configure export-credentials --profile login");
    refused("broken", 77, "no AWS credentials were found");
}

#[test]
#[ignore = "a part of signatures_are_accepted"]
fn signed_names() {
    let Some(prefix) = given() else { return };
    for name in ["a b+c", "contig=chr%2A1/é&x=y?z", "(1)'~*!$,;:@#"] {
        prefix.write(name, name.as_bytes()).expect("writes");
        assert_eq!(prefix.read(name).expect("reads").as_deref(), Some(name.as_bytes()));
        assert!(prefix.list("").expect("lists").iter().any(|entry| entry.name == name), "{name}");
    }
}

#[test]
#[ignore = "a part of signatures_are_accepted"]
fn refused() {
    let Some(prefix) = given() else { return };
    for result in [prefix.read("a").map(|_| ()), prefix.stat("a").map(|_| ()), prefix.create("a", b"x").map(|_| ())] {
        let error = result.expect_err("must fail");
        assert_eq!(error.class(), Class::Permission, "{error}");
        assert!(error.message().contains("/run/a") && !format!("{error:?}").contains("wrong-secret"), "{error:?}");
    }
}

#[test]
#[ignore = "a part of a_server_that_hangs"]
fn a_few_calls() {
    let Some(prefix) = given() else { return };
    for i in 0..8 {
        let name = format!("{i}");
        assert_ne!(prefix.create(&name, b"x").expect("creates"), Creation::Other);
        assert_eq!(prefix.read(&name).expect("reads").as_deref(), Some(&b"x"[..]));
    }
}

#[test]
fn a_server_that_hangs() {
    let Some(direct) = bucket() else { return };
    let broken = direct.through("hang", RATE, 3);
    as_process("a_few_calls", &broken, &[("VARBATCH_S3_TIMEOUT_SECONDS", "0.5")]);
    assert!(broken.counts()["faults"].as_u64() > Some(2));
}

#[test]
#[ignore = "a part of a_server_that_never_answers_well"]
fn all_calls_fail_as_temporary() {
    let Some(prefix) = given() else { return };
    let file = temp();
    let path = file.path().join("file");
    std::fs::write(&path, b"x").expect("writes");
    let failed = [
        prefix.read("a").map(|_| ()),
        prefix.read_range("a", 0..1, None).map(|_| ()),
        prefix.stat("a").map(|_| ()),
        prefix.create("a", b"x").map(|_| ()),
        prefix.upload("a", &path, &sha256(b"x")).map(|_| ()),
        prefix.write("a", b"x"),
        prefix.list("").map(|_| ()),
        prefix.remove("a"),
    ];
    for result in failed {
        let error = result.expect_err("must fail");
        assert_eq!(error.class(), Class::Temporary, "{error}");
        assert!(error.message().contains("/run"), "{error}");
        assert!(!["test-key", "test-secret"].iter().any(|secret| format!("{error:?}").contains(secret)), "{error}");
    }
}

#[test]
fn a_server_that_never_answers_well() {
    let Some(direct) = bucket() else { return };
    for mode in ["503", "reset-before"] {
        as_process("all_calls_fail_as_temporary", &direct.through(mode, 1.0, 1), &[("VARBATCH_S3_RETRY_SECONDS", "1")]);
    }
    let gone = Bucket::somewhere(&direct.uri, "http://127.0.0.1:9");
    as_process("all_calls_fail_as_temporary", &gone, &[("VARBATCH_S3_RETRY_SECONDS", "1")]);
}

/// Blocks of the scratch file of this process, in bytes.
fn scratch_bytes() -> u64 {
    use std::os::unix::fs::MetadataExt;
    let open = std::fs::read_dir("/proc/self/fd").expect("open files").filter_map(Result::ok);
    let is_scratch = |path: &std::path::Path| {
        std::fs::read_link(path)
            .is_ok_and(|name| name.to_string_lossy().contains(&format!("varbatch-{}-", std::process::id())))
    };
    let scratch = open.map(|entry| entry.path()).filter(|path| is_scratch(path));
    scratch.filter_map(|path| std::fs::metadata(path).ok()).map(|file| file.blocks() * 512).sum()
}

#[test]
#[ignore = "a part of readers_side_by_side_see_the_object_and_use_little_disk"]
fn readers_side_by_side() {
    let Some(prefix) = given() else { return };
    let bytes = noise(40 << 20);
    let folder = temp();
    let path = folder.path().join("large");
    std::fs::write(&path, &bytes).expect("writes");
    prefix.upload("large", &path, &sha256(&bytes)).expect("uploads");
    // whatever nobody looks at is forgotten at once, so that every mistake shows
    varbatch::store::remote::set_idle_bytes(0);
    let mapped = Mapped::open(std::path::Path::new(&prefix.uri_of("large"))).expect("opens");
    let peak = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for reader in 0..6_usize {
            let (mapped, bytes, peak) = (&mapped, &bytes, &peak);
            scope.spawn(move || {
                let (mut at, step) = (reader * 3_333_333, 50_000 + 7_777 * reader);
                let mut window = mapped.window(at);
                if reader % 2 == 0 {
                    window.expect_end(at + (9 << 20));
                }
                let end = (at + (17 << 20)).min(bytes.len());
                while at < end {
                    let seen = &window.upto(at + step).expect("reads")[at..];
                    assert!(seen == &bytes[at..(at + step).min(bytes.len())], "reader {reader} at {at}");
                    at += step;
                    window.give_back(at.min(end));
                    peak.fetch_max(scratch_bytes(), Ordering::Relaxed);
                }
            });
        }
    });
    // 17 MiB were pinned by each reader at the most
    let peak = peak.into_inner();
    assert!(peak > 1 << 20 && peak < 40 << 20, "{peak}");
    assert!(scratch_bytes() < 1 << 20, "{} of {peak} are left", scratch_bytes());
    assert!(mapped.all().expect("reads") == bytes);
    assert_eq!(mapped.digest().expect("reads"), Mapped::open(&path).expect("opens").digest().expect("reads"));
    drop(mapped);
    assert_eq!(scratch_bytes(), 0);
}

#[test]
fn readers_side_by_side_see_the_object_and_use_little_disk() {
    let Some(direct) = bucket() else { return };
    as_process("readers_side_by_side", &direct, &[]);
    as_process("readers_side_by_side", &direct.through("reset-before", 0.2, 4), &[]);
}

#[test]
#[ignore = "a part of one_of_many_writers_wins"]
fn races() {
    let Some(prefix) = given() else { return };
    for round in 0..3 {
        let outcomes: Vec<Creation> = std::thread::scope(|scope| {
            let create = |writer: u32| {
                let prefix = &prefix;
                scope.spawn(move || {
                    let text = format!("writer {writer}");
                    (prefix.create(&format!("race/{round}"), text.as_bytes()).expect("creates"), text)
                })
            };
            let writers: Vec<_> = (0..64).map(create).collect();
            let done: Vec<_> = writers.into_iter().map(|writer| writer.join().expect("no panic")).collect();
            let found = prefix.read(&format!("race/{round}")).expect("reads").expect("is there");
            for (outcome, text) in &done {
                assert_eq!(*outcome != Creation::Other, text.as_bytes() == found, "{outcome:?} {text}");
            }
            done.into_iter().map(|(outcome, _)| outcome).collect()
        });
        assert_eq!(outcomes.iter().filter(|&&outcome| outcome != Creation::Other).count(), 1);
    }
}

#[test]
fn one_of_many_writers_wins() {
    let Some(direct) = bucket() else { return };
    as_process("races", &direct, &[]);
    as_process("races", &bucket().expect("a bucket").through("lost-reply", RATE, 5), &[]);
}

#[test]
#[ignore = "a part of lists_have_pages"]
fn a_long_list() {
    let Some(prefix) = given() else { return };
    std::thread::scope(|scope| {
        for part in 0..8 {
            let prefix = &prefix;
            scope.spawn(move || {
                for i in (part..2_100).step_by(8) {
                    prefix.write(&format!("many/{i:05}&<x> é"), b"").expect("writes");
                }
            });
        }
    });
    let list = prefix.list("many").expect("lists");
    assert_eq!(list.len(), 2_100);
    assert!(list.iter().enumerate().all(|(i, entry)| entry.name == format!("{i:05}&<x> é") && entry.bytes == 0));
}

#[test]
fn lists_have_pages() {
    let Some(direct) = bucket() else { return };
    as_process("a_long_list", &direct, &[]);
}

#[test]
fn a_bucket_that_is_not_there_and_no_credentials() {
    let Some(direct) = bucket() else { return };
    let gone = Bucket::somewhere("s3://varbatch-no-such-bucket", &direct.endpoint);
    as_process("no_bucket", &gone, &[]);
}

#[test]
#[ignore = "a part of a_bucket_that_is_not_there_and_no_credentials"]
fn no_bucket() {
    let Some(prefix) = given() else { return };
    for result in [prefix.read("a").map(|_| ()), prefix.create("a", b"x").map(|_| ()), prefix.list("").map(|_| ())] {
        let error = result.expect_err("must fail");
        assert_eq!(error.class(), Class::NoInput, "{error}");
        assert!(error.message().contains("no such bucket"), "{error}");
    }
}
