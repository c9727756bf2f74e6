//! A webhook as its user describes it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use garenne::AlertSetup;
use garenne::core::Fault;
use garenne::core::alert::Pace;
use garenne::core::secret::shown;
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Uri};

use super::actor::{Caller, Target};
use super::kind::Kind;
use super::secret::Secrets;
use super::template::Template;

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// An alert by HTTP: a robot in a chat room, or whatever takes JSON.
///
/// ```
/// use garenne::prelude::*;
/// use garenne_sinks::WebhookAlert;
///
/// # async fn charge(_: Delivery<Text>) -> Result<(), Failure> { Ok(()) }
/// let robot = "https://oapi.dingtalk.com/robot/send?access_token=…";
/// let builder = SystemBuilder::from_env()
///     .consume_fn(Queue::quorum("orders"), charge)
///     .alert(WebhookAlert::dingtalk(robot, "SEC…"))
///     .alert(WebhookAlert::json("http://alerts.example/", r#"{"message": "{text}"}"#));
/// ```
///
/// | service | made by | calls per minute | text |
/// |---|---|---|---|
/// | DingTalk | [`dingtalk`](Self::dingtalk) | 20, as documented; more, and the robot is muted for 10 min | 4,000 bytes |
/// | Feishu, Lark | [`feishu`](Self::feishu) | 100, as documented | 4,000 bytes |
/// | WeCom | [`wecom`](Self::wecom) | 20, as documented | 2,000 bytes; the service takes 2,048 |
/// | Slack | [`slack`](Self::slack) | 1 per second, as documented | 4,000 bytes |
/// | others | [`json`](Self::json) | 20 | 4,000 bytes |
///
/// A robot that answers with a code other than 0 was not told, whatever the HTTP status; what it said,
/// and what to do, is in the log (`alert_failed`) and in the status. `Retry-After` is kept to.
///
/// The address is a credential: whoever knows it can write there. It is in no log, error or `Debug`
/// text but for its host. (A program with a logger of its own for the crate `log`, in place of
/// `tracing`, must not let `ureq` and `ureq_proto` log at `trace`.) A proxy is taken from `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`.
///
/// What is told contains error texts: they leave your network for the service that you chose. They call
/// nobody there: `@` is written as `＠`, `<` and `>` as `‹` and `›` (for Slack, as the escapes that it
/// wants). In `"{items}"`, which is for programs, `newest` and `kind` are as they are.
#[must_use = "an alert is never called unless a system is given it"]
pub struct WebhookAlert {
    name: Option<String>,
    pace: Pace,
    kind: Kind,
    url: String,
    secret: String,
    prefix: String,
    headers: HeaderMap,
    timeout: Duration,
    secrets: Secrets,
    faults: Vec<Fault>,
}

impl WebhookAlert {
    /// A robot of DingTalk, with the secret that signs its calls. An empty secret signs nothing: for
    /// robots that go by keywords or addresses.
    pub fn dingtalk(url: impl Into<String>, secret: impl Into<String>) -> Self {
        Self::new(Kind::DingTalk, url.into(), secret.into())
    }

    /// A robot of Feishu, with the secret that signs its calls; empty signs nothing.
    pub fn feishu(url: impl Into<String>, secret: impl Into<String>) -> Self {
        Self::new(Kind::Feishu, url.into(), secret.into())
    }

    /// A robot of Lark, which is Feishu elsewhere.
    pub fn lark(url: impl Into<String>, secret: impl Into<String>) -> Self {
        Self::feishu(url, secret)
    }

    /// A robot of WeCom (WeChat Work).
    pub fn wecom(url: impl Into<String>) -> Self {
        Self::new(Kind::WeCom, url.into(), String::new())
    }

    /// An incoming webhook of Slack, or of whatever takes the same.
    pub fn slack(url: impl Into<String>) -> Self {
        Self::new(Kind::Slack, url.into(), String::new())
    }

    /// Whatever takes JSON by POST and answers 2xx.
    ///
    /// The template is a JSON document. In its strings, `{text}` (for people), `{time}` (RFC 3339),
    /// `{service}`, `{host}`, `{severity}` (`info`, `warning`, `critical`), `{number}` (of this call),
    /// `{count}`, `{failures}`, `{dropped}` and `{items}` are filled in. A string that is one of these
    /// and nothing else becomes the value itself: `"{count}"` a number, `"{items}"` an array with
    /// `subject`, `severity`, `queue`, `reason`, `kind`, `count`, `seconds`, `newest` and `text` of
    /// each. An empty template sends all of it, under these names.
    pub fn json(url: impl Into<String>, template: impl AsRef<str>) -> Self {
        let template = template.as_ref();
        let parsed = match template.trim() {
            "" => Ok(Template::default()),
            text => Template::parse(text),
        };
        let mut alert = Self::new(Kind::Json(Template::default()), url.into(), String::new());
        match parsed {
            Ok(template) => alert.kind = Kind::Json(template),
            Err(why) => alert.faults.push(Fault::hidden(
                "template",
                format!(
                    "a JSON document with placeholders such as `{{text}}` in its strings ({why})"
                ),
            )),
        }
        alert
    }

    /// The service that an address names: by its host, or in front of its scheme, as in
    /// `dingtalk+https://…` (`dingtalk`, `feishu`, `lark`, `wecom`, `slack`, `json`). Any other address
    /// gets JSON. For configurations that have one variable for all of them; an empty secret signs
    /// nothing.
    pub fn from_url(url: impl AsRef<str>, secret: impl Into<String>) -> Self {
        let url = url.as_ref().trim();
        let named = url
            .split_once('+')
            .and_then(|(name, url)| Some((Kind::of_name(name)?, url)));
        let (kind, url) = named.unwrap_or_else(|| {
            let address = url.parse::<Uri>().ok();
            let host = address.as_ref().and_then(Uri::host).unwrap_or_default();
            let kind = Kind::of_host(host).unwrap_or_else(|| Kind::Json(Template::default()));
            (kind, url)
        });
        Self::new(kind, url.to_owned(), secret.into())
    }

    /// The name of the alert in logs and in the status: by default that of the service, such as
    /// `dingtalk`, or `webhook`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// How often it is called, what it gathers, how long it keeps trying. The default is
    /// `Pace::default()` with the limit of the service; see the table above.
    pub fn pace(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }

    /// What stands before every text; nothing by default. For robots that insist on a keyword.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// A header of every request, such as `Authorization`. Its value is a credential as well.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
            (Ok(name), Ok(mut sent)) => {
                sent.set_sensitive(true);
                self.headers.insert(name, sent);
                self.secrets.add(value);
                value.split(' ').for_each(|part| self.secrets.add(part));
            }
            // Who gives name and value in the wrong order has written the secret where the name belongs.
            (Err(_), _) => self.faults.push(Fault::hidden(
                "header",
                "first its name, of ASCII letters and hyphens, then its value",
            )),
            (Ok(name), Err(_)) => {
                let accepted = format!(
                    "visible characters as the value of `{}`",
                    shown(name.as_str())
                );
                self.faults.push(Fault::hidden("header", accepted));
            }
        }
        self
    }

    /// How long one request may take: 5 s by default. It ends in any case with the timeout of the
    /// [`Pace`], 10 s by default.
    ///
    /// Too short, and a slow service is told twice; longer than 5 s, and the last alert of a service
    /// that stops may not arrive.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    fn new(kind: Kind, url: String, secret: String) -> Self {
        let mut secrets = url
            .parse()
            .map(|uri| Secrets::of_address(&uri))
            .unwrap_or_default();
        secrets.add(&secret);
        Self {
            name: None,
            pace: kind.pace(),
            kind,
            url,
            secret,
            prefix: String::new(),
            headers: HeaderMap::new(),
            timeout: TIMEOUT,
            secrets,
            faults: Vec::new(),
        }
    }

    /// The host, which is all that may be shown of the address; `None` if that is none.
    fn host(&self) -> Option<String> {
        let uri = self.url.parse::<Uri>().ok()?;
        let (host, authority) = (uri.host()?, uri.authority()?.as_str());
        let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
        let behind_user = authority.rsplit('@').next()?;
        let port = behind_user.strip_prefix(host)?.strip_prefix(':');
        let can_be = port.is_none_or(|port| port.parse::<u16>().is_ok());
        (is_http && can_be && !host.is_empty()).then(|| host.to_owned())
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = self.faults.clone();
        if self.host().is_none() {
            let accepted =
                "an address such as `https://oapi.dingtalk.com/robot/send?access_token=…`";
            faults.push(Fault::hidden("address", accepted));
        }
        if self.timeout.is_zero() {
            faults.push(Fault::new(
                "timeout of a request",
                "0s",
                "a duration above zero",
            ));
        }
        faults
    }
}

impl From<WebhookAlert> for AlertSetup {
    fn from(alert: WebhookAlert) -> Self {
        let faults = alert.faults();
        let name = alert.name.unwrap_or_else(|| alert.kind.name().to_owned());
        let target = Arc::new(Target {
            kind: alert.kind,
            encrypted: alert.url.starts_with("https:"),
            url: alert.url,
            secret: alert.secret,
            prefix: alert.prefix,
            headers: alert.headers,
            timeout: alert.timeout,
            secrets: alert.secrets,
        });
        Self::new(name, move || Caller::new(Arc::clone(&target)))
            .pace(alert.pace)
            .with_faults(faults)
    }
}

impl fmt::Debug for WebhookAlert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookAlert")
            .field("service", &self.kind.name())
            .field("host", &self.host().unwrap_or_default())
            .field("pace", &self.pace)
            .finish_non_exhaustive()
    }
}
