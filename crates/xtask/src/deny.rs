//! `cargo xtask deny`: what is in the dependency tree is what `deny.toml` allows.
//!
//! `cargo deny` takes longer to build than all the tests, and wants the network for a part of what it
//! does. So its licences, bans and sources are looked at here, in what cargo knows already; where it is
//! installed, it runs as well.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::steps::{cargo, cargo_command, root};

/// The platform that is looked at. What only others need is in no build that anybody ships from here.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// What `deny.toml` says.
struct Rules {
    licences: Vec<String>,
    banned: Vec<String>,
    registries: Vec<String>,
}

/// Checks the workspace, and names all that is not allowed.
pub(crate) fn check() -> Result<(), String> {
    let file = root().join("deny.toml");
    let text = fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    let rules = Rules::of(&text)?;
    let packages = packages()?;
    if packages.is_empty() {
        return Err("cargo metadata names no package".to_owned());
    }
    let wrong: Vec<String> = packages
        .iter()
        .flat_map(|package| rules.against(package))
        .collect();
    if !wrong.is_empty() {
        return Err(format!(
            "deny.toml does not allow:\n  {}",
            wrong.join("\n  ")
        ));
    }
    match Command::new("cargo-deny").arg("--version").output() {
        Ok(found) if found.status.success() => cargo("deny --offline check licenses bans sources"),
        _ => {
            println!(
                "cargo-deny is not installed; licences, bans and sources were checked without it"
            );
            Ok(())
        }
    }
}

/// Every package that the workspace builds, as cargo describes it.
fn packages() -> Result<Vec<Value>, String> {
    let metadata = format!("metadata --locked --format-version 1 --filter-platform {PLATFORM}");
    let output = cargo_command(&metadata).output();
    let output = output.map_err(|e| format!("cannot run cargo metadata: {e}"))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("cargo metadata: {why}"));
    }
    let tree: Value = serde_json::from_slice(&output.stdout)
        .map_err(|e| format!("cargo metadata is not read: {e}"))?;
    let nodes = tree["resolve"]["nodes"].as_array();
    let built: Vec<&str> = nodes
        .into_iter()
        .flatten()
        .filter_map(|node| node["id"].as_str())
        .collect();
    let packages = tree["packages"].as_array().cloned().unwrap_or_default();
    let is_built = |package: &Value| package["id"].as_str().is_some_and(|id| built.contains(&id));
    Ok(packages.into_iter().filter(is_built).collect())
}

impl Rules {
    fn of(text: &str) -> Result<Self, String> {
        let strings = |section, key| {
            let found = strings(text, section, key);
            found.ok_or_else(|| format!("deny.toml has no `{key}` in [{section}]"))
        };
        Ok(Self {
            licences: strings("licenses", "allow")?,
            banned: strings("bans", "deny")?,
            registries: strings("sources", "allow-registry")?,
        })
    }

    /// What is not allowed about a package.
    fn against(&self, package: &Value) -> Vec<String> {
        let text = |key: &str| package[key].as_str().unwrap_or_default();
        let name = format!("{} {}", text("name"), text("version"));
        let mut wrong = Vec::new();
        if !self.allows(text("license")) {
            wrong.push(format!("{name}: the licence `{}`", text("license")));
        }
        if self.banned.iter().any(|banned| banned == text("name")) {
            wrong.push(format!("{name}: it is banned"));
        }
        // A package of the workspace itself has none.
        if let Some(source) = package["source"].as_str() {
            let registry = source.strip_prefix("registry+").unwrap_or(source);
            if !self.registries.iter().any(|allowed| allowed == registry) {
                wrong.push(format!(
                    "{name}: it does not come from a registry that is allowed"
                ));
            }
        }
        wrong
    }

    /// Whether a licence expression can be met with the licences that are allowed.
    fn allows(&self, expression: &str) -> bool {
        // An older way to write `OR`.
        let spaced = expression
            .replace('/', " OR ")
            .replace('(', " ( ")
            .replace(')', " ) ");
        let mut words = spaced.split_whitespace().peekable();
        let met = self.any(&mut words, 0);
        met == Some(true) && words.next().is_none()
    }

    /// Alternatives; `None` where the expression cannot be read.
    fn any<'a>(
        &self,
        words: &mut Words<'a, impl Iterator<Item = &'a str>>,
        depth: u8,
    ) -> Option<bool> {
        let mut met = self.all(words, depth)?;
        while words.next_if_eq(&"OR").is_some() {
            met |= self.all(words, depth)?;
        }
        Some(met)
    }

    fn all<'a>(
        &self,
        words: &mut Words<'a, impl Iterator<Item = &'a str>>,
        depth: u8,
    ) -> Option<bool> {
        let mut met = self.one(words, depth)?;
        while words.next_if_eq(&"AND").is_some() {
            met &= self.one(words, depth)?;
        }
        Some(met)
    }

    fn one<'a>(
        &self,
        words: &mut Words<'a, impl Iterator<Item = &'a str>>,
        depth: u8,
    ) -> Option<bool> {
        const DEEPEST: u8 = 8;
        let word = words.next()?;
        if word == "(" {
            let met = (depth < DEEPEST).then(|| self.any(words, depth + 1))??;
            return (words.next()? == ")").then_some(met);
        }
        if words.next_if_eq(&"WITH").is_some() {
            // An exception only adds to what may be done.
            words.next()?;
        }
        Some(self.licences.iter().any(|licence| licence == word))
    }
}

type Words<'a, I> = std::iter::Peekable<I>;

/// The strings of an array in a file of TOML that is written as `deny.toml` is.
fn strings(text: &str, section: &str, key: &str) -> Option<Vec<String>> {
    let header = format!("[{section}]");
    let lines = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim());
    let mut lines = lines.skip_while(|line| *line != header).skip(1);
    let first = lines
        .by_ref()
        .take_while(|line| !line.starts_with('['))
        .find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix('='))?;
    let mut array = first.to_owned();
    while !array.contains(']') {
        array += lines.next()?;
    }
    let (_, array) = array.split_once('[')?;
    let (array, _) = array.split_once(']')?;
    Some(
        array
            .split('"')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TEXT: &str = "
[licenses]
allow = [
    \"MIT\", # as is everything here
    \"Apache-2.0\",
]
[bans]
wildcards = \"deny\"
deny = [\"openssl-sys\"]
[sources]
allow-registry = [\"https://here\"]
";

    fn rules() -> Rules {
        Rules::of(TEXT).unwrap()
    }

    #[test]
    fn the_arrays_of_the_file_are_read() {
        let rules = rules();
        assert_eq!(rules.licences, ["MIT", "Apache-2.0"]);
        assert_eq!(rules.banned, ["openssl-sys"]);
        assert_eq!(rules.registries, ["https://here"]);
        assert!(Rules::of("[licenses]\n[bans]\n").is_err());
    }

    #[test]
    fn an_expression_is_allowed_if_it_can_be_met() {
        let rules = rules();
        for allowed in [
            "MIT",
            "MIT OR GPL-3.0",
            "GPL-3.0/MIT",
            "MIT AND Apache-2.0",
            "(GPL-3.0 OR MIT) AND Apache-2.0",
            "Apache-2.0 WITH LLVM-exception",
        ] {
            assert!(rules.allows(allowed), "{allowed}");
        }
        let nested = format!("{}MIT{}", "(".repeat(100_000), ")".repeat(100_000));
        for refused in [
            "",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "(MIT OR GPL-3.0) AND GPL-3.0",
            "MIT OR",
            "(MIT",
            "MIT MIT",
            &nested,
        ] {
            assert!(!rules.allows(refused), "{}", refused.len());
        }
    }

    #[test]
    fn whatever_is_wrong_with_a_package_is_named() {
        let package = json!({
            "name": "openssl-sys",
            "version": "1.0.0",
            "license": "GPL-3.0",
            "source": "git+https://elsewhere",
        });
        assert_eq!(rules().against(&package).len(), 3);
        let good = json!({"name": "a", "version": "1", "license": "MIT", "source": "registry+https://here"});
        assert!(rules().against(&good).is_empty());
        let own = json!({"name": "a", "version": "1", "license": "MIT", "source": null});
        assert!(rules().against(&own).is_empty());
    }
}
