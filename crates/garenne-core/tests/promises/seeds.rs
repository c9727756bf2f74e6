//! What the fuzz targets begin with: `fuzz/seeds`, made here.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::reader::seen::read_at_once;
use crate::reader::stream::{Carrier, Content, Step, Stream, delivery};
use crate::wire::bytes::{check, entry, every_type, list, long, short, with_headers};
use crate::wire::damage::everything;

type Seeds = BTreeMap<String, Vec<u8>>;

/// Set to anything, the seeds are written anew.
const WRITE: &str = "GARENNE_WRITE_SEEDS";

/// The seeds of a target are these, and no others.
fn compare(target: &str, seeds: &Seeds) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/seeds")
        .join(target);
    if std::env::var_os(WRITE).is_some() {
        // Perhaps there are none yet.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        for (name, bytes) in seeds {
            fs::write(folder.join(name), bytes).unwrap();
        }
    }
    let files = fs::read_dir(&folder).unwrap().map(|file| file.unwrap());
    let kept: Seeds = files
        .map(|file| {
            (
                file.file_name().into_string().unwrap(),
                fs::read(file.path()).unwrap(),
            )
        })
        .collect();
    let names = |seeds: &Seeds| seeds.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&kept), names(seeds), "run it with {WRITE}=1");
    assert!(kept == *seeds, "run it with {WRITE}=1");
}

fn steps() -> Vec<(&'static str, Step)> {
    let content = |carrier| {
        Step::Content(Content {
            carrier,
            ..delivery(1, b"body")
        })
    };
    let got = Carrier::GetOk {
        tag: 3,
        redelivered: true,
        left: 4,
    };
    let returned = Carrier::Return {
        code: 312,
        text: "NO_ROUTE".into(),
    };
    let parts = Content {
        parts: vec![b"one".to_vec(), Vec::new(), b"two".to_vec()],
        ..delivery(2, b"")
    };
    let empty = Content {
        parts: Vec::new(),
        ..delivery(1, b"")
    };
    vec![
        ("deliver", Step::Content(delivery(1, b"body"))),
        ("deliver-empty", Step::Content(empty)),
        ("deliver-parts", Step::Content(parts.clone())),
        (
            "cut-off",
            Step::CutOff(parts, 3, 541, "INTERNAL_ERROR".into()),
        ),
        ("get-ok", content(got)),
        ("return", content(returned)),
        ("ack", Step::Confirm(7, true, true)),
        ("nack", Step::Confirm(8, false, false)),
        ("cancel", Step::Cancel(b"tag".to_vec())),
        ("cancel-ok", Step::CancelOk(b"tag".to_vec())),
        ("close", Step::Close(406, "PRECONDITION_FAILED".into())),
        ("close-ok", Step::CloseOk),
        ("heartbeat", Step::Heartbeat),
        (
            "declare-ok",
            Step::Other(50, 11, b"\x01q\0\0\0\0\0\0\0\0".to_vec()),
        ),
    ]
}

fn of_the_reader() -> Seeds {
    let alone = steps().into_iter().map(|(name, step)| {
        let stream = Stream::of(vec![vec![step]], &[0], None);
        (name, stream)
    });
    let closed = Stream::of(Vec::new(), &[0], Some((320, "CONNECTION_FORCED".into())));
    let all = || steps().into_iter().map(|(_, step)| step).collect();
    // The steps say their channel, which is the first.
    let everything = Stream::of(vec![all()], &[0], Some((320, String::new())));
    let others = [("connection-close", closed), ("everything", everything)];
    let mut seeds: Seeds = alone
        .chain(others)
        .map(|(name, stream)| {
            stream.check();
            (name.to_owned(), stream.bytes)
        })
        .collect();
    seeds.insert("amqp-1.0".into(), b"AMQP\0\x01\0\0".into());
    seeds
}

fn of_the_properties() -> Seeds {
    let headers = |entries: &[Vec<u8>]| with_headers(entries);
    let mut seeds = Seeds::from([
        ("none".to_owned(), list(0, b"")),
        ("everything".to_owned(), everything()),
        (
            "latin1".to_owned(),
            list(0x0088, &[short(b"caf\xe9"), short(b"\xff")].concat()),
        ),
        (
            "twice".to_owned(),
            headers(&[entry(b"a", b'V', b""), entry(b"a", b't', b"\x01")]),
        ),
        ("odd-flags".to_owned(), list(0x8003, &short(b"text/plain"))),
        ("odd-type".to_owned(), headers(&[entry(b"a", b'Z', b"")])),
    ]);
    for (number, (kind, content, _)) in every_type().into_iter().enumerate() {
        let name = format!("type-{number:02}-{}", char::from(kind));
        seeds.insert(name, headers(&[entry(b"h", kind, &content)]));
    }
    for (name, kinds) in [("deep-arrays", b"A"), ("deep-tables", b"F")] {
        let deep = (0..90).fold((b'V', Vec::new()), |(kind, content), _| match kinds {
            b"F" => (b'F', long(&entry(b"a", kind, &content))),
            _ => (b'A', long(&[&[kind], &content[..]].concat())),
        });
        seeds.insert(name.to_owned(), headers(&[entry(b"h", deep.0, &deep.1)]));
    }
    seeds
}

#[test]
fn the_fuzzer_of_the_reader_begins_with_what_brokers_send() {
    let seeds = of_the_reader();
    for (name, bytes) in &seeds {
        assert_eq!(
            read_at_once(bytes).1.is_some(),
            name == "amqp-1.0",
            "{name}"
        );
    }
    compare("reader", &seeds);
}

#[test]
fn the_fuzzer_of_the_properties_begins_with_every_type() {
    let seeds = of_the_properties();
    seeds.values().for_each(|bytes| check(bytes));
    compare("properties", &seeds);
}
