//! Rules of this project that a program can check.

mod circles;
mod events;
mod floors;
mod hosts;
mod lengths;
mod map;
mod modules;
mod paths;
mod places;
mod source;
mod variables;

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::steps::root;
use modules::Modules;
use source::Source;

/// What the crate that decides must not know.
const PURE: [&str; 6] = ["tokio", "actix", "actix-rt", "lapin", "rand", "fastrand"];

/// Checks every rule and tells all that is against them.
pub(crate) fn check() -> Result<(), String> {
    let files = files(&root());
    let sources = sources(&root(), &files)?;
    let mut faults = Vec::new();
    faults.extend(sources.iter().flat_map(lengths::check));
    faults.extend(places::check(&sources));
    faults.extend(floors::check(&sources));
    faults.extend(variables::check(&sources));
    faults.extend(events::check(&sources, &read(&root(), events::PAGE)?));
    faults.extend(map::check(&read(&root(), map::PAGE)?, &files));
    for file in &files {
        // A file that is no text names no host.
        if let Ok(text) = fs::read_to_string(root().join(file)) {
            faults.extend(hosts::check(file, &text));
        }
    }
    faults.extend(impure_dependencies()?);
    faults.extend(undocumented_examples()?);
    faults.extend(made_and_kept(&tracked_files()));
    if faults.is_empty() {
        Ok(())
    } else {
        Err(format!("\n  {}", faults.join("\n  ")))
    }
}

/// Shows the largest circle of imports in `crates/garenne`, here or in another copy of the project.
pub(crate) fn show_circle(project: Option<&str>) -> Result<(), String> {
    let project = project.map_or_else(root, Into::into);
    let sources = sources(&project, &files(&project))?;
    let modules = Modules::of(&sources, floors::FOLDER);
    let circle = circles::largest(&modules);
    println!(
        "{} of {} modules import each other in a circle: {}",
        circle.len(),
        modules.files().count(),
        circle.join(", ")
    );
    Ok(())
}

fn read(project: &Path, file: &str) -> Result<String, String> {
    fs::read_to_string(project.join(file)).map_err(|e| format!("cannot read {file}: {e}"))
}

/// Every Rust file among these.
fn sources(project: &Path, files: &[String]) -> Result<Vec<Source>, String> {
    let rust = files.iter().filter(|file| file.ends_with(".rs"));
    rust.map(|file| Ok(Source::new(file.clone(), read(project, file)?)))
        .collect()
}

fn impure_dependencies() -> Result<Vec<String>, String> {
    let manifest = "crates/garenne-core/Cargo.toml";
    let text = read(&root(), manifest)?;
    let dependencies = text
        .split("[dependencies]")
        .nth(1)
        .and_then(|rest| rest.split("\n[").next());
    let names = dependencies
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.split(['.', ' ', '=']).next());
    let impure = names.filter(|name| PURE.contains(name));
    Ok(impure
        .map(|name| format!("{manifest} depends on {name}; this crate only decides"))
        .collect())
}

fn undocumented_examples() -> Result<Vec<String>, String> {
    let folder = root().join("examples");
    let entries =
        fs::read_dir(&folder).map_err(|e| format!("cannot read {}: {e}", folder.display()))?;
    let mut faults = Vec::new();
    for example in entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
    {
        let documented = ["src/main.rs", "src/lib.rs"].iter().any(|file| {
            fs::read_to_string(example.join(file)).is_ok_and(|text| text.starts_with("//! "))
        });
        if !documented {
            faults.push(format!("{} does not say what it shows", example.display()));
        }
    }
    Ok(faults)
}

/// What git keeps; nothing where the project was unpacked without it.
fn tracked_files() -> String {
    let listed = Command::new("git")
        .arg("ls-files")
        .current_dir(root())
        .output();
    listed.map_or_else(
        |_| String::new(),
        |listed| String::from_utf8_lossy(&listed.stdout).into_owned(),
    )
}

/// What a build makes is large, and stays in the history for ever.
fn made_and_kept(tracked: &str) -> Option<String> {
    let made = |file: &&str| file.starts_with("target/") || file.contains("/target/");
    let first = tracked.lines().find(made)?;
    let number = tracked.lines().filter(made).count();
    Some(format!(
        "git keeps {number} files that a build made, {first} the first of them: git rm -r --cached"
    ))
}

/// Every file of the project, as a path from its root, without what cargo makes and what git has.
fn files(project: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(project.join(&folder)).into_iter().flatten();
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{folder}{name}");
            let kind = entry.file_type();
            if kind.as_ref().is_ok_and(fs::FileType::is_dir) {
                let is_made = ["target", "node_modules", ".git"].contains(&name.as_str());
                folders.extend((!is_made).then(|| format!("{path}/")));
            } else if kind.is_ok_and(|kind| kind.is_file()) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_build_made_is_not_to_be_kept() {
        let tracked = "a/src/lib.rs\na/target/x\ntarget/y\nb/targets.rs\n";
        let fault = made_and_kept(tracked).expect("two of them");
        assert!(fault.contains("2 files") && fault.contains("a/target/x"));
        assert_eq!(made_and_kept("b/targets.rs\nb/my-target/x\n"), None);
    }

    #[test]
    fn every_file_of_the_project_is_looked_at() {
        let files = files(&root());
        for file in [
            "ARCHITECTURE.md",
            "crates/xtask/src/tidy.rs",
            "crates/garenne/src/link/mod.rs",
        ] {
            assert!(files.iter().any(|found| found == file), "{file}");
        }
        assert!(!files.iter().any(|found| found.starts_with("target/")));
    }
}
