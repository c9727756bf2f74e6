//! What is sent: an address and a JSON document.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use garenne::core::alert::Digest;
use serde_json::{Value, json};

use super::kind::Kind;
use super::{inert, sign};

/// One request, but for what is always the same.
pub(super) struct Request {
    pub(super) url: String,
    pub(super) body: Value,
}

/// The request that tells a digest now. An empty secret means that nothing is signed.
pub(super) fn request(
    kind: &Kind,
    (url, secret, prefix): (&str, &str, &str),
    digest: &Digest,
    now: SystemTime,
) -> Request {
    let mut url = url.to_owned();
    let inert = match kind {
        Kind::Slack => inert::at,
        _ => inert::text,
    };
    let told = inert::digest(digest, inert);
    let text = format!(
        "{prefix}{}",
        told.text(kind.max_text().saturating_sub(prefix.len()))
    );
    let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let body = match kind {
        Kind::DingTalk => {
            if !secret.is_empty() {
                let timestamp = since_epoch.as_millis();
                let sign = sign::dingtalk(timestamp, secret);
                let joint = if url.contains('?') { '&' } else { '?' };
                url.push_str(&format!("{joint}timestamp={timestamp}&sign={sign}"));
            }
            json!({"msgtype": "text", "text": {"content": text}})
        }
        Kind::Feishu => {
            let mut body = json!({"msg_type": "text", "content": {"text": without_tags(&text)}});
            if !secret.is_empty() {
                let timestamp = since_epoch.as_secs();
                body["timestamp"] = timestamp.to_string().into();
                body["sign"] = sign::feishu(timestamp, secret).into();
            }
            body
        }
        Kind::WeCom => json!({"msgtype": "text", "text": {"content": text}}),
        Kind::Slack => json!({"text": escaped(&text)}),
        Kind::Json(template) => {
            let time = humantime::format_rfc3339_seconds(now).to_string();
            template.fill(digest, &text, &time)
        }
    };
    Request { url, body }
}

/// Feishu takes `<at …>` in a text for a mention, and would in a prefix.
fn without_tags(text: &str) -> String {
    text.replace('<', "‹").replace('>', "›")
}

/// Slack's three control characters, as it wants them; it shows what they stand for.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
pub(super) mod tests {
    use garenne::core::FailReason;
    use garenne::core::alert::{Item, Subject};

    use super::super::template::Template;
    use super::*;

    pub(in super::super) fn digest(error: &str) -> Digest {
        Digest {
            service: "order-service".to_owned(),
            host: "web-1".to_owned(),
            number: 3,
            items: vec![Item {
                subject: Subject::failure("orders", FailReason::Exhausted, error),
                count: 12,
                lasting: Duration::from_secs(300),
                newest: error.to_owned(),
            }],
            dropped: 0,
        }
    }

    fn sent(kind: &Kind, secret: &str, error: &str) -> (String, Value) {
        let now = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        let address = ("https://h.example/send?access_token=T", secret, "alert: ");
        let request = request(kind, address, &digest(error), now);
        (request.url, request.body)
    }

    const TEXT: &str =
        "alert: order-service on web-1\norders: 12 failures in 5 min (exhausted), newest: no order";

    #[test]
    fn each_service_gets_its_own_document() {
        let plain = "https://h.example/send?access_token=T";
        let robot = json!({"msgtype": "text", "text": {"content": TEXT}});
        let feishu = json!({"msg_type": "text", "content": {"text": TEXT}});
        for (kind, body) in [
            (Kind::DingTalk, robot.clone()),
            (Kind::WeCom, robot),
            (Kind::Feishu, feishu),
            (Kind::Slack, json!({"text": TEXT})),
        ] {
            assert_eq!(
                sent(&kind, "", "no order"),
                (plain.to_owned(), body),
                "{kind:?}"
            );
        }
        let template = Template::parse(r#"{"at": "{time}"}"#).unwrap();
        let (_, body) = sent(&Kind::Json(template), "", "no order");
        assert_eq!(body, json!({"at": "2023-11-14T22:13:20Z"}));
    }

    #[test]
    fn who_wants_a_signature_gets_one() {
        let (url, _) = sent(&Kind::DingTalk, "SECtest", "no order");
        let sign = "lrMq5E54T40t3FfGVjxdvoqIbXlWY6mzkZYiVoI6emk%3D";
        let expected =
            format!("https://h.example/send?access_token=T&timestamp=1700000000123&sign={sign}");
        assert_eq!(url, expected);
        let (_, body) = sent(&Kind::Feishu, "SECtest", "no order");
        assert_eq!(body["timestamp"], "1700000000");
        assert_eq!(body["sign"], "G7XpBpG8NgG02fJOAhX6FRAObIljmFoxVReo8I62pEk=");
    }

    /// What would call somebody in one chat or another, in an error that quotes a stranger.
    const MENTIONS: &str = "@all @channel @here @everyone <!channel> <!here> <!everyone> <@U123> <@&456> \
                            <!subteam^S1> <at user_id=\"all\">all</at> <at>Ann</at> <users/all> @13800000000 &#64;all &#x40;here &commat;all a & b";

    #[test]
    fn an_error_calls_nobody_in_any_service() {
        let head =
            "alert: order-service on web-1\norders: 12 failures in 5 min (exhausted), newest: ";
        let told = "＠all ＠channel ＠here ＠everyone ‹!channel› ‹!here› ‹!everyone› ‹＠U123› ‹＠&456› \
                    ‹!subteam^S1› ‹at user_id=\"all\"›all‹/at› ‹at›Ann‹/at› ‹users/all› ＠13800000000 ＆#64;all ＆#x40;here ＆commat;all a & b";
        let slack = "＠all ＠channel ＠here ＠everyone &lt;!channel&gt; &lt;!here&gt; &lt;!everyone&gt; &lt;＠U123&gt; \
                     &lt;＠&amp;456&gt; &lt;!subteam^S1&gt; &lt;at user_id=\"all\"&gt;all&lt;/at&gt; \
                     &lt;at&gt;Ann&lt;/at&gt; &lt;users/all&gt; ＠13800000000 &amp;#64;all &amp;#x40;here &amp;commat;all a &amp; b";
        let text = format!("{head}{told}");
        let robot = json!({"msgtype": "text", "text": {"content": text}});
        let template = |template| Kind::Json(Template::parse(template).unwrap());
        for (kind, body) in [
            (Kind::DingTalk, robot.clone()),
            (Kind::WeCom, robot),
            (
                Kind::Feishu,
                json!({"msg_type": "text", "content": {"text": text}}),
            ),
            (Kind::Slack, json!({"text": format!("{head}{slack}")})),
            // Discord, Google Chat and Teams, Mattermost.
            (
                template(r#"{"content": "{text}"}"#),
                json!({"content": text}),
            ),
            (template(r#"{"text": "{text}"}"#), json!({"text": text})),
            (
                template(r##"{"channel": "#ops", "text": "look: {text}"}"##),
                json!({"channel": "#ops", "text": format!("look: {text}")}),
            ),
        ] {
            assert_eq!(sent(&kind, "", MENTIONS).1, body, "{kind:?}");
        }
    }

    #[test]
    fn items_call_nobody_within_a_text_and_are_as_they_are_for_programs() {
        let template = Template::parse(r#"{"text": "{items}!", "items": "{items}"}"#).unwrap();
        let (_, body) = sent(&Kind::Json(template), "", MENTIONS);
        let text = body["text"].as_str().unwrap();
        assert!(!text.contains(['@', '<', '>']), "{text}");
        assert_eq!(body["items"][0]["newest"], MENTIONS);
        assert!(
            !body["items"][0]["text"]
                .to_string()
                .contains(['@', '<', '>']),
            "{body}"
        );
    }

    #[test]
    fn a_text_fits_whatever_happened() {
        let mut long = digest(&"@".repeat(500));
        let item = long.items[0].clone();
        long.items = vec![item; 50];
        let address = ("https://h.example", "", "alert: ");
        let wecom = request(&Kind::WeCom, address, &long, UNIX_EPOCH).body;
        let text = wecom["text"]["content"].as_str().unwrap();
        assert!((1_000..=2_048).contains(&text.len()), "{}", text.len());
        assert!(text.contains("more of"), "{text}");
    }
}
