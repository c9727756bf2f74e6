//! What was seen of RabbitMQ 4: one file per area, to be read by people too.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

/// The notes of all cases, by area and case.
#[derive(Debug, Default)]
pub(crate) struct Record(BTreeMap<String, BTreeMap<String, Vec<String>>>);

impl Record {
    pub(crate) fn load() -> Self {
        let mut record = Self::default();
        for entry in fs::read_dir(folder()).expect("what the case sets up") {
            let path = entry.expect("what the case sets up").path();
            let area = path
                .file_stem()
                .expect("what the case sets up")
                .to_string_lossy()
                .into_owned();
            let text = fs::read_to_string(&path).expect("what the case sets up");
            let cases = record.0.entry(area).or_default();
            for block in text
                .split("\n\n")
                .map(str::trim)
                .filter(|block| !block.is_empty())
            {
                let mut lines = block.lines().map(str::to_owned);
                let name = lines.next().unwrap_or_default();
                cases.insert(name.trim_start_matches("# ").to_owned(), lines.collect());
            }
        }
        record
    }

    pub(crate) fn get(&self, area: &str, case: &str) -> Option<&Vec<String>> {
        self.0.get(area)?.get(case)
    }

    /// Writes what was just seen over what was seen before.
    pub(crate) fn update<'a>(
        mut self,
        seen: impl Iterator<Item = (&'a str, &'a str, Vec<String>)>,
    ) {
        for (area, case, notes) in seen {
            if notes.iter().any(|line| line.starts_with("!:")) {
                continue;
            }
            self.0
                .entry(area.to_owned())
                .or_default()
                .insert(case.to_owned(), notes);
        }
        for (area, cases) in self.0 {
            let mut text = String::new();
            for (case, notes) in cases {
                let _ = write!(text, "# {case}\n{}\n\n", notes.join("\n"));
            }
            let path = folder().join(format!("{area}.txt"));
            fs::write(path, text.trim_end().to_owned() + "\n").expect("what the case sets up");
        }
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/recorded")
}
