//! The hosts that the project names.

/// Hosts of the world that the project may name. A build that reaches for another one works for few people; a
/// mirror of packages works for nobody else.
const KNOWN: &[&str] = &[
    "docs.rs",
    "github.com",
    "keepachangelog.com",
    "no-color.org",
    "rust-fuzz.github.io",
    "semver.org",
    "www.apache.org",
    "www.rabbitmq.com",
    // Those that webhooks go to.
    "hooks.slack.com",
    "oapi.dingtalk.com",
    "open.feishu.cn",
    "open.larksuite.com",
    "qyapi.weixin.qq.com",
];

/// Hosts that a mirror of packages may be called.
const MIRRORS: [&str; 2] = ["mirror.", "mirrors."];

/// Hosts in one file that the project does not know. `name` is the file's path.
pub(super) fn check(name: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let is_foreign = |host: &&str| !is_known(host);
        let hosts = addressed(line).filter(is_foreign).chain(mirrors(line));
        faults.extend(hosts.map(|host| {
            format!(
                "{name}:{} names the host `{host}`, which the table of hosts does not have",
                number + 1
            )
        }));
    }
    faults
}

/// The hosts of all addresses in a line.
fn addressed(line: &str) -> impl Iterator<Item = &str> {
    line.split("://").skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-._~%:@[]".contains(c)));
        let authority = &rest[..end.unwrap_or(rest.len())];
        let (_, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        host.split(':').next().filter(|host| !host.is_empty())
    })
}

fn mirrors(line: &str) -> impl Iterator<Item = &str> {
    let words = line.split(|c: char| !(c.is_ascii_alphanumeric() || "-.".contains(c)));
    words.filter(|word| {
        let name = MIRRORS.iter().find_map(|mirror| word.strip_prefix(mirror));
        name.is_some_and(|name| name.contains('.'))
    })
}

/// A host that the table has, one that exists for nobody (`mq`, `h.example`), or one of this computer.
fn is_known(host: &str) -> bool {
    let is_number = host.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let host = host.trim_end_matches('.');
    let is_reserved = |end: &str| host.ends_with(end);
    is_number
        || !host.contains('.')
        || [".example", ".example.com", ".invalid", ".test", ".local"]
            .iter()
            .any(|end| is_reserved(end))
        || KNOWN.contains(&host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_the_project_does_not_know_is_found() {
        let of = |host: &str| {
            check(
                "x.md",
                &format!("a\nget it from https://{host}/b, or not\n"),
            )
        };
        // Put together here, so that this file names no such host itself.
        for host in [["packages", "acme.io"], ["mirrors", "acme.io"]] {
            let host = host.join(".");
            let found = of(&host);
            assert!(!found.is_empty(), "{host}");
            assert!(found[0].starts_with("x.md:2 "), "{found:?}");
        }
        let without_address = format!("is {} there?", ["mirror", "acme.io"].join("."));
        assert_eq!(check("x.rs", &without_address).len(), 1);
    }

    #[test]
    fn hosts_of_nobody_and_of_this_computer_are_none() {
        for line in [
            "amqp://app:s3cret@mq-1.example:5672/vhost",
            "http://127.0.0.1:15672, amqp://mq,amqp://localhost and amqp://[::1]",
            "is a mirror. And https://github.com/a/b too; `postgres://…`",
        ] {
            assert_eq!(check("x.md", line), [""; 0], "{line}");
        }
    }
}
