//! `garenne failed discard`.

use std::io::{BufRead, IsTerminal};

use garenne::failed::{FailedQuery, Flow, discard};
use serde_json::json;

use crate::args::Discard;
use crate::exit::{Done, Trouble, say};
use crate::interrupt::Interrupt;
use crate::output::{Progress, Screen, ask, count};
use crate::store::Opened;

pub(crate) async fn run(args: &Discard) -> Result<Done, Trouble> {
    let may_ask = std::io::stdin().is_terminal();
    if !args.yes && !args.dry_run && !may_ask {
        return Err(Trouble::usage(
            "what is thrown away is gone for good; say --yes, or --dry-run to see what it would be",
        ));
    }
    let interrupt = Interrupt::listen();
    let opened = Opened::of(&args.messages.target).await?;
    let query = args.messages.selection.query();
    let done = act(args, &opened, &query, &interrupt).await;
    opened.close().await;
    done
}

async fn act(
    args: &Discard,
    opened: &Opened,
    query: &FailedQuery,
    interrupt: &Interrupt,
) -> Result<Done, Trouble> {
    if !args.yes {
        let number = meant(opened, query, interrupt).await?;
        let messages = count(number, "message");
        if args.dry_run {
            let mut screen = Screen::new();
            match args.json {
                true => screen.json(&json!({ "would_discard": number }))?,
                false => screen.line(&format!("would throw away {messages}"))?,
            }
            return Ok(Done::Everything);
        }
        if number == 0 || !agrees(&messages).await? {
            say("nothing was thrown away");
            return Ok(if number == 0 {
                Done::Everything
            } else {
                Done::NotEverything
            });
        }
    }
    let progress = Progress::new("throwing away", None);
    let discarded = discard(&*opened.store, &opened.narrowed(query), |so_far| {
        progress.at(so_far);
        if interrupt.is_asked() {
            Flow::Stop
        } else {
            Flow::GoOn
        }
    })
    .await;
    progress.clear();
    let discarded = discarded?;
    if args.json {
        Screen::new().json(&json!({ "discarded": discarded, "stopped": interrupt.is_asked() }))?;
    } else {
        say(&format!("threw away {}", count(discarded, "message")));
    }
    if interrupt.is_asked() {
        say("stopped on request; the rest is still stored");
        return Ok(Done::NotEverything);
    }
    Ok(Done::Everything)
}

async fn meant(
    opened: &Opened,
    query: &FailedQuery,
    interrupt: &Interrupt,
) -> Result<u64, Trouble> {
    let mut cursor = opened.open(query).await?;
    let mut number = 0;
    while !interrupt.is_asked() {
        let Some(stored) = cursor.next().await? else {
            break;
        };
        number += 1;
        cursor.keep(stored.key).await?;
    }
    super::tell_passed_over(cursor.passed_over());
    super::closed(cursor.close().await)?;
    Ok(number)
}

/// Asks on the terminal; anything but a yes is a no.
async fn agrees(messages: &str) -> Result<bool, Trouble> {
    let question = format!("throw away {messages}, for good? [y/N] ");
    let asking = tokio::task::spawn_blocking(move || {
        ask(&question)?;
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    });
    let answer = asking.await.map_err(Trouble::internal)??;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
