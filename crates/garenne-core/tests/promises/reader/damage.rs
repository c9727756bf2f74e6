//! Streams that are damaged in every way: the same bytes in every run.

use std::thread;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::any::stream;
use super::seen::{assert_same, cut, read, read_at_once};

/// How many undamaged streams there are, and how often each of them is damaged.
const STREAMS: usize = 250;
const DAMAGES: usize = 120;

/// Enough for what reads in loops, too little for what follows a producer by recursion.
const STACK: usize = 128 * 1024;

/// Lengths that are wrong in their own ways.
const LENGTHS: [u32; 8] = [
    0,
    1,
    7,
    65_536,
    65_537,
    16 * 1024 * 1024 + 1,
    i32::MAX as u32,
    u32::MAX,
];

fn below(rng: &mut TestRng, end: usize) -> usize {
    rng.random_range(0..end.max(1))
}

/// Damages a stream once. `other` is another one.
fn damage(rng: &mut TestRng, bytes: &mut Vec<u8>, other: &[u8]) {
    let length = bytes.len();
    if length == 0 {
        return;
    }
    let at = below(rng, length);
    match below(rng, 9) {
        0 => bytes[at] ^= 1 << below(rng, 8),
        1 => bytes[at] = rng.random(),
        2 => bytes.truncate(at),
        3 => drop(bytes.remove(at)),
        4 => bytes.insert(at, rng.random()),
        5 => {
            let to = at + below(rng, length - at);
            bytes.drain(at..to);
        }
        6 => {
            let to = at + below(rng, (length - at).min(64));
            let again = bytes[at..to].to_vec();
            bytes.splice(at..at, again);
        }
        7 => {
            let from = below(rng, other.len());
            bytes.splice(at.., other[from..].iter().copied());
        }
        _ => {
            let frames = frames(bytes);
            let frame = frames[below(rng, frames.len())];
            let size = LENGTHS[below(rng, LENGTHS.len())].to_be_bytes();
            if let Some(field) = bytes.get_mut(frame + 3..frame + 7) {
                field.copy_from_slice(&size);
            }
        }
    }
}

/// Where the frames begin, as far as the stream is whole.
fn frames(bytes: &[u8]) -> Vec<usize> {
    let mut begins = vec![0];
    let mut at = 0;
    while let Some(&[_, _, _, a, b, c, d]) = bytes[at..].first_chunk::<7>() {
        let size = u32::from_be_bytes([a, b, c, d]) as usize;
        at += 7 + size + 1;
        if at >= bytes.len() {
            break;
        }
        begins.push(at);
    }
    begins
}

/// Streams as brokers send them. The seed is the name of the run: whoever changes it tries others.
fn streams(seed: u8) -> (Vec<Vec<u8>>, TestRng) {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let any = stream(30);
    let streams = (0..STREAMS).map(|_| {
        let stream = any.new_tree(&mut runner).unwrap().current();
        stream.check();
        stream.bytes
    });
    (streams.collect(), runner.new_rng())
}

/// Damages each stream many times. Returns how often that did no harm, and how often it did.
fn read_damaged(streams: &[Vec<u8>], rng: &mut TestRng) -> [usize; 2] {
    let (mut whole, mut broken) = (0, 0);
    for (stream, other) in streams.iter().zip(streams.iter().cycle().skip(1)) {
        for _ in 0..DAMAGES {
            let mut bytes = stream.clone();
            for _ in 0..=below(rng, 4) {
                damage(rng, &mut bytes, other);
            }
            let outcome = read_at_once(&bytes);
            let lengths: Vec<_> = (0..5).map(|_| 1 + below(rng, 40)).collect();
            assert_same(&read(cut(&bytes, &lengths)), &outcome);
            // A frame has eight bytes at least, and no more than two events.
            assert!(outcome.0.len() <= bytes.len() / 4);
            match outcome.1 {
                None => whole += 1,
                Some(_) => broken += 1,
            }
        }
    }
    [whole, broken]
}

#[test]
fn no_damage_makes_the_reader_panic_or_hang_or_depend_on_the_cuts() {
    let tasks = [1, 2].map(|seed| {
        let (streams, mut rng) = streams(seed);
        let thread = thread::Builder::new().stack_size(STACK);
        thread
            .spawn(move || read_damaged(&streams, &mut rng))
            .unwrap()
    });
    for task in tasks {
        // Both happen often, so both are tested.
        let [whole, broken] = task.join().unwrap();
        assert!(
            whole > STREAMS && broken > STREAMS * DAMAGES / 2,
            "{whole} and {broken}"
        );
    }
}
