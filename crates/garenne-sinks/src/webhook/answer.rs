//! What was answered: told, or why not and what to do.

use std::time::Duration;

use garenne::AlertError;
use serde_json::Value;

use super::kind::Kind;

/// How much of what a service says is repeated, in characters.
const MAX_SAID: usize = 200;
/// How long DingTalk mutes a robot that was called too often.
const DINGTALK_MUTES: Duration = Duration::from_secs(600);
/// In what time the others count calls.
const MINUTE: Duration = Duration::from_secs(60);

const SLOWER: &str =
    "make fewer calls with `Pace::limit`, above all when others use the same robot";
const ADDRESS: &str = "check the address: the robot may have been removed, or its token changed";
const SECURITY: &str = "check the robot's security settings against this service: the secret, the keywords \
     (`WebhookAlert::prefix` can contain one), the addresses that may call it, and this host's clock";
const CONTENT: &str = "the service does not accept the content; its words say why";

/// An HTTP response.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: String,
}

/// Whether the news are out. The robots answer 200 whatever happened, and a code.
pub(super) fn judge(kind: &Kind, answer: &Answer) -> Result<(), AlertError> {
    if !(200..300).contains(&answer.status) {
        return Err(refused(answer));
    }
    let fields = match kind {
        Kind::DingTalk | Kind::WeCom => [("errcode", "errmsg")].as_slice(),
        Kind::Feishu => &[("code", "msg"), ("StatusCode", "StatusMessage")],
        Kind::Slack | Kind::Json(_) => return Ok(()),
    };
    let body = serde_json::from_str::<Value>(&answer.body).unwrap_or_default();
    let found = fields.iter().find_map(|(code, message)| {
        let code = body.get(code)?.as_i64()?;
        Some((code, body.get(message).and_then(Value::as_str)))
    });
    match found {
        Some((0, _)) => Ok(()),
        Some((code, said)) => Err(coded(kind, code, said.unwrap_or("nothing"), answer)),
        None => Err(AlertError::new(format_args!(
            "{} answered 200 without a result code: `{}`; check that the address is that of a robot, and that no \
             proxy answers in its place",
            kind.name(),
            said(&answer.body)
        ))),
    }
}

fn refused(answer: &Answer) -> AlertError {
    let advice = match answer.status {
        300..=399 => "the address has moved; correct it",
        401 | 403 | 404 | 410 => ADDRESS,
        429 => SLOWER,
        408 | 500.. => "the service is in trouble; nothing to do but wait",
        _ => CONTENT,
    };
    let error = AlertError::new(format_args!(
        "HTTP status {}: `{}`; {advice}",
        answer.status,
        said(&answer.body)
    ));
    match answer.retry_after {
        Some(wait) => error.with_retry_after(wait),
        None => error,
    }
}

/// The codes that the services document for their robots.
fn coded(kind: &Kind, code: i64, message: &str, answer: &Answer) -> AlertError {
    let (advice, wait) = match (kind, code) {
        (Kind::DingTalk, 130_101 | 410_100) => (SLOWER, Some(DINGTALK_MUTES)),
        (Kind::WeCom, 45_009) | (Kind::Feishu, 11_232) => (SLOWER, Some(MINUTE)),
        (Kind::DingTalk, 310_000) | (Kind::Feishu, 19_021 | 19_022 | 19_024) => (SECURITY, None),
        (Kind::DingTalk, 300_001 | 300_005 | 400_101 | 400_102 | 400_106)
        | (Kind::WeCom, 93_000)
        | (Kind::Feishu, 19_001) => (ADDRESS, None),
        _ => (CONTENT, None),
    };
    let error = AlertError::new(format_args!(
        "{} answered code {code}: `{}`; {advice}",
        kind.name(),
        said(message)
    ));
    match answer.retry_after.or(wait) {
        Some(wait) => error.with_retry_after(wait),
        None => error,
    }
}

/// The other side's words on one line.
fn said(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let line = words
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    match line.char_indices().nth(MAX_SAID) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::super::template::Template;
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            retry_after: None,
            body: body.to_owned(),
        }
    }

    #[test]
    fn only_the_code_of_success_is_a_success() {
        for (kind, body) in [
            (Kind::DingTalk, r#"{"errcode":0,"errmsg":"ok"}"#),
            (Kind::WeCom, r#"{"errcode":0,"errmsg":"ok"}"#),
            (Kind::Feishu, r#"{"code":0,"msg":"success","data":{}}"#),
            (
                Kind::Feishu,
                r#"{"StatusCode":0,"StatusMessage":"success"}"#,
            ),
            (Kind::Slack, "ok"),
            (Kind::Json(Template::default()), ""),
        ] {
            assert_eq!(judge(&kind, &answer(200, body)), Ok(()), "{kind:?}");
            assert!(judge(&kind, &answer(500, body)).is_err(), "{kind:?}");
        }
        for kind in [Kind::DingTalk, Kind::WeCom, Kind::Feishu] {
            let page = judge(&kind, &answer(200, "<html>log in</html>")).unwrap_err();
            assert!(page.to_string().contains("proxy"), "{page}");
        }
    }

    #[test]
    fn a_code_is_told_with_the_words_of_the_service_and_what_to_do() {
        let cases = [
            (
                Kind::DingTalk,
                r#"{"errcode":310000,"errmsg":"sign not match"}"#,
                "secret",
            ),
            (
                Kind::DingTalk,
                r#"{"errcode":300001,"errmsg":"token is not exist"}"#,
                "address",
            ),
            (
                Kind::DingTalk,
                r#"{"errcode":130101,"errmsg":"send too fast"}"#,
                "fewer",
            ),
            (
                Kind::WeCom,
                r#"{"errcode":93000,"errmsg":"invalid webhook url"}"#,
                "address",
            ),
            (
                Kind::Feishu,
                r#"{"code":19024,"msg":"Key Words Not Found"}"#,
                "keywords",
            ),
            (
                Kind::Feishu,
                r#"{"code":9499,"msg":"Bad Request"}"#,
                "content",
            ),
        ];
        for (kind, body, advice) in cases {
            let error = judge(&kind, &answer(200, body)).unwrap_err().to_string();
            let said = body.rsplit('"').nth(1).unwrap();
            for part in [kind.name(), said, advice] {
                assert!(error.contains(part), "{error}");
            }
        }
    }

    #[test]
    fn who_was_called_too_often_is_left_alone() {
        let dingtalk = answer(200, r#"{"errcode":130101,"errmsg":"send too fast"}"#);
        let error = judge(&Kind::DingTalk, &dingtalk).unwrap_err();
        assert_eq!(error.retry_after(), Some(DINGTALK_MUTES));
        let slack = Answer {
            retry_after: Some(Duration::from_secs(30)),
            ..answer(429, "slow down")
        };
        let error = judge(&Kind::Slack, &slack).unwrap_err();
        assert_eq!(error.retry_after(), Some(Duration::from_secs(30)));
        assert!(error.to_string().contains("429"), "{error}");
    }

    #[test]
    fn a_long_answer_is_cut() {
        let error = judge(&Kind::Slack, &answer(400, &"ü\n".repeat(100_000))).unwrap_err();
        assert!(error.to_string().len() < 1_000);
    }
}
