//! What the cases are to note: one file per area, to be read by people too.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use super::case::Case;

/// A folder of expected notes, by area and case.
#[derive(Debug)]
pub(crate) struct Book {
    folder: PathBuf,
    areas: BTreeMap<String, BTreeMap<String, Vec<String>>>,
}

impl Book {
    pub(crate) fn open(folder: &str) -> Self {
        let here = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
        let folder = here.join(folder);
        let mut areas = BTreeMap::new();
        for entry in fs::read_dir(&folder).expect("the book is part of the sources") {
            let path = entry.expect("the folder can be read").path();
            let area = path.file_stem().expect("areas have names");
            let text = fs::read_to_string(&path).expect("books are text");
            areas.insert(area.to_string_lossy().into_owned(), read(&text));
        }
        Self { folder, areas }
    }

    pub(crate) fn get(&self, case: &Case) -> Option<&[String]> {
        Some(self.areas.get(case.area)?.get(case.name)?)
    }

    /// Pages of cases that are no more.
    pub(crate) fn orphans(&self, cases: &[Case]) -> Vec<String> {
        let pages = self.areas.iter().flat_map(|(area, pages)| {
            let title = move |name: &String| format!("{area}: {name}");
            pages.keys().map(title)
        });
        pages
            .filter(|page| !cases.iter().any(|case| case.title() == *page))
            .collect()
    }

    /// Writes what was just seen over what was there before.
    pub(crate) fn rewrite(mut self, seen: impl IntoIterator<Item = (Case, Vec<String>)>) {
        for (case, notes) in seen {
            let pages = self.areas.entry(case.area.to_owned()).or_default();
            pages.insert(case.name.to_owned(), notes);
        }
        for (area, pages) in self.areas {
            let mut text = String::new();
            for (name, notes) in pages {
                let _ = write!(text, "# {name}\n{}\n\n", notes.join("\n"));
            }
            let path = self.folder.join(format!("{area}.txt"));
            fs::write(path, text.trim_end().to_owned() + "\n").expect("the book can be written");
        }
    }
}

/// Blocks with an empty line between them: the name of a case, and its notes.
fn read(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut pages: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut name = String::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        match line.strip_prefix("# ") {
            Some(next) => next.clone_into(&mut name),
            None => pages.entry(name.clone()).or_default().push(line.to_owned()),
        }
    }
    pages
}
