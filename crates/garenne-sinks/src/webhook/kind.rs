//! The services that take webhooks.

use std::time::Duration;

use garenne::core::alert::Pace;

use super::template::Template;

/// How much text people shall have to read, in bytes. Every service but one takes more.
const READABLE: usize = 4_000;
/// What WeCom takes, with some room for the end of a character.
const WECOM_TEXT: usize = 2_000;

/// A service, and what is peculiar to it.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    DingTalk,
    Feishu,
    WeCom,
    Slack,
    Json(Template),
}

impl Kind {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::DingTalk => "dingtalk",
            Self::Feishu => "feishu",
            Self::WeCom => "wecom",
            Self::Slack => "slack",
            Self::Json(_) => "webhook",
        }
    }

    /// The limits that the services document. A robot of DingTalk that is called more than 20
    /// times a minute is muted for ten.
    pub(super) fn pace(&self) -> Pace {
        let minute = Duration::from_secs(60);
        match self {
            Self::DingTalk | Self::WeCom | Self::Json(_) => Pace::default().limit(20, minute),
            Self::Feishu => Pace::default().limit(100, minute),
            Self::Slack => Pace::default().limit(1, Duration::from_secs(1)),
        }
    }

    /// How many bytes of text a message may have.
    pub(super) const fn max_text(&self) -> usize {
        match self {
            Self::WeCom => WECOM_TEXT,
            Self::DingTalk | Self::Feishu | Self::Slack | Self::Json(_) => READABLE,
        }
    }

    /// The service whose robots live at this host.
    pub(super) fn of_host(host: &str) -> Option<Self> {
        match host {
            "oapi.dingtalk.com" => Some(Self::DingTalk),
            "open.feishu.cn" | "open.larksuite.com" => Some(Self::Feishu),
            "qyapi.weixin.qq.com" => Some(Self::WeCom),
            "hooks.slack.com" => Some(Self::Slack),
            _ => None,
        }
    }

    /// The service of this name, as it stands before the `+` of an address.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        match name {
            "dingtalk" => Some(Self::DingTalk),
            "feishu" | "lark" => Some(Self::Feishu),
            "wecom" => Some(Self::WeCom),
            "slack" => Some(Self::Slack),
            "json" => Some(Self::Json(Template::default())),
            _ => None,
        }
    }
}
