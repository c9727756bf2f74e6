//! Words that would call people, made harmless.
//!
//! Errors quote strangers. `@all`, `@everyone`, `@channel`, `@here`, `<!channel>`, `<@U123>` and `<at>` are
//! mentions in one chat or another, and what takes the documents of one (Mattermost those of Slack) may know
//! others. So what begins a mention is written with a sign that looks alike and that no service knows.

use garenne::core::alert::{Digest, Item, Subject};

/// A text in which nobody is called.
pub(super) fn text(text: &str) -> String {
    let mut inert = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let is_reference = rest
            .peek()
            .is_some_and(|next| *next == '#' || next.is_ascii_alphabetic());
        inert.push(match c {
            '@' => '＠',
            '<' => '‹',
            '>' => '›',
            // `&#64;` and `&commat;` are `@` to a service that reads HTML.
            '&' if is_reference => '＆',
            c => c,
        });
    }
    inert
}

/// The same for a service that is told by escapes that `<` and `>` mean nothing.
pub(super) fn at(text: &str) -> String {
    text.replace('@', "＠")
}

/// A digest in which what strangers may have written passed through `inert`.
pub(super) fn digest(digest: &Digest, inert: fn(&str) -> String) -> Digest {
    let item = |item: &Item| Item {
        subject: subject(&item.subject, inert),
        newest: inert(&item.newest),
        ..item.clone()
    };
    Digest {
        items: digest.items.iter().map(item).collect(),
        ..digest.clone()
    }
}

fn subject(subject: &Subject, inert: fn(&str) -> String) -> Subject {
    let mut subject = subject.clone();
    if let Subject::Failures { queue, .. }
    | Subject::FailSink { queue }
    | Subject::HandlerDied { queue }
    | Subject::WorkerDied { queue } = &mut subject
    {
        *queue = inert(queue);
    }
    subject
}
